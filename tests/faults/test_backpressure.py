"""More requests than a slow database can commit: no at once to most, memory that stays, and work as before after it."""

import asyncio
import time
from collections.abc import Generator, Sequence
from pathlib import Path

import psutil
import pytest

from corral.simulator.device import Device
from e2e.messages import enrollment_of, report
from faults.machines import port, way
from faults.stage import stage
from postgres_server import fresh_database

CLIENTS = 300
AT_ONCE = 32
"""Requests that the service takes at a time; all others are told no."""
RESULT = b"x" * 200_000
"""Part of what each client sends."""
QUICKLY = 3.0
"""Seconds, on a machine that others share; who waits for the database waits for longer."""

MOST_GROWTH = 96 * 1024 * 1024
"""Bytes of memory: the results that are under way several times over, and what waits in connections."""


@pytest.fixture
def database() -> Generator[str]:
    with fresh_database(durable=True) as url:
        yield url


async def test_the_service_says_no_and_stands(tmp_path: Path, database: str) -> None:
    settings = {"CORRAL_MAX_REQUESTS": str(AT_ONCE), "CORRAL_LOG_LEVEL": "error"}
    async with stage(tmp_path, database, devices=8, settings=settings) as on_stage:
        corral, devices = on_stage.corral, on_stage.field.devices
        crowd = way(corral, port(corral.service), connections=CLIENTS)
        for device in devices:
            await device.enroll(on_stage.field.link)
            await device.settle()
            device.voice.transport = crowd
        process = psutil.Process(corral.service.pid)
        await _rush(devices, 2)
        usual = process.memory_info().rss

        on_stage.proxy.delay = 0.2
        slow = await _rush(devices, 3)
        assert len(slow[200]) >= AT_ONCE, "what can be committed is"
        assert len(slow[503]) > len(slow[200])
        assert _most(slow[503]) < QUICKLY, "no is said at once"
        assert max(slow[200]) < 10

        on_stage.proxy.hold()
        stuck = await _rush(devices, 3)
        assert not stuck[200]
        assert _most(stuck[503]) < QUICKLY
        assert max(stuck[503]) < 15
        assert process.memory_info().rss < usual + MOST_GROWTH

        on_stage.proxy.heal()
        began = time.monotonic()
        while (await report(devices[0])).status != 200:
            assert time.monotonic() < began + 10
            await asyncio.sleep(0.1)
        assert {(await report(device)).status for device in (*devices, *devices)} == {200}
        assert process.memory_info().rss < usual + MOST_GROWTH
        await crowd.close()


async def _rush(devices: Sequence[Device], times: int) -> dict[int, list[float]]:
    """Everybody comes at once with a result, and so often again: the seconds until each answer, by its status."""
    waited: dict[int, list[float]] = {200: [], 503: []}

    async def come(number: int) -> None:
        device = devices[number % len(devices)]
        enrollment = enrollment_of(device)
        result = enrollment.device.message(Status="Acknowledged", CommandUUID="of long ago", Data=RESULT)
        for _ in range(times):
            began = time.monotonic()
            answer = await device.voice.report(enrollment, result)
            waited[answer.status].append(time.monotonic() - began)
            assert answer.status == 200 or "retry-after" in answer.headers

    await asyncio.gather(*(come(number) for number in range(CLIENTS)))
    return waited


def _most(seconds: list[float]) -> float:
    """What nine of ten did not wait for longer."""
    return sorted(seconds)[len(seconds) * 9 // 10]
