"""A service that is polled again and again, and bothered by strangers meanwhile, grows no more."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from corral.simulator.device import Device
from corral.simulator.identity import Signed
from e2e.conftest import Start
from e2e.installation import Installation
from e2e.messages import enrollment_of, report

MIB = 1 << 20
AT_ONCE = 32


def memory(at: Installation) -> int:
    """Bytes that the process holds in memory (RSS)."""
    status = Path(f"/proc/{at.service.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


async def poll(at: Installation, devices: list[Device], count: int) -> None:
    """So many polls, with a result and a refusal now and then."""
    left = iter(range(count))

    async def talk(device: Device) -> None:
        for number in left:
            if number % 50 == 0:
                answer = await report(device, "Acknowledged", CommandUUID=f"unknown {number}", Filler="x" * 4000)
            elif number % 50 == 1:
                refused = await at.transport.request("PUT", f"{at.url}/mdm", body=b"?" * 4000, trust=at.trust)
                assert refused.status == 400
                continue
            else:
                answer = await device.voice.report(enrollment_of(device), enrollment_of(device).device.idle)
            assert (answer.status, answer.body) == (200, b"")

    await asyncio.gather(*(talk(devices[number % len(devices)]) for number in range(AT_ONCE)))


async def grow(start: Start, polls: int) -> int:
    """By how much it grows over so many polls, once it is warm."""
    at = await start({"CORRAL_LOG_LEVEL": "warning"})
    # The same signature serves again: it is the service that is measured here.
    devices = [await at.enrolled(signature=Signed(keep=timedelta(hours=1))) for _ in range(16)]
    await poll(at, devices, 6000)
    warm = memory(at)
    await poll(at, devices, polls)
    return memory(at) - warm


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="/proc tells how much memory a process holds")
async def test_memory_stays_flat_over_20_000_polls(start: Start) -> None:
    assert await grow(start, 20_000) < 4 * MIB


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="/proc tells how much memory a process holds")
async def test_memory_stays_flat_over_100_000_polls(start: Start) -> None:
    assert await grow(start, 100_000) < 4 * MIB
