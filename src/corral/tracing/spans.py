"""The spans of a command: children of the request that has queued it, however long ago that was."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from time import time_ns
from urllib.parse import urlsplit

from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.http_attributes import HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE
from opentelemetry.semconv.attributes.network_attributes import NETWORK_PROTOCOL_VERSION
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT
from opentelemetry.semconv.attributes.url_attributes import URL_FULL
from opentelemetry.trace import Link, Span, SpanKind, StatusCode, Tracer

from corral.apns.push import Accepted, Outcome, Push, Unregistered
from corral.apple.report import Status
from corral.lifecycle.trace import MOST_FOLLOWED, trace, within
from corral.service.tracing import Pushes, Telling
from corral.store.events import StoredEvent
from corral.store.work import PushTarget
from corral.tracing.context import ROOT, parent, traceparent_of
from corral.tracing.requests import ANSWERING

COMMAND, REQUEST_TYPE, STATUS = "corral.command.uuid", "corral.command.request_type", "corral.command.status"
CHANNELS, FOLLOWED, DEVICE = "corral.command.channels", "corral.command.followed", "corral.device.id"
TOPIC, PUSH_ID = "corral.push.topic", "corral.push.id"
WEBHOOK, EVENT, TYPE = "corral.webhook.id", "corral.event.sequence", "corral.event.type"

_WELL = {Status.ACKNOWLEDGED.value, Status.NOT_NOW.value}


class Spans:
    """Implements `service.tracing.Traces`. `push_url` is where pushes go."""

    follows = True

    def __init__(self, tracer: Tracer, push_url: str) -> None:
        self._tracer = tracer
        self._push_url = push_url

    @contextmanager
    def queue(self, request_type: str, command_uuid: str, channels: int) -> Generator[None]:
        asked_in = trace()
        if asked_in is None:
            yield
            return
        span = self._tracer.start_span(
            "command.queue",
            context=parent(asked_in),
            kind=SpanKind.PRODUCER,
            attributes={REQUEST_TYPE: request_type, COMMAND: command_uuid, CHANNELS: channels},
        )
        if channels > MOST_FOLLOWED:
            span.set_attribute(FOLLOWED, MOST_FOLLOWED)
        try:
            with within(traceparent_of(span)):
                yield
        except Exception as error:
            _fail(span, type(error).__name__)
            raise
        finally:
            span.end()

    def push(self, targets: Mapping[str, PushTarget], waiting: Sequence[tuple[str, str]]) -> Pushes:
        followed: dict[str, list[str]] = {}
        for channel, traceparent in waiting:
            followed.setdefault(channel, []).append(traceparent)
        return _Pushes(self._tracer, self._push_url, targets, followed)

    def deliver(self, traceparent: str, device_id: str, command_uuid: str) -> None:
        self._told("command.deliver", traceparent, {COMMAND: command_uuid, DEVICE: device_id}).end()

    def result(self, traceparent: str, device_id: str, command_uuid: str, status: str) -> None:
        attributes = {COMMAND: command_uuid, DEVICE: device_id, STATUS: status}
        span = self._told("command.result", traceparent, attributes)
        if status not in _WELL:
            _fail(span, status)
        span.end()

    def tell(self, webhook_id: str, url: str, stored: StoredEvent) -> Telling:
        event, where = stored.event, urlsplit(url)
        span = self._tracer.start_span(
            "POST",
            context=parent(event.trace) if event.trace is not None else ROOT,
            kind=SpanKind.CLIENT,
            attributes={
                HTTP_REQUEST_METHOD: "POST",
                SERVER_ADDRESS: where.hostname or "",
                SERVER_PORT: where.port or 443,
                URL_FULL: f"https://{where.netloc}/REDACTED",  # secrets are put into paths and queries
                NETWORK_PROTOCOL_VERSION: "1.1",
                WEBHOOK: webhook_id,
                EVENT: stored.sequence,
                TYPE: event.type,
            },
        )
        return _Telling(span)

    def _told(self, name: str, traceparent: str, attributes: Mapping[str, str]) -> Span:
        """A span in the command's trace, as long as the device's request lasts; each leads to the other."""
        answering = ANSWERING.get()
        span = self._tracer.start_span(
            name,
            context=parent(traceparent),
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            links=[Link(answering.span.get_span_context())] if answering is not None else [],
            start_time=answering.began if answering is not None else None,
        )
        if answering is not None:
            answering.span.add_link(span.get_span_context())
            answering.worth_telling = True
        return span


class _Telling:
    def __init__(self, span: Span) -> None:
        self._span = span
        traceparent = traceparent_of(span)
        self.headers: Mapping[str, str] = {} if traceparent is None else {"traceparent": traceparent}

    def end(self, status: int | None, problem: str = "") -> None:
        if status is not None:
            self._span.set_attribute(HTTP_RESPONSE_STATUS_CODE, status)
        if status is None or status >= 400:
            _fail(self._span, problem or str(status))
        self._span.end()


class _Pushes:
    """A span in each trace that a push is for."""

    def __init__(
        self, tracer: Tracer, url: str, targets: Mapping[str, PushTarget], followed: Mapping[str, Sequence[str]]
    ) -> None:
        self._tracer = tracer
        self._url = url
        self._targets = targets
        self._followed = followed
        self._open: dict[str, list[Span]] = {}

    def begin(self, push: Push) -> None:
        target = self._targets[push.push_id]
        followed = self._followed.get(target.channel_id)
        if followed:
            self._open[push.push_id] = [self._start(push, target, each) for each in followed]

    def end(self, push: Push, outcome: Outcome) -> None:
        status = _status(outcome)
        for span in self._open.pop(push.push_id, ()):
            if status is not None:
                span.set_attribute(HTTP_RESPONSE_STATUS_CODE, status)
            if not isinstance(outcome, Accepted):
                _fail(span, outcome.reason)
            span.end()

    def _start(self, push: Push, target: PushTarget, traceparent: str) -> Span:
        where = urlsplit(self._url)
        return self._tracer.start_span(
            "POST",
            context=parent(traceparent),
            kind=SpanKind.CLIENT,
            start_time=time_ns(),
            attributes={
                HTTP_REQUEST_METHOD: "POST",
                SERVER_ADDRESS: where.hostname or "",
                SERVER_PORT: where.port or 443,
                # With a name in the place of the device's token, as the conventions want what is secret in a URL.
                URL_FULL: f"{self._url.rstrip('/')}/3/device/REDACTED",
                NETWORK_PROTOCOL_VERSION: "2",
                TOPIC: push.topic,
                PUSH_ID: push.push_id,
                DEVICE: target.device_id,
            },
        )


def _status(outcome: Outcome) -> int | None:
    """None where no answer came."""
    match outcome:
        case Accepted():
            return 200
        case Unregistered():
            return 410
        case _:
            return outcome.status or None


def _fail(span: Span, why: str) -> None:
    span.set_attribute(ERROR_TYPE, why)
    span.set_status(StatusCode.ERROR)
