"""What Apple's device enrollment service may say instead of an answer, as one closed set.

Its bodies are short words, sometimes quoted as JSON, so a word is looked for, not compared. Source: Apple, "Device
Assignment", the errors of each call; "Handling throttling".
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class TermsNotSigned:
    """403 T_C_NOT_SIGNED: somebody must accept Apple's new terms in the portal before anything works again."""

    reason: str = "Apple's terms and conditions have to be accepted in the portal"


@dataclass(frozen=True, slots=True)
class CredentialsRefused:
    """The token is revoked, expired, or never was good: a new one has to be imported."""

    reason: str


@dataclass(frozen=True, slots=True)
class AccessDenied:
    """403 for another reason: the organization or this server may not do this."""

    reason: str


@dataclass(frozen=True, slots=True)
class CursorExpired:
    """The cursor is older than seven days, or is not known any more: fetch everything anew."""

    reason: str = "the cursor has expired"


@dataclass(frozen=True, slots=True)
class CursorExhausted:
    """All devices behind this cursor were returned already: there is nothing more, and nothing is wrong."""

    reason: str = "the cursor has returned everything"


@dataclass(frozen=True, slots=True)
class RequestInvalid:
    """A 4xx that repeating does not help: `code` is Apple's word, such as CONFIG_URL_INVALID."""

    status: int
    code: str

    @property
    def reason(self) -> str:
        return f"Apple refuses the request: {self.code or 'no reason given'} ({self.status})"


@dataclass(frozen=True, slots=True)
class ThingNotFound:
    """404: no such profile, or none registered."""

    reason: str


@dataclass(frozen=True, slots=True)
class Throttled:
    """429, or within the time that an earlier answer asked to wait. Seconds until the next request."""

    after_seconds: float

    @property
    def reason(self) -> str:
        return f"Apple asks to wait {self.after_seconds:.0f} seconds"


@dataclass(frozen=True, slots=True)
class Unavailable:
    """5xx, no connection, or no answer in time. `after_seconds` is what the service asked for, if it did."""

    reason: str
    after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An answer that is not what Apple documents."""

    reason: str


Failure: TypeAlias = (
    TermsNotSigned
    | CredentialsRefused
    | AccessDenied
    | CursorExpired
    | CursorExhausted
    | RequestInvalid
    | ThingNotFound
    | Throttled
    | Unavailable
    | Unreadable
)


class DepError(Exception):
    """A call did not succeed; `failure` says how, in a form to `match` on."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


def session_lost(status: int, body: str) -> bool:
    """Whether a new session may help: 401, and a 403 with the bare word FORBIDDEN, which Apple's simulator sends."""
    return status == 401 or (status == 403 and _word(body) == "FORBIDDEN")


def failure_of(status: int, body: str, after_seconds: float | None) -> Failure:
    """What a status that is not 2xx means; `body` is at most its first few hundred characters."""
    word = _word(body)
    match status:
        case 401:
            return CredentialsRefused(f"Apple does not accept this token: {word or 'unauthorized'}")
        case 403 if "T_C_NOT_SIGNED" in word:
            return TermsNotSigned()
        case 403 if word == "FORBIDDEN":
            return CredentialsRefused("Apple does not accept this token: FORBIDDEN")
        case 403:
            return AccessDenied(f"Apple denies access: {word or 'no reason given'}")
        case 404:
            return ThingNotFound(f"Apple knows no such thing: {word or 'not found'}")
        case 429:
            return Throttled(60.0 if after_seconds is None else after_seconds)
        case 400 if "EXPIRED_CURSOR" in word or "INVALID_CURSOR" in word:
            return CursorExpired(f"Apple does not take the cursor: {word}")
        case 400 if "EXHAUSTED_CURSOR" in word:
            return CursorExhausted()
        case 400 if "OAUTH" in word or "CONSUMER_KEY" in word:
            return CredentialsRefused(f"Apple does not accept this token: {word}")
        case _ if status >= 500:
            return Unavailable(f"Apple's service answers {status}", after_seconds)
        case _:
            return RequestInvalid(status, word)


def _word(body: str) -> str:
    """The error's name, on one line and without what could steer a terminal."""
    shown = "".join(each if each.isprintable() else " " for each in body[:200])
    return " ".join(shown.replace('"', " ").split())
