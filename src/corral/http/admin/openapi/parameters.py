"""The parameters of an operation: of its path and its query, and headers."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

from corral.http.admin.endpoint import Endpoint, Stream
from corral.http.admin.idempotency import KEY
from corral.http.admin.openapi import examples
from corral.http.admin.openapi.schemas import schemas

ETAG: Final = "9f86d081884c7d65"
_IN_PATH: Final[Mapping[str, tuple[str, str]]] = {
    "app": ("Its id or bundle id.", "org.example.app"),
    "authority": ("Its id.", "0d9c2f5e-0b0f-4f46-9f3a-6a0f1f8f2a11"),
    "command": ("Its CommandUUID.", "6E1B0B8C-5E0C-4F5F-9B62-1E8C5F4D7A90"),
    "device": ("Its id (UDID or EnrollmentID), serial number or connection id.", "C02XK1ZJHV2Q"),
    "event_type": ("The type of an event.", "connection.connected"),
    "link": ("Its id.", "3f9a0c1d2e4b5a67"),
    "profile": ("Its PayloadIdentifier or id; of automated enrollment, its name.", "org.example.wifi"),
    "request_type": ("As Apple's schema has it.", "DeviceInformation"),
    "role": ("Its name.", "desk"),
    "server": ("Its name.", "main"),
    "session": ("Its id.", "1c2d3e4f-aaaa-4bbb-8ccc-0123456789ab"),
    "token": ("The id of the token, not the token.", "9b2a4c6e-1d3f-4a5b-8c7d-9e0f1a2b3c4d"),
    "user": ("The name or id.", "ann"),
    "webhook": ("Its id.", "wh_5f2b8c0d1e3a"),
}
"""What stands for a thing in a path, and an example."""

_IN_QUERY: Final[Mapping[str, str]] = {
    "after": "The `next` of the page before: what comes behind it.",
    "before": "The `next` of the page before: what is older.",
    "deleted": "Also those that Apple lists no more.",
    "device": "A device, by its id, serial number or connection id.",
    "enable": "The profile also has FileVault turned on.",
    "force": "Also where something speaks against it.",
    "last": "Begin so many numbers before the end.",
    "limit": "How many at most.",
    "outcome": "How it ended.",
    "phase": "Only devices whose latest life is in this phase.",
    "platform": "Only what this platform knows.",
    "server": "Only those of this server.",
    "since": "From this time on.",
    "state": "Only commands in this state.",
    "types": "Patterns of event types, with commas between.",
    "until": "Before this time.",
    "user": "A user's id, for their channel.",
    "version": "Of which version; without it, of the newest.",
    "wait": "So many seconds for something to happen.",
}
"""What the keys of queries mean that many addresses have; others are explained by the description of the operation."""


def parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    found = [*map(_in_path, endpoint.names), *_in_query(endpoint.hints.get("query"))]
    if endpoint.takes_key:
        found.append(_KEY)
    if endpoint.edits:
        found.append(_IF_MATCH)
    if endpoint.may_be_known:
        found.append(_IF_NONE_MATCH)
    if endpoint.gives[0] is Stream:
        found.append(_LAST_EVENT_ID)
    return found


_TAGS = r'^(\*|(W/)?"[!#-~]*"(, *(W/)?"[!#-~]*"){0,99})$'
_IF_MATCH: Final[dict[str, Any]] = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of what you have looked at: if it was edited since, it is not edited again (412).",
    "schema": {"type": "string", "pattern": _TAGS},
    "example": f'"{ETAG}"',
}
_IF_NONE_MATCH: Final[dict[str, Any]] = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of what you have already: if it is still the same, it is not sent again (304).",
    "schema": {"type": "string", "pattern": _TAGS},
    "example": f'"{ETAG}"',
}
_KEY: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Of your choice, another for each request: what comes again is not done again, but answered alike.",
    "schema": {"type": "string", "pattern": f"^({KEY})$"},
    "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
}


_LAST_EVENT_ID: Final[dict[str, Any]] = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "The number of the last event that was seen, as browsers send it when they come again.",
    "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    "example": "4711",
}


def _in_path(name: str) -> dict[str, Any]:
    meaning, example = _IN_PATH.get(name, ("Which one.", name))
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": meaning,
        "schema": {"type": "string", "minLength": 1},
        "example": example,
    }


def _in_query(kind: type | None) -> Iterator[dict[str, Any]]:
    if kind is None:
        return
    components = schemas([kind])
    schema = components[kind.__name__]
    required: list[str] = schema.get("required", [])
    properties: Mapping[str, Any] = schema["properties"]
    for name, each in properties.items():
        inline = _without_null(_inline(each, components))
        told = {"description": _IN_QUERY[name]} if name in _IN_QUERY else {}
        example = examples.parameter(kind.__name__, name, inline, components)
        yield {
            "name": name,
            "in": "query",
            "required": name in required,
            **told,
            "schema": inline,
            **({} if example is None else {"example": example}),
        }


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Where a body would have null, a query has nothing."""
    choices: list[dict[str, Any]] = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(choices) != 1:
        return schema
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default") or value is False}
    return {**choices[0], **rest}


def _inline(schema: Any, components: Mapping[str, Any]) -> Any:
    """The schema with what it refers to put in its place; query parameters refer to enumerations at most."""
    if isinstance(schema, dict):
        found = cast(Mapping[str, Any], schema)
        if "$ref" in found:
            return components[found["$ref"].rpartition("/")[2]]
        return {key: _inline(value, components) for key, value in found.items()}
    if isinstance(schema, list):
        return [_inline(value, components) for value in cast(Iterable[Any], schema)]
    return schema
