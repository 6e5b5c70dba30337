"""The few shapes of ASGI that are written by hand, for routes that a framework would slow down."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

GOES_ON: Final = "corral.goes-on"
"""In the scope of an answer that lasts as long as its client likes: its time says nothing."""


class BodyTooLarge(Exception):
    """More bytes than the route takes: 413."""


class ClientGone(Exception):
    """The client hung up before its body was whole; there is nobody to answer."""


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body of a request, at most `limit` bytes; raises BodyTooLarge, and ClientGone."""
    length = header(scope, b"content-length")
    if length is not None and length.isdigit() and int(length) > limit:
        raise BodyTooLarge
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        if len(body) > limit:
            raise BodyTooLarge
        return body
    chunks = [body]
    size = len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge
        chunks.append(chunk)
    return b"".join(chunks)


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first header of this name (in lower case)."""
    for key, value in scope["headers"]:
        if key == name:
            return value
    return None


def response(
    status: int, body: bytes, media_type: bytes, extra: tuple[tuple[bytes, bytes], ...] = ()
) -> tuple[Message, Message]:
    """A whole answer, as the two messages that are sent for it."""
    headers = [(b"content-length", str(len(body)).encode()), *extra]
    if body:
        headers.append((b"content-type", media_type))
    return (
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": body},
    )
