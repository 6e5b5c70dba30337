"""What a verb of the service may refuse with, beside lifecycle.operating.OperationRefused."""


class NotFound(Exception):
    """There is no such device, link, command or token; the message names it."""


class RequestRefused(ValueError):
    """The request cannot be carried out as it is; one line says what to change."""


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


class OverCapacity(Exception):
    """More strangers ask for private-key operations than are served at once: 503."""
