"""Many writers, many devices and no fault: every command is delivered once, in the order in which it was queued."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from corral.apple.plist import parse_dict
from corral.simulator.device import Device
from corral.simulator.identity import ProxyHeader
from corral.simulator.transport import Detour, Transport
from crash.field import BEHIND_PROXY
from e2e.installation import Installation, installation, make_template
from e2e.messages import report

WRITERS = 16
EACH = 4


async def test_200_devices_get_everything_once_and_in_order(tmp_path: Path, database: str) -> None:
    await _order(tmp_path, database, 200)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_2000_devices_get_everything_once_and_in_order(tmp_path: Path, database: str) -> None:
    await _order(tmp_path, database, 2000)


async def _order(folder: Path, database: str, count: int) -> None:
    template = await asyncio.to_thread(make_template, folder / "template", database)
    async with (
        installation(template, folder / "service", BEHIND_PROXY, plain=True) as corral,
        _fleet(corral, count) as devices,
    ):
        queued: dict[Device, list[str]] = {device: [] for device in devices}
        given: dict[Device, list[str]] = {device: [] for device in devices}
        over = asyncio.Event()

        async def write(device: Device) -> None:
            for _ in range(EACH):
                queued[device].append(await corral.send(device, "DeviceInformation", Queries=["DeviceName"]))

        async def obey(device: Device) -> None:
            while len(given[device]) < EACH or not over.is_set():
                given[device] += await _session(device)
                await asyncio.sleep(0.05)

        obeying = [asyncio.create_task(obey(device)) for device in devices]
        await _by(WRITERS, devices, write)
        over.set()
        await asyncio.gather(*obeying)
        assert not [uuid for device in devices for uuid in await _session(device)], "nothing comes again"
        wrong = [str(device) for device in devices if given[device] != queued[device]]
        assert not wrong, f"{len(wrong)} of {count}: {wrong[0]}"


async def _session(device: Device) -> list[str]:
    """What a device is given until there is nothing more."""
    given: list[str] = []
    answer = await report(device)
    while answer.body:
        given.append(str(parse_dict(answer.body)["CommandUUID"]))
        said = {"DeviceName": "a device"}
        answer = await report(device, "Acknowledged", CommandUUID=given[-1], QueryResponses=said)
    assert answer.status == 200
    return given


@asynccontextmanager
async def _fleet(corral: Installation, count: int) -> AsyncGenerator[list[Device]]:
    """Enrolled devices that hear no pushes, so that none has two sessions at a time."""
    port = int(corral.url.rpartition(":")[2])
    transport = Transport(connections=64, timeout=60, detours={corral.url: Detour("127.0.0.1", port)})
    corral.quiet = replace(corral.quiet, transport=transport)
    devices = [corral.device(proof=ProxyHeader()) for _ in range(count)]
    link = await corral.link(uses=None)
    await _by(WRITERS, devices, lambda device: device.enroll(link))
    yield devices
    await transport.close()


async def _by(workers: int, devices: Iterable[Device], act: Callable[[Device], Awaitable[None]]) -> None:
    """For each device, by so many at a time."""
    left = iter(devices)

    async def work() -> None:
        for device in left:
            await act(device)

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
