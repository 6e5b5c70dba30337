"""W3C Trace Context as OpenTelemetry's values and back (https://www.w3.org/TR/trace-context/)."""

import re
from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, TraceFlags, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01")
_PROPAGATOR = TraceContextTextMapPropagator()
ROOT = Context()


def traceparent_of(span: Span) -> str | None:
    """What others go on with; None where the span is not recorded, so that what follows is not, either."""
    context = span.get_span_context()
    if not (context.is_valid and context.trace_flags.sampled):
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"


def parent(traceparent: str) -> Context:
    """The context of a `traceparent` that we have kept; a root where it is none."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None:
        return ROOT
    context = SpanContext(int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=TraceFlags(1))
    return set_span_in_context(NonRecordingSpan(context), ROOT)


def caller(headers: Mapping[str, str]) -> Context:
    """The context that a caller is in by its headers `traceparent` and `tracestate`; a root where it names none."""
    return _PROPAGATOR.extract(headers, ROOT)
