"""Sends spans to where the standard environment variables say, in batches, from a thread of their own."""

import asyncio
import contextlib
import threading
import uuid
from collections.abc import Collection
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.semconv.attributes.service_attributes import SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION

from corral import __version__
from corral.http.asgi import App
from corral.service.tracing import Traces
from corral.tracing.requests import traced
from corral.tracing.spans import Spans

PATIENCE: Final = 3.0
"""Seconds in which what is left is sent at a stop; a collector that does not answer holds nobody up for longer."""


class Tracing:
    """The tracing of one process. Sampling, batches and the way out are set by the environment (OTEL_*)."""

    def __init__(self, push_url: str) -> None:
        ours = {SERVICE_NAME: "corral", SERVICE_VERSION: __version__, SERVICE_INSTANCE_ID: str(uuid.uuid4())}
        resource = Resource(ours).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("corral", __version__)
        self.commands: Traces = Spans(self._tracer, push_url)

    def requests(self, app: App, direct: Collection[str]) -> App:
        """The app, with a span for each request; see `traced`."""
        return traced(app, self._tracer, direct)

    async def close(self) -> None:
        """Send what is left."""
        loop, sent = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # nobody waits any more
                loop.call_soon_threadsafe(sent.set)

        # Not one of the loop's threads: for those the process would wait, however long it takes.
        threading.Thread(target=shut_down, daemon=True).start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await sent.wait()
