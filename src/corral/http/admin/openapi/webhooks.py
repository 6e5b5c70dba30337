"""What receivers of webhooks are sent, an event type each (Standard Webhooks 1.0)."""

from typing import Any, Final

from corral.http.admin.endpoint import JSON_TYPE
from corral.lifecycle.event_type import EventType
from corral.lifecycle.vocabulary import VOCABULARY


def webhooks() -> dict[str, Any]:
    return {each.name: {"post": _call(each)} for each in VOCABULARY.values()}


def _call(kind: EventType) -> dict[str, Any]:
    schema = {name: value for name, value in kind.schema().items() if name != "$schema"}
    return {
        "summary": kind.meaning,
        "tags": ["webhooks"],
        "security": [],
        "parameters": _HEADERS,
        "requestBody": {"required": True, "content": {JSON_TYPE: {"schema": schema}}},
        "responses": {
            "2XX": {"description": "Taken."},
            "default": {"description": "Not taken: it is sent again, with growing waits, for three days."},
        },
    }


def _header(name: str, meaning: str, example: str) -> dict[str, Any]:
    given = {"name": name, "in": "header", "required": True, "description": meaning}
    return {**given, "schema": {"type": "string"}, "example": example}


_HEADERS: Final = [
    _header("webhook-id", "Of the event; the same in every attempt.", "evt_4711_1795940100000"),
    _header("webhook-timestamp", "Of the attempt, in Unix seconds.", "1795940101"),
    _header(
        "webhook-signature",
        "`v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`; several with spaces while a secret is replaced.",
        "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    ),
]
