"""Whether commands are followed: only where the environment asks for it, and then only is OpenTelemetry imported."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from corral.logs import lines

if TYPE_CHECKING:
    from corral.tracing.exporting import Tracing

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def endpoint(environment: Mapping[str, str]) -> str:
    """Where spans go; empty where none are wanted. Standard variables of OpenTelemetry."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ""
    if environment.get("OTEL_TRACES_EXPORTER", "otlp").strip() != "otlp":
        return ""
    return next((found for name in _ENDPOINTS if (found := environment.get(name, "").strip())), "")


def tracing_of(push_url: str) -> "Tracing | None":
    """The tracing of this process. None where the environment asks for none, or it is not installed, which is told."""
    if not endpoint(os.environ):
        return None
    try:
        from corral.tracing.exporting import Tracing
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        lines.traces_missing()
        return None
    lines.traces_sent()
    return Tracing(push_url)
