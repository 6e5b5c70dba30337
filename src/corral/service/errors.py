"""What a verb of the service may refuse with, beside lifecycle.operating.OperationRefused."""

from corral.lifecycle.operating import OperationRefused


class NotFound(Exception):
    """There is no such device, link, command or token; the message names it."""


class RequestRefused(ValueError):
    """The request cannot be carried out as it is; one line says what to change."""


class KeyReused(RequestRefused):
    """An idempotency key stands for another request already."""


class StillUnderWay(OperationRefused):
    """The first request with this idempotency key is; asked again later, there is its answer."""


class AnswerLost(OperationRefused):
    """What is asked under this idempotency key was carried out, and nobody knows what it was answered."""


class NotConfirmed(OperationRefused):
    """It concerns so many devices that their number has to be said."""


class Forbidden(Exception):
    """Whoever asks may not do this; one line says what they lack: 403."""


class SignInFailed(Exception):
    """Who asks has not proven who they are: 401. `who` is whom they say they are, where there is such a user."""

    def __init__(self, message: str, who: str = "") -> None:
        super().__init__(message)
        self.who = who


class TooManyAttempts(Exception):
    """429; `wait` is in seconds."""

    def __init__(self, message: str, wait: int) -> None:
        super().__init__(message)
        self.wait = wait


class TooManyKeysKept(TooManyAttempts):
    """429, for as many idempotency keys of one caller as may be kept."""


class OverCapacity(Exception):
    """More strangers ask for private-key operations than are served at once: 503."""
