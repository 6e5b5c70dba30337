"""The front door of the admin API: who asks is settled before anything is routed."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from corral.http.admin import problems
from corral.http.admin.auditing import Strangers, actor_of, note_error, note_look, note_replay
from corral.http.admin.conditions import asked_match, is_edition, unless_known
from corral.http.admin.endpoint import JSON_TYPE, Call, Endpoint, look, read, run
from corral.http.admin.idempotency import asked_once, kept, replayed
from corral.http.admin.lasting import as_long_as
from corral.http.admin.openapi import page
from corral.http.admin.openapi.document import describe
from corral.http.admin.problems import PROBLEM_TYPE, ProblemError
from corral.http.admin.routes import ENDPOINTS
from corral.http.admin.sources import NO_PROXIES, Proxies
from corral.http.admin.streaming import StreamResponse
from corral.http.asgi import App, ClientGone, Receive, Scope, Send
from corral.lifecycle.actor import Actor, act_as
from corral.logs import lines
from corral.logs.requests import REQUEST_HEADER, request_id
from corral.service.access.caller import LOCAL_ADMINISTRATOR, NOBODY, Caller
from corral.service.clock import Clock, system_clock
from corral.service.errors import Forbidden
from corral.service.services import Services
from corral.store.errors import EditedSince

LOCAL = "corral.local"
WHO = "corral.by"
"""Where the scope keeps who asks, once that is known."""

NAMELESS = "This needs a token: send `Authorization: Bearer TOKEN`; `corral token create` makes one."
STRANGER = "This token is not known here, has expired or was revoked."
_NO_STORE = {"cache-control": "no-store"}


def admin_app(
    services: Services, *, link_days: int = 7, proxies: Proxies = NO_PROXIES, clock: Clock = system_clock
) -> App:
    """The API as an ASGI app, to be mounted at `/api/v1`. `link_days`: validity of links that ask for none; `proxies`:
    through whom requests come.

    Requests of the installation's own Unix socket (`corral.local` in the scope's extensions) need no token; all
    others do, whatever they ask for, also for addresses that do not exist. Only those who sign in have none yet, and
    the page that describes the API is for everybody: it is the same everywhere, and a browser could send no token.
    """
    strangers = Strangers(services.access.audit, proxies, clock)
    addresses = [
        Route(path, _Address(path, endpoints, services, link_days, proxies, strangers, clock))
        for path, endpoints in by_path().items()
    ]
    descriptions = [
        Route("/openapi.json", _Description(_document, JSON_TYPE)),
        Route(PAGE, _Description(_page, "text/html", page.HEADERS)),
    ]
    router = Router(routes=[*addresses, *descriptions], redirect_slashes=False, default=_not_found)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            scope[WHO] = await _who(request, services, strangers)
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


_READS = {each.path: each for each in ENDPOINTS if each.method == "GET"}

_TAGGED = frozenset(
    (each.method, each.path)
    for each in ENDPOINTS
    if (there := _READS.get(each.edits or each.path)) is not None and there.hints["return"] is each.hints["return"]
)
"""Whose answer is what one gets at the address of what they edit, and has the same entity tag."""
_ATTEMPTS = 10
"""At an edit while others edit something else beside it."""
PAGE = "/docs"
_OPEN = frozenset({*((each.method, each.path) for each in ENDPOINTS if each.is_open), ("GET", PAGE), ("HEAD", PAGE)})


async def _who(request: Request, services: Services, strangers: Strangers) -> Caller:
    """Who asks; raises ProblemError (401)."""
    if request.scope.get("extensions", {}).get(LOCAL) is True:
        return LOCAL_ADMINISTRATOR
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    if (request.method, path) in _OPEN:
        return NOBODY
    caller = await services.access.credentials.verify(_token(request))
    if caller is None:
        await strangers.note(request)
        raise ProblemError(401, STRANGER)
    return caller


def _token(request: Request) -> str:
    """Raises ProblemError (401)."""
    given = request.headers.getlist("authorization")
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise ProblemError(401, NAMELESS)
    return token.strip()


@dataclass(frozen=True, slots=True)
class _Address:
    """Everything that one path answers."""

    path: str
    endpoints: Mapping[str, Endpoint]
    services: Services
    link_days: int
    proxies: Proxies
    strangers: Strangers
    clock: Clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method == "OPTIONS":
            await _options(scope, tuple(self.endpoints))(scope, receive, send)
            return
        endpoint = self.endpoints.get("GET" if request.method == "HEAD" else request.method)
        if endpoint is None:
            raise _wrong_method(request, tuple(self.endpoints))
        caller: Caller = scope[WHO]
        call = Call(
            services=self.services,
            caller=caller,
            source=self.proxies.source(request),
            now=self.clock(),
            link_days=self.link_days,
            last_event_id=request.headers.get("last-event-id", ""),
        )
        actor = actor_of(caller, endpoint.serve.__name__, request, self.proxies)
        response = await self._answer(endpoint, call, actor, request)
        response.headers.update(_NO_STORE | {REQUEST_HEADER: request_id(scope)})
        await response(scope, receive, send)

    async def _answer(self, endpoint: Endpoint, call: Call, actor: Actor, request: Request) -> Response:
        trail = self.services.access.audit
        try:
            endpoint.admit(call.caller)
            body = await read(endpoint, request)
            response = await self._lasting(endpoint, call, request, self._once(endpoint, call, actor, request, body))
            if endpoint.watched:
                await note_look(trail, actor, endpoint, request, call.now)
        except ClientGone:
            raise
        except Exception as error:
            await note_error(trail, self.strangers, actor, endpoint, request, call.now, error)
            raise
        return response

    async def _lasting(
        self, endpoint: Endpoint, call: Call, request: Request, act: Coroutine[Any, Any, Response]
    ) -> Response:
        """What changes something is never broken off; a look that lasts ends with the right to it."""
        if endpoint.method != "GET" or call.caller in (LOCAL_ADMINISTRATOR, NOBODY):
            return await act

        async def check() -> None:
            caller = await self.services.access.credentials.verify(_token(request))
            if caller is None:
                raise ProblemError(401, STRANGER)
            endpoint.admit(caller)
            # What is shown may follow from other rights as well: asked anew, it follows from those that are left.
            if not call.caller.permissions <= caller.permissions:
                raise Forbidden("Something that you might do was taken from you meanwhile; ask again.")

        response = await as_long_as(check, act)
        if isinstance(response, StreamResponse):
            response.check = check
        return response

    async def _once(self, endpoint: Endpoint, call: Call, actor: Actor, request: Request, body: bytes) -> Response:
        """Do what is asked; under an idempotency key only if it was not done before, or answer as it was answered."""

        async def act(attempt: str) -> Response:
            return await self._matching(endpoint, call, replace(actor, attempt=attempt), request, body)

        asked = asked_once(endpoint, call.caller, request, body)
        if asked is None:
            return await act("")
        answer = await self.services.repeating.once(asked, act, kept, lambda error: kept(_refusal(request, error)))
        if isinstance(answer, Response):
            return answer
        await note_replay(self.services.access.audit, actor, endpoint, request, call.now)
        return replayed(answer)

    async def _matching(self, endpoint: Endpoint, call: Call, actor: Actor, request: Request, body: bytes) -> Response:
        """Do what is asked; under If-Match only to what was looked at, which the commit itself makes sure of.

        The edition is read first, then what there is; a commit that finds another edition writes nothing, and begins
        again here: something else in the same room may have been edited.
        """
        asked, known = asked_match(request, "if-match"), asked_match(request, "if-none-match")
        tagged = (endpoint.method, endpoint.path) in _TAGGED
        if known is not None and endpoint.method != "GET":
            raise ProblemError(422, f"{endpoint.method} takes no If-None-Match.")
        if asked is None:
            with act_as(actor):
                response = await run(endpoint, call, request, body, tagged=tagged)
            return response if known is None else unless_known(response, known)
        if not endpoint.edits:
            raise ProblemError(422, f"{endpoint.method} {endpoint.path} takes no If-Match.")
        looking = _READS[endpoint.edits]
        looking.admit(call.caller)
        for _ in range(_ATTEMPTS):
            seen = tuple(sorted((await self.services.editions.read()).items()))
            if not is_edition(await look(looking, call, request), asked):
                raise ProblemError(412, "This is not what you have looked at any more: look at it again, then edit it.")
            with suppress(EditedSince), act_as(replace(actor, seen=seen)):
                return await run(endpoint, call, request, body, tagged=tagged)
        raise EditedSince


@dataclass(frozen=True, slots=True)
class _Description:
    """The API described. Made when it is first asked for, and beside the event loop, since it takes a while."""

    make: Callable[[], bytes]
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method == "OPTIONS":
            await _options(scope, ("GET",))(scope, receive, send)
            return
        if request.method not in ("GET", "HEAD"):
            raise _wrong_method(request, ("GET",))
        content = await asyncio.to_thread(self.make)
        await Response(content, headers=self.headers, media_type=self.media_type)(scope, receive, send)


@cache
def _document() -> bytes:
    return msgspec.json.encode(describe(ENDPOINTS))


@cache
def _page() -> bytes:
    return page.page(describe(ENDPOINTS))


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    del receive, send
    detail = f"There is nothing at {scope['path']}; /api/v1/openapi.json has all addresses."
    raise ProblemError(404, detail, name="no-such-address")


def _allowed(methods: Sequence[str]) -> str:
    """As in `Allow` (RFC 9110 10.2.1)."""
    looks = ("HEAD",) if "GET" in methods else ()
    return ", ".join((*methods, *looks, "OPTIONS"))


def _options(scope: Scope, methods: Sequence[str]) -> Response:
    headers = {"allow": _allowed(methods)} | _NO_STORE | {REQUEST_HEADER: request_id(scope)}
    return Response(status_code=204, headers=headers)


def _wrong_method(request: Request, methods: Sequence[str]) -> ProblemError:
    allowed = _allowed(methods)
    detail = f"{request.url.path} takes {allowed}, not {request.method}."
    return ProblemError(405, detail, headers={"allow": allowed})


def _refusal(request: Request, error: Exception) -> Response:
    problem = problems.of(error)
    if problem is None:
        lines.admin_failed(method=request.method, path=request.url.path)
        problem = problems.make(500, "Corral failed at this request; its log says why.")
    headers = problems.headers(problem, error) | _NO_STORE | {REQUEST_HEADER: request_id(request.scope)}
    return Response(msgspec.json.encode(problem), problem.status, headers, PROBLEM_TYPE)
