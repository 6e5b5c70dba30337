"""The front door: the MDM routes before any framework, everything else through a router."""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from time import perf_counter

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from corral.http.asgi import GOES_ON, App, Message, Receive, Scope, Send
from corral.http.device.answers import Direct, messages_of
from corral.logs.requests import ANSWERING


def mounted(path: str, app: App) -> Mount:
    """The app under this path, whatever follows: to Starlette a line break in an address would be the end of it."""
    mount = Mount(path, app)
    mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
    return mount


def front(
    direct: Mapping[str, Direct],
    routes: list[BaseRoute],
    answered: Callable[[str, int, float], None],
    told: Callable[[Scope, int, float], None] | None = None,
) -> App:
    """One ASGI app: exact paths of `direct` first, then Starlette routes, then a kind 404.

    `answered` gets the path, the status, and the seconds of every request that was answered; `told`, where there is
    somebody who wants to hear of each one, the request itself. A device's poll costs some forty microseconds, so this
    is done here, and not in layers around it.
    """
    router = routes_of(routes)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        began = perf_counter()
        ANSWERING.set(scope)  # each request has a task, and a context, of its own
        answer = direct.get(scope["path"])
        if answer is None:
            status = await _route(router, scope, receive, send)
        elif (reply := await answer(scope, receive)) is not None:
            status = reply.status
            head, body = messages_of(reply)
            await send(head)
            await send(body)
        else:
            status = 0
        if status:
            seconds = perf_counter() - began
            answered(scope["path"], status, seconds)
            if told is not None:
                told(scope, status, seconds)

    return serve


def routes_of(routes: list[BaseRoute]) -> App:
    """These, and a kind answer at any other address."""
    return Starlette(routes=routes, exception_handlers={404: _not_found, 405: _wrong_method, 500: _failed})


async def _route(router: App, scope: Scope, receive: Receive, send: Send) -> int:
    """The status of what was answered; 0 where nothing was, or where its time says nothing."""
    status = 0

    def noting(message: Message) -> Awaitable[None]:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        return send(message)

    await router(scope, receive, noting)
    return 0 if GOES_ON in scope else status


def route_of(scope: Scope, direct: Collection[str]) -> str:
    """The address that a request was routed to, as it is declared: values in it may be secret. Empty if there is none.

    Known once the request was answered; `direct` are the paths that no router stands before.
    """
    route = scope.get("route")
    if isinstance(route, Route):
        return str(scope.get("root_path", "")) + route.path
    return scope["path"] if scope["path"] in direct else ""


async def _not_found(request: Request, error: Exception) -> Response:
    del request, error
    return PlainTextResponse("There is nothing at this address.\n", 404)


async def _wrong_method(request: Request, error: Exception) -> Response:
    del request
    headers = error.headers if isinstance(error, HTTPException) else None
    return PlainTextResponse("This address does not take that method.\n", 405, headers=headers)


async def _failed(request: Request, error: Exception) -> Response:
    """Ours to mend, so the client may try again; the log has the rest."""
    del request, error
    return PlainTextResponse("Corral failed at this request.\n", 503, headers={"retry-after": "30"})
