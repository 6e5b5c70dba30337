"""Which errors an endpoint can answer with, and how OpenAPI describes each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from corral.http.admin.endpoint import Endpoint
from corral.http.admin.problems import PROBLEM_TYPE, RETRY_AFTER, TYPE, TYPES, FieldError, make
from corral.service.access.permission import Freely, Permission

_PROBLEM = {"$ref": "#/components/schemas/Problem"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """`name` is that of the response in the components; `detail` what the answer says, for example; `headers` those
    that come with it, each with its meaning and an example."""

    name: str
    meaning: str
    detail: str
    headers: Mapping[str, tuple[str, str]] | None = None


REFUSALS: Mapping[int, Refusal] = {
    400: Refusal("NotReadable", "The body is not readable JSON.", "The body is not readable JSON: it is truncated."),
    401: Refusal(
        "NotAuthenticated",
        "No token, or not a good one.",
        "This token is not known here, has expired or was revoked.",
        {"WWW-Authenticate": ("How to say who you are.", "Bearer")},
    ),
    403: Refusal(
        "Forbidden",
        "Whoever asks lacks the permission that `detail` names.",
        "This needs the permission devices:end, which dashboard does not have.",
    ),
    404: Refusal("NotFound", "There is no such thing.", "There is no device C02XK1ZJH; name it by its id."),
    409: Refusal(
        "Conflict",
        "The state of the device, or of whatever this is about, does not allow it; or the same key is at work.",
        "Device C02XK1ZJHV2Q is connected; end the connection before forgetting it.",
    ),
    412: Refusal(
        "EditedSince",
        "What `If-Match` names was edited since: look at it again.",
        "This is not what you have looked at any more: look at it again, then edit it.",
    ),
    413: Refusal(
        "TooLarge",
        "The body is larger than what is taken here.",
        "The body is larger than 1048576 bytes, which is all that is taken here.",
    ),
    415: Refusal("NotJson", "The body is not JSON.", "Send JSON, with Content-Type: application/json."),
    422: Refusal(
        "Refused",
        "The request is not as it should be, or cannot be carried out; `errors` points at the place.",
        "The request is not as it should be at limit: Expected `int`, got `str`.",
    ),
    429: Refusal(
        "TooManyAttempts",
        "Too many failed attempts to sign in, or too many idempotency keys that are kept.",
        "Too many failed attempts; come again in 60 seconds.",
        {"Retry-After": ("Seconds after which to come again.", "60")},
    ),
    500: Refusal("Failed", "Corral failed at this request.", "Corral failed at this request; its log says why."),
    502: Refusal(
        "ProviderFailed",
        "The identity provider cannot be used.",
        "The identity provider cannot be asked: the connection was refused",
    ),
    503: Refusal(
        "Unavailable",
        "The database cannot be reached, or too much is asked at once.",
        "The database cannot be reached; try again.",
        {"Retry-After": ("Seconds after which to come again.", RETRY_AFTER)},
    ),
}


def refusals(endpoint: Endpoint) -> tuple[int, ...]:
    """The statuses of errors that it can give: those that follow from its shape, and those that it names."""
    found = {422, 500, 503, *endpoint.refuses}
    if endpoint.needs is not Freely.ANYBODY:
        found.add(401)
    if isinstance(endpoint.needs, Permission):
        found.add(403)
    if endpoint.takes_key:
        found |= {409, 429}
    if endpoint.edits:
        found.add(412)
    if endpoint.names:
        found.add(404)
    if "body" in endpoint.hints:
        found |= {400, 413, 415}
    return tuple(sorted(found))


def responses(endpoint: Endpoint) -> dict[str, Any]:
    """Those of an operation's responses that are errors."""
    return {str(status): {"$ref": f"#/components/responses/{REFUSALS[status].name}"} for status in refusals(endpoint)}


def types() -> list[dict[str, Any]]:
    """Every type that a problem can be of."""
    return [{"type": TYPE.format(name), "status": each.status, "title": each.title} for name, each in TYPES.items()]


def components() -> dict[str, Any]:
    """The responses that all operations share."""
    return {each.name: _response(status, each) for status, each in REFUSALS.items()}


def _response(status: int, refusal: Refusal) -> dict[str, Any]:
    errors = (FieldError(detail="Expected `int`, got `str`", pointer="/limit"),) if status == 422 else ()
    headers: dict[str, Any] = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
    for name, (meaning, value) in (refusal.headers or {}).items():
        headers[name] = {"description": meaning, "required": True, "schema": {"type": "string"}, "example": value}
    example = msgspec.to_builtins(make(status, refusal.detail, errors))
    content = {PROBLEM_TYPE: {"schema": _PROBLEM, "example": example}}
    return {"description": refusal.meaning, "headers": headers, "content": content}
