"""From an answer of the life cycle to HTTP: the only writer of responses on the routes of the MDM protocol."""

from corral.http.asgi import Send, respond
from corral.lifecycle.change import Answer

EXTRA = {
    405: ((b"allow", b"GET, HEAD, PUT, POST"),),
    408: ((b"connection", b"close"),),
    503: ((b"retry-after", b"30"),),
}
TEXT = b"text/plain; charset=utf-8"


async def send_answer(send: Send, answer: Answer) -> None:
    if answer.body or answer.status < 300:
        await respond(send, answer.status, answer.body, answer.media_type.encode())
        return
    text = answer.reason.encode() + b"\n" if answer.reason else b""
    await respond(send, answer.status, text, TEXT, EXTRA.get(answer.status, ()))
