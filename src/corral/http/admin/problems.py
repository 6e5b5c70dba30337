"""Errors as RFC 9457 has them: `application/problem+json`."""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from corral.lifecycle.operating import OperationRefused
from corral.service.accounts.provider import ProviderError
from corral.service.errors import Forbidden, NotFound, OverCapacity, RequestRefused, SignInFailed, TooManyAttempts
from corral.store.errors import AttemptLost, EditedSince, StoreUnavailable

PROBLEM_TYPE = "application/problem+json"
RETRY_AFTER = "5"


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a request: `pointer` is a JSON pointer into its body, or names a query key."""

    detail: str
    pointer: str = ""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9457. `detail` is one line for a person: what is wrong, and what to do."""

    status: int
    title: str
    detail: str
    type: str = "about:blank"
    errors: tuple[FieldError, ...] = ()


class ProblemError(Exception):
    """Ends a request with this problem."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.problem = make(status, detail, errors)
        self.headers = headers or {}


def make(status: int, detail: str, errors: tuple[FieldError, ...] = ()) -> Problem:
    # In one line, also where what was asked for is named in it, and has several.
    return Problem(status=status, title=HTTPStatus(status).phrase, detail=" ".join(detail.splitlines()), errors=errors)


def of(error: Exception) -> Problem | None:
    """The problem that an error of the services stands for; None for one that nobody meant."""
    match error:
        case ProblemError(problem=problem):
            return problem
        case SignInFailed():
            return make(401, str(error))
        case Forbidden():
            return make(403, str(error))
        case NotFound():
            return make(404, str(error))
        case OperationRefused():
            return make(409, str(error))
        case RequestRefused():
            return make(422, str(error))
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
