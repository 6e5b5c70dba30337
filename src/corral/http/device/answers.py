"""From an answer of the life cycle to HTTP: the only writer of responses on the routes of the MDM protocol."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from corral.http.asgi import Message, Receive, Scope, response
from corral.http.device.accounts.gate import SignInAgain
from corral.lifecycle.change import Answer

EXTRA = {
    405: ((b"allow", b"GET, HEAD, PUT, POST"),),
    408: ((b"connection", b"close"),),
    503: ((b"retry-after", b"30"),),
}
TEXT = b"text/plain; charset=utf-8"

Reply: TypeAlias = Answer | SignInAgain
Direct: TypeAlias = Callable[[Scope, Receive], Awaitable[Reply | None]]
"""What answers a path that no router stands before; None where the client has hung up."""


def messages_of(reply: Reply) -> tuple[Message, Message]:
    if isinstance(reply, SignInAgain):
        return response(reply.status, b"", b"", reply.headers)
    if reply.body or reply.status < 300:
        return response(reply.status, reply.body, reply.media_type.encode())
    text = reply.reason.encode() + b"\n" if reply.reason else b""
    return response(reply.status, text, TEXT, EXTRA.get(reply.status, ()))
