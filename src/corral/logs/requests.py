"""The request that is being answered, so that every line that is said meanwhile can name it."""

import re
import uuid
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any, Final

REQUEST_HEADER: Final = "x-request-id"
_NAME = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_KEPT = "corral.request"

ANSWERING: ContextVar[MutableMapping[str, Any] | None] = ContextVar("corral.answering", default=None)
"""The ASGI scope of the request that this task answers."""


def request_id(scope: MutableMapping[str, Any]) -> str:
    """What whoever asks, or a proxy before us, calls this request (X-Request-ID), if that is a name; else a new one.

    It is made when it is first wanted: nobody wants to know what an ordinary poll is called.
    """
    known: str | None = scope.get(_KEPT)
    if known is None:
        given: bytes = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        known = scope[_KEPT] = given.decode() if _NAME.fullmatch(given) else str(uuid.uuid4())
    return known
