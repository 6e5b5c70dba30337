"""A server span for each request, by the semantic conventions for HTTP spans.

Two things are left out that the conventions ask for: the query, and values in a path that are secrets. Polls that have
to do with no trace are left out as a whole: a fleet makes thousands of them a second, and each says nothing.
"""

from collections.abc import Collection, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from time import time_ns
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.http_attributes import (
    HTTP_REQUEST_METHOD,
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE,
)
from opentelemetry.semconv.attributes.network_attributes import NETWORK_PROTOCOL_VERSION
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT
from opentelemetry.semconv.attributes.url_attributes import URL_PATH, URL_SCHEME
from opentelemetry.semconv.attributes.user_agent_attributes import USER_AGENT_ORIGINAL
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

from corral.http.asgi import App, Receive, Scope, Send, header
from corral.http.routes import route_of
from corral.lifecycle.trace import within
from corral.logs.requests import request_id
from corral.tracing.context import ROOT, caller, traceparent_of

REQUEST: Final = "corral.request.id"
API: Final = "/api/"
SILENT: Final = frozenset({"/livez", "/readyz"})
"""Asked for every few seconds, by machines."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE"})
_POLLED = "/mdm"
_CHECKIN = b"application/x-apple-aspen-mdm-checkin"
_MOST_AGENT = 200


@dataclass(slots=True)
class Answering:
    """The request that a task answers."""

    span: Span
    began: int
    worth_telling: bool
    status: int = 0


ANSWERING: ContextVar[Answering | None] = ContextVar("corral.traced", default=None)


def traced(app: App, tracer: Tracer, direct: Collection[str]) -> App:
    """The same app, with a span for what it answers; `direct` are its paths that no router stands before."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path in SILENT:
            await app(scope, receive, send)
            return
        began = time_ns()
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        span = tracer.start_span(
            method, context=_context(scope), kind=SpanKind.SERVER, attributes={HTTP_REQUEST_METHOD: method}
        )
        answering = Answering(span, began, path != _POLLED or _is_checkin(scope))

        async def noting(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answering.status = message["status"]
            await send(message)

        token = ANSWERING.set(answering)
        try:
            with within(traceparent_of(span)):
                await app(scope, receive, noting)
        except Exception as error:
            span.set_attribute(ERROR_TYPE, type(error).__name__)
            raise
        finally:
            ANSWERING.reset(token)
            # A span that does not end is never sent.
            if answering.worth_telling or answering.status != 200:
                if span.is_recording():
                    _describe(span, scope, method, route_of(scope, direct), answering.status)
                span.end()

    return serve


def _context(scope: Scope) -> Context:
    """Callers of the API may go on with a trace of their own. Devices have none, and strangers shall not write into
    anybody's."""
    if not scope["path"].startswith(API):
        return ROOT
    given = {name: header(scope, name.encode()) for name in ("traceparent", "tracestate")}
    return caller({name: value.decode("latin-1") for name, value in given.items() if value is not None})


def _is_checkin(scope: Scope) -> bool:
    return (header(scope, b"content-type") or b"").startswith(_CHECKIN)


def _describe(span: Span, scope: Scope, method: str, route: str, status: int) -> None:
    span.update_name(f"{'HTTP' if method == '_OTHER' else method} {route}".rstrip())
    span.set_attribute(URL_SCHEME, scope["scheme"])
    span.set_attribute(URL_PATH, scope["path"] if route.startswith(API) else route)
    span.set_attribute(NETWORK_PROTOCOL_VERSION, scope["http_version"])
    span.set_attribute(REQUEST, request_id(scope))
    if route:
        span.set_attribute(HTTP_ROUTE, route)
    if scope["server"] is not None and scope["server"][1] is not None:
        address, port = scope["server"]
        span.set_attribute(SERVER_ADDRESS, address)
        span.set_attribute(SERVER_PORT, port)
    agent = header(scope, b"user-agent")
    if agent is not None:
        span.set_attribute(USER_AGENT_ORIGINAL, agent.decode("latin-1")[:_MOST_AGENT])
    if status:
        span.set_attribute(HTTP_RESPONSE_STATUS_CODE, status)
    if status >= 500:
        span.set_attribute(ERROR_TYPE, str(status))
        span.set_status(StatusCode.ERROR)
