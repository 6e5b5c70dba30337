"""A span for each request that is worth telling, by the conventions, and without what is secret in it."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanContext, SpanKind, StatusCode
from starlette.responses import Response
from starlette.routing import Mount, Route

from corral.http.asgi import App, Receive, Scope
from corral.http.routes import front
from corral.lifecycle.change import Answer, Event
from corral.lifecycle.trace import MOST_FOLLOWED, trace
from corral.store.events import StoredEvent
from corral.tracing.requests import traced
from corral.tracing.spans import Spans

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CHECKIN = {"content-type": "application/x-apple-aspen-mdm-checkin"}


class Traced:
    """An app of two kinds of routes; `during` is called while it answers."""

    def __init__(self, **options: Any) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False, **options)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        tracer = provider.get_tracer("test")
        self.spans = Spans(tracer, "https://push.example.org")
        self.status = 200
        self.during: Any = lambda: None

        async def mdm(scope: Scope, receive: Receive) -> Answer:
            self.during()
            return Answer(self.status)

        async def page(request: Any) -> Response:
            del request
            self.during()
            return Response("", self.status)

        link = Route("/enroll/{token}", page)
        api = Mount("/api/v1", routes=[Route("/devices/{device}", page, methods=["GET", "POST"])])
        self.app: App = traced(front({"/mdm": mdm}, [link, api], _uncounted), tracer, ["/mdm"])

    async def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> list[ReadableSpan]:
        given = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        scope = {
            "type": "http", "method": method, "path": path, "query_string": b"secret=1", "headers": given,
            "scheme": "https", "http_version": "1.1", "server": ("127.0.0.1", 8443), "root_path": "",
        }  # fmt: skip
        before = len(self.exporter.get_finished_spans())

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            del message

        await self.app(scope, receive, send)
        return list(self.exporter.get_finished_spans()[before:])


def _uncounted(path: str, status: int, seconds: float) -> None:
    del path, status, seconds


async def test_a_request_of_the_api_goes_on_with_its_callers_trace() -> None:
    seen: list[str | None] = []
    made = Traced()
    made.during = lambda: seen.append(trace())
    (span,) = await made.ask("POST", "/api/v1/devices/D1", {"traceparent": CALLER, "user-agent": "tool/1"})
    assert span.context is not None
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == CALLER.split("-")[1]
    assert f"{span.parent.span_id:016x}" == CALLER.split("-")[2]
    assert seen == [f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-01"]
    assert (span.name, span.kind) == ("POST /api/v1/devices/{device}", SpanKind.SERVER)
    attributes = dict(span.attributes or {})
    assert attributes.pop("corral.request.id")
    assert attributes == {
        "http.request.method": "POST",
        "http.route": "/api/v1/devices/{device}",
        "http.response.status_code": 200,
        "url.scheme": "https",
        "url.path": "/api/v1/devices/D1",
        "network.protocol.version": "1.1",
        "server.address": "127.0.0.1",
        "server.port": 8443,
        "user_agent.original": "tool/1",
    }
    assert span.status.status_code is StatusCode.UNSET
    assert trace() is None


@pytest.mark.parametrize("headers", [{}, {"traceparent": "nonsense"}, {"traceparent": CALLER.replace("0af7", "XXXX")}])
async def test_without_a_trace_one_begins(headers: dict[str, str]) -> None:
    (span,) = await Traced().ask("GET", "/api/v1/devices/D1", headers)
    assert span.parent is None


async def test_a_caller_who_is_not_followed_is_not_followed_here() -> None:
    seen: list[str | None] = []
    made = Traced()
    made.during = lambda: seen.append(trace())
    assert await made.ask("GET", "/api/v1/devices/D1", {"traceparent": CALLER[:-1] + "0"}) == []
    made = Traced(sampler=ALWAYS_OFF)
    made.during = lambda: seen.append(trace())
    assert await made.ask("GET", "/api/v1/devices/D1") == []
    assert seen == [None, None]


async def test_strangers_do_not_write_into_a_trace_and_a_link_is_not_told() -> None:
    (span,) = await Traced().ask("GET", "/enroll/tippytoken", {"traceparent": CALLER})
    assert span.parent is None
    assert span.name == "GET /enroll/{token}"
    assert (span.attributes or {})["url.path"] == "/enroll/{token}"
    (span,) = await Traced().ask("BREW", "/nowhere/tippytoken")
    assert (span.name, (span.attributes or {})["url.path"]) == ("HTTP", "")
    assert (span.attributes or {})["http.request.method"] == "_OTHER"
    assert "tippytoken" not in span.to_json()
    assert "secret" not in span.to_json()


async def test_a_poll_says_nothing_unless_there_is_something() -> None:
    made = Traced()
    assert await made.ask("PUT", "/mdm") == []
    assert await made.ask("GET", "/livez") == []
    (checkin,) = await made.ask("PUT", "/mdm", CHECKIN)
    assert checkin.name == "PUT /mdm"
    made.status = 503
    (failed,) = await made.ask("PUT", "/mdm")
    assert failed.status.status_code is StatusCode.ERROR
    assert (failed.attributes or {})["error.type"] == "503"
    made.status = 200
    made.during = lambda: made.spans.deliver(CALLER, "D1", "U1")
    delivered, poll = await made.ask("PUT", "/mdm")
    assert delivered.context is not None
    assert poll.context is not None
    assert f"{delivered.context.trace_id:032x}" == CALLER.split("-")[1] != f"{poll.context.trace_id:032x}"
    assert [each.context for each in delivered.links] == [poll.context]
    assert [each.context for each in poll.links] == [delivered.context]
    assert delivered.start_time is not None
    assert poll.start_time is not None
    assert abs(delivered.start_time - poll.start_time) < 10**9


async def test_what_fails_is_told() -> None:
    made = Traced()

    def fail() -> None:
        raise ZeroDivisionError("a secret")

    made.during = fail
    with pytest.raises(ZeroDivisionError):
        await made.ask("PUT", "/mdm", CHECKIN)
    (span,) = made.exporter.get_finished_spans()
    assert (span.attributes or {})["error.type"] == "ZeroDivisionError"
    assert "a secret" not in span.to_json()


async def test_of_a_command_for_very_many_it_is_told_how_many_are_followed() -> None:
    made = Traced()

    def queue(channels: int) -> None:
        with made.spans.queue("ProfileList", "U1", channels):
            assert trace() is not None

    for channels in (MOST_FOLLOWED, MOST_FOLLOWED + 1):
        made.during = partial(queue, channels)
        await made.ask("POST", "/api/v1/devices/D1")
    told = [each.attributes or {} for each in made.exporter.get_finished_spans() if each.name == "command.queue"]
    assert [(each["corral.command.channels"], each.get("corral.command.followed")) for each in told] == [
        (MOST_FOLLOWED, None),
        (MOST_FOLLOWED + 1, MOST_FOLLOWED),
    ]


def _context(span: ReadableSpan) -> SpanContext:
    assert span.context is not None
    return span.context


@pytest.mark.parametrize(
    ("status", "problem", "error"),
    [(204, "", None), (307, "", None), (500, "", "500"), (None, "OutgoingError", "OutgoingError")],
)
def test_a_call_of_a_webhook_goes_on_with_the_trace_of_its_event(
    status: int | None, problem: str, error: str | None
) -> None:
    made = Traced()
    event = Event(type="link.created", at=1, trace=CALLER)
    telling = made.spans.tell(
        "wh_1", "https://hooks.example.org:8443/s3cret?k=s3cret", StoredEvent(sequence=7, event=event)
    )
    telling.end(status, problem)
    (span,) = made.exporter.get_finished_spans()
    assert (span.name, span.kind, span.parent is not None) == ("POST", SpanKind.CLIENT, True)
    assert telling.headers == {"traceparent": f"{CALLER[:36]}{_context(span).span_id:016x}-01"}
    found = span.attributes or {}
    assert (found["corral.webhook.id"], found["corral.event.type"], found["corral.event.sequence"]) == (
        "wh_1",
        "link.created",
        7,
    )
    assert (found["server.address"], found["server.port"]) == ("hooks.example.org", 8443)
    assert (found.get("http.response.status_code"), found.get("error.type")) == (status, error)
    assert (span.status.status_code is StatusCode.ERROR) is (error is not None)
    assert "s3cret" not in span.to_json()


def test_an_event_that_belongs_to_no_trace_is_told_in_one_of_its_own_and_unrecorded_in_none() -> None:
    stored = StoredEvent(sequence=7, event=Event(type="link.created", at=1))
    made = Traced()
    telling = made.spans.tell("wh_1", "https://hooks.example.org/", stored)
    telling.end(200)
    (span,) = made.exporter.get_finished_spans()
    assert span.parent is None
    assert f"{_context(span).trace_id:032x}" in telling.headers["traceparent"]
    assert Traced(sampler=ALWAYS_OFF).spans.tell("wh_1", "https://hooks.example.org/", stored).headers == {}


def test_what_nobody_has_asked_for_is_in_no_trace() -> None:
    made = Traced()
    with made.spans.queue("ProfileList", "U1", 1):
        assert trace() is None
    assert made.exporter.get_finished_spans() == ()
