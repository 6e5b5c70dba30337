"""The front door: the MDM routes before any framework, everything else through a router."""

import re
from collections.abc import Collection, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from corral.http.asgi import App, Receive, Scope, Send


def mounted(path: str, app: App) -> Mount:
    """The app under this path, whatever follows: to Starlette a line break in an address would be the end of it."""
    mount = Mount(path, app)
    mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
    return mount


def front(direct: Mapping[str, App], routes: list[BaseRoute]) -> App:
    """One ASGI app: exact paths of `direct` first, then Starlette routes, then a kind 404."""
    router = Starlette(
        routes=routes,
        exception_handlers={404: _not_found, 405: _wrong_method, 500: _failed},
    )

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        app = direct.get(scope["path"], router)
        await app(scope, receive, send)

    return serve


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
