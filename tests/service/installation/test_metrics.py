"""Metrics: counted where it happens, and never labelled by what a stranger chooses."""

import asyncio
import multiprocessing
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from corral.service.installation import durations
from corral.service.installation.metrics import Metrics


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    registry = CollectorRegistry()
    registry.register(metrics)
    found = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in found
        for sample in family.samples
        if "le" not in sample.labels
    }


async def test_requests_are_counted_by_route_and_status() -> None:
    metrics = Metrics()
    for path, status in (("/mdm", 200), ("/mdm", 200), ("/mdm", 503), ("/enroll/secret-token/profile", 200)):
        metrics.answered(path, status, 0.25)
    found = samples(metrics)
    name = "corral_http_request_duration_seconds"
    assert found[f"{name}_count", "mdm", "200"] == 2
    assert found[f"{name}_sum", "mdm", "200"] == 0.5
    assert found[f"{name}_count", "mdm", "503"] == 1
    assert found[f"{name}_count", "enroll", "200"] == 1


async def test_what_strangers_ask_for_makes_no_labels() -> None:
    metrics = Metrics()
    for number in range(100):
        metrics.answered(f"/guess{number}/mdm", 404, 0.0)
    metrics.answered("", 400, 0.0)
    counts = [key for key in samples(metrics) if key[0].endswith("_count")]
    assert sorted(key[1:] for key in counts) == [("other", "400"), ("other", "404")]


def _answer(folder: Path) -> None:
    """And live on for a while: what was counted is put where others find it without being asked."""
    durations.HELD = 0.01

    async def answer() -> None:
        metrics = Metrics(folder)
        for seconds in (0.001, 0.1, 99.0):
            metrics.answered("/mdm", 200, seconds)
        await asyncio.sleep(0.1)

    asyncio.run(answer())


def test_processes_are_counted_together(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    for _ in range(2):
        process = context.Process(target=_answer, args=(tmp_path,))
        process.start()
        process.join(30)
        assert process.exitcode == 0
    found = context.Queue()
    reader = context.Process(target=_read, args=(tmp_path, found))
    reader.start()
    assert found.get(timeout=30) == 6
    reader.join(30)


def _read(folder: Path, found: "multiprocessing.Queue[float]") -> None:
    found.put(samples(Metrics(folder))["corral_http_request_duration_seconds_count", "mdm", "200"])


async def test_each_request_is_in_the_bucket_of_its_time() -> None:
    metrics = Metrics()
    for seconds in (0.0005, 0.001, 0.0011, 10.0, 11.0):
        metrics.answered("/mdm", 200, seconds)
    for _ in range(2):  # what has been read is not read twice
        registry = CollectorRegistry()
        registry.register(metrics)
        found = {
            bound: registry.get_sample_value(
                "corral_http_request_duration_seconds_bucket", {"route": "mdm", "status": "200", "le": bound}
            )
            for bound in ("0.001", "0.0025", "2.5", "10.0", "+Inf")
        }
        assert found == {"0.001": 2, "0.0025": 3, "2.5": 3, "10.0": 4, "+Inf": 5}
