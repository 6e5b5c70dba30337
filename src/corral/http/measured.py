"""How long requests take and how they end, whoever answers them; and which one a task is answering.

Every poll goes through here, so what is done for each is little: a device's poll costs some forty microseconds.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any, Final

from corral.http.asgi import App, Receive, Scope, Send
from corral.logs.requests import ANSWERING

GOES_ON: Final = "corral.goes-on"
"""In the scope of an answer that lasts as long as its client likes: its time says nothing."""


def measured(
    app: App,
    answered: Callable[[str, int, float], None],
    told: Callable[[Scope, int, float], None] | None = None,
) -> App:
    """`answered` gets the path, the status, and the seconds of every request that was answered; `told`, where there is
    somebody who wants to hear of each one, the request itself.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        began = perf_counter()
        ANSWERING.set(scope)  # each request has a task, and a context, of its own
        status = 0

        def noting(message: MutableMapping[str, Any]) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            return send(message)

        await app(scope, receive, noting)
        if status and GOES_ON not in scope:
            seconds = perf_counter() - began
            answered(scope["path"], status, seconds)
            if told is not None:
                told(scope, status, seconds)

    return serve
