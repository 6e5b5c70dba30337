"""A receiver of OTLP over HTTP in this process: it keeps the spans that it is sent."""

import gzip
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent

KINDS = {Sent.SPAN_KIND_SERVER: "server", Sent.SPAN_KIND_CLIENT: "client", Sent.SPAN_KIND_PRODUCER: "producer"}
FAILED = 2


@dataclass(frozen=True)
class Received:
    """A span as it came, with what its sender says of itself."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, object]
    links: list[tuple[str, str]]
    began: int
    ended: int
    failed: bool
    service: dict[str, object]


@dataclass
class Collector:
    url: str = ""
    spans: list[Received] = field(default_factory=list[Received])
    raw: list[bytes] = field(default_factory=list[bytes])
    problems: list[str] = field(default_factory=list[str])

    @property
    def environment(self) -> dict[str, str]:
        """What a service needs to send its traces here, and soon."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}

    def of(self, trace_id: str) -> list[Received]:
        """A trace, in the order in which its spans began."""
        return sorted((each for each in self.spans if each.trace_id == trace_id), key=lambda each: each.began)

    def take(self, path: str, media_type: str, body: bytes) -> bytes:
        if (path, media_type) != ("/v1/traces", "application/x-protobuf"):
            self.problems.append(f"{path} {media_type}")
        request = ExportTraceServiceRequest.FromString(body)
        self.raw.append(body)
        for of_resource in request.resource_spans:
            service = _values(of_resource.resource.attributes)
            for of_scope in of_resource.scope_spans:
                self.spans += [_received(each, service) for each in of_scope.spans]
        return ExportTraceServiceResponse().SerializeToString()


def _received(span: Sent, service: dict[str, object]) -> Received:
    return Received(
        name=span.name,
        kind=KINDS.get(span.kind, "consumer"),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        attributes=_values(span.attributes),
        links=[(each.trace_id.hex(), each.span_id.hex()) for each in span.links],
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        failed=span.status.code == FAILED,
        service=service,
    )


def _values(pairs: Iterable[KeyValue]) -> dict[str, object]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in pairs}


@contextmanager
def collector() -> Generator[Collector]:
    made = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            answer = made.take(self.path, self.headers["content-type"], body)
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
