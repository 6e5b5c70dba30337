"""How long requests take and how they end, whoever answers them; and which one a task is answering."""

from collections.abc import Callable, Iterable, MutableMapping
from time import perf_counter
from typing import Any

from corral.http.asgi import App, Receive, Scope, Send
from corral.logs.requests import ANSWERING


def measured(app: App, answered: Callable[[Scope, int, float], None]) -> App:
    """`answered` gets the status, and the seconds of every request that was answered."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        began = perf_counter()
        ANSWERING.set(scope)  # each request has a task, and a context, of its own
        status = 0

        async def noting(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start" and not _goes_on(message["headers"]):
                status = message["status"]
            await send(message)

        await app(scope, receive, noting)
        if status:
            answered(scope, status, perf_counter() - began)

    return serve


def _goes_on(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """A stream lasts as long as its client likes: its time says nothing."""
    return any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers)
