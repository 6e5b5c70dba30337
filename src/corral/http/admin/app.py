"""The front door of the admin API: who asks is settled before anything is routed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from corral.http.admin import problems
from corral.http.admin.endpoint import JSON_TYPE, Call, Endpoint, run
from corral.http.admin.openapi import describe
from corral.http.admin.problems import PROBLEM_TYPE, ProblemError
from corral.http.admin.routes import ENDPOINTS
from corral.http.asgi import App, ClientGone, Receive, Scope, Send
from corral.service.clock import Clock, system_clock
from corral.service.services import Services

_log = structlog.get_logger("corral.admin")

LOCAL = "corral.local"
LOCAL_ADMINISTRATOR = "local administrator"
WHO = "corral.by"
"""Where the scope keeps who asks, once that is known."""

NOBODY = "This needs a token: send `Authorization: Bearer TOKEN`; `corral token create` makes one."
STRANGER = "This token is not known here, has expired or was revoked."
_NO_STORE = {"cache-control": "no-store"}


def admin_app(services: Services, *, link_days: int = 7, clock: Clock = system_clock) -> App:
    """The API as an ASGI app, to be mounted at `/api/v1`. `link_days`: validity of links that ask for none.

    Requests of the installation's own Unix socket (`corral.local` in the scope's extensions) need no token; all
    others do, whatever they ask for, also for addresses that do not exist.
    """
    addresses = [
        Route(path, _Address(path, endpoints, services, link_days, clock)) for path, endpoints in by_path().items()
    ]
    description = Route("/openapi.json", _Description(msgspec.json.encode(describe(ENDPOINTS))))
    router = Router(routes=[*addresses, description], redirect_slashes=False, default=_not_found)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            scope[WHO] = await _who(request, services)
            await router(scope, receive, send)
        except ClientGone:
            return
        except Exception as error:
            await _refusal(request, error)(scope, receive, send)

    return serve


def by_path() -> Mapping[str, Mapping[str, Endpoint]]:
    """The endpoints by path and method."""
    found: dict[str, dict[str, Endpoint]] = {}
    for endpoint in ENDPOINTS:
        found.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    return found


async def _who(request: Request, services: Services) -> str:
    """Who asks; raises ProblemError (401)."""
    if request.scope.get("extensions", {}).get(LOCAL) is True:
        return LOCAL_ADMINISTRATOR
    given = request.headers.getlist("authorization")
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise ProblemError(401, NOBODY)
    credential = await services.credentials.verify(token.strip())
    if credential is None:
        raise ProblemError(401, STRANGER)
    return credential.name


@dataclass(frozen=True, slots=True)
class _Address:
    """Everything that one path answers."""

    path: str
    endpoints: Mapping[str, Endpoint]
    services: Services
    link_days: int
    clock: Clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        endpoint = self.endpoints.get("GET" if request.method == "HEAD" else request.method)
        if endpoint is None:
            raise _wrong_method(request, tuple(self.endpoints))
        call = Call(
            services=self.services,
            by=scope[WHO],
            now=self.clock(),
            link_days=self.link_days,
            last_event_id=request.headers.get("last-event-id", ""),
        )
        response = await run(endpoint, call, request)
        response.headers.update(_NO_STORE)
        await response(scope, receive, send)


@dataclass(frozen=True, slots=True)
class _Description:
    content: bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method not in ("GET", "HEAD"):
            raise _wrong_method(request, ("GET",))
        await Response(self.content, media_type=JSON_TYPE)(scope, receive, send)


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    del receive, send
    raise ProblemError(404, f"There is nothing at {scope['path']}; /api/v1/openapi.json has all addresses.")


def _wrong_method(request: Request, methods: Sequence[str]) -> ProblemError:
    allowed = ", ".join(methods)
    detail = f"{request.url.path} takes {allowed}, not {request.method}."
    return ProblemError(405, detail, headers={"allow": allowed})


def _refusal(request: Request, error: Exception) -> Response:
    problem = problems.of(error)
    if problem is None:
        _log.error("admin.failed", method=request.method, path=request.url.path, exc_info=error)
        problem = problems.make(500, "Corral failed at this request; its log says why.")
    headers = problems.headers(problem, error) | _NO_STORE
    return Response(msgspec.json.encode(problem), problem.status, headers, PROBLEM_TYPE)
