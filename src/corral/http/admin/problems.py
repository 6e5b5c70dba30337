"""Errors as RFC 9457 has them: `application/problem+json`."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from corral.lifecycle.operating import OperationRefused
from corral.service.accounts.provider import ProviderError
from corral.service.errors import (
    AnswerLost,
    Forbidden,
    KeyReused,
    NotConfirmed,
    NotFound,
    OverCapacity,
    RequestRefused,
    SignInFailed,
    StillUnderWay,
    TooManyAttempts,
    TooManyKeysKept,
)
from corral.store.errors import AttemptLost, EditedSince, StoreUnavailable

PROBLEM_TYPE = "application/problem+json"
RETRY_AFTER = "5"


TYPE = "/api/v1/docs#problem-{0}"
"""What a type is called: the place on the page about the API that says what it means."""


@dataclass(frozen=True, slots=True)
class Type:
    """A kind of problem, by which a program can decide what to do; `title` is the same for all of a type."""

    status: int
    title: str


TYPES: Mapping[str, Type] = {
    "not-readable": Type(400, "The body is not readable JSON"),
    "not-authenticated": Type(401, "No token, or not a good one"),
    "sign-in-failed": Type(401, "Who signs in has not proven who they are"),
    "forbidden": Type(403, "Whoever asks lacks a permission"),
    "not-found": Type(404, "There is no such thing"),
    "no-such-address": Type(404, "There is nothing at this address"),
    "method-not-allowed": Type(405, "Not with this method"),
    "conflict": Type(409, "The state of what this is about does not allow it"),
    "not-confirmed": Type(409, "It concerns many devices, and their number was not said"),
    "under-way": Type(409, "The first request with this idempotency key is still under way"),
    "answer-lost": Type(409, "It was carried out under this idempotency key, and its answer is not known"),
    "edited-since": Type(412, "Somebody else has edited this since it was looked at"),
    "too-large": Type(413, "The body is larger than what is taken"),
    "not-json": Type(415, "The body is not JSON"),
    "malformed": Type(422, "The request is not as it should be"),
    "refused": Type(422, "The request cannot be carried out as it is"),
    "key-reused": Type(422, "The idempotency key was used for another request"),
    "too-many-attempts": Type(429, "Too many failed attempts to sign in"),
    "too-many-keys": Type(429, "Too many idempotency keys are kept"),
    "failed": Type(500, "Corral failed"),
    "provider-failed": Type(502, "The identity provider cannot be used"),
    "unavailable": Type(503, "The database cannot be reached, or too much is asked at once"),
}
"""Once given out, a name stays; a problem of a status without more to say is of its first type here."""

_FIRST = {each.status: name for name, each in reversed(TYPES.items())}


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a request: `pointer` is a JSON pointer into its body, or names a query key."""

    detail: str
    pointer: str = ""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9457. `type` is for programs: the page about the API has all of them at the end. `detail` is one line for a
    person: what is wrong, and what to do."""

    type: str
    status: int
    title: str
    detail: str
    errors: tuple[FieldError, ...] = ()


class ProblemError(Exception):
    """Ends a request with this problem; `name` is that of its type, where it is not the first of its status."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
        name: str = "",
    ) -> None:
        super().__init__(detail)
        self.problem = make(status, detail, errors, name)
        self.headers = headers or {}


def make(status: int, detail: str, errors: tuple[FieldError, ...] = (), name: str = "") -> Problem:
    name = name or _FIRST[status]
    # In one line, also where what was asked for is named in it, and has several.
    line = " ".join(detail.splitlines())
    return Problem(type=TYPE.format(name), status=status, title=TYPES[name].title, detail=line, errors=errors)


def of(error: Exception) -> Problem | None:
    """The problem that an error of the services stands for; None for one that nobody meant."""
    match error:
        case ProblemError(problem=problem):
            return problem
        case SignInFailed():
            return make(401, str(error), name="sign-in-failed")
        case Forbidden():
            return make(403, str(error))
        case NotFound():
            return make(404, str(error))
        case NotConfirmed():
            return make(409, str(error), name="not-confirmed")
        case StillUnderWay():
            return make(409, str(error), name="under-way")
        case AnswerLost():
            return make(409, str(error), name="answer-lost")
        case OperationRefused():
            return make(409, str(error))
        case KeyReused():
            return make(422, str(error), name="key-reused")
        case RequestRefused():
            return make(422, str(error), name="refused")
        case TooManyKeysKept():
            return make(429, str(error), name="too-many-keys")
        case TooManyAttempts():
            return make(429, str(error))
        case ProviderError():
            return make(502, str(error))
        case OverCapacity() | StoreUnavailable() | AttemptLost() | EditedSince():
            return make(503, str(error))
        case _:
            return None


def headers(problem: Problem, error: Exception) -> dict[str, str]:
    """What goes with the answer, beside its body."""
    given = dict(error.headers) if isinstance(error, ProblemError) else {}
    if isinstance(error, TooManyAttempts):
        return {"retry-after": str(error.wait)}
    match problem.status:
        case 401:
            return given | {"www-authenticate": "Bearer"}
        case 503:
            return given | {"retry-after": RETRY_AFTER}
        case _:
            return given
