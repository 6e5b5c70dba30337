"""Tracing is on where the standard environment variables say where traces go, and nothing is imported elsewhere."""

import subprocess
import sys

import pytest
from structlog.testing import capture_logs

from corral.wiring import traces

HERE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("environment", "where"),
    [
        ({}, ""),
        (HERE, "http://127.0.0.1:1"),
        (HERE | {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:2/v1/traces"}, "http://127.0.0.1:2/v1/traces"),
        (HERE | {"OTEL_SDK_DISABLED": "TRUE"}, ""),
        (HERE | {"OTEL_TRACES_EXPORTER": "none"}, ""),
        (HERE | {"OTEL_TRACES_EXPORTER": "otlp"}, "http://127.0.0.1:1"),
        ({"OTEL_SERVICE_NAME": "mdm", "OTEL_EXPORTER_OTLP_ENDPOINT": " "}, ""),
    ],
)
def test_the_environment_decides(environment: dict[str, str], where: str) -> None:
    assert traces.endpoint(environment) == where


def test_without_the_extra_that_is_told_and_everything_else_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    for name in list(sys.modules):
        if name.startswith(("opentelemetry", "corral.tracing")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with capture_logs() as said:
        assert traces.tracing_of("https://push.example.org") is None
    assert [each["event"] for each in said] == ["traces.missing"]


def test_a_service_imports_nothing_of_it() -> None:
    program = "import corral.serving, sys; print([n for n in sys.modules if n.startswith('opentelemetry')])"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.strip() == "[]"
