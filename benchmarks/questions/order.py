"""Is every command delivered, once and in order, while many write and all poll?

Four commands for each device, queued one by one by 16 writers through the admin API, while the devices poll and obey.
"""

import asyncio
import base64
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.fleet import Device, command, idle, result
from benchmarks.identity import REPORT
from benchmarks.questions.ground import Ground, table
from benchmarks.site import Site
from benchmarks.workloads import enroll

WRITERS: Final = 16
EACH: Final = 4
PAUSE: Final = 0.02
"""Seconds between two sessions of a device that was given nothing."""
LONGEST: Final = 240.0
_UUID: Final = re.compile(rb"<key>CommandUUID</key>\s*<string>([^<]+)</string>")


@dataclass(frozen=True, slots=True)
class Order:
    """`wrong` says of each device that did not get what was queued, once and in order, what it got."""

    devices: int
    seconds: float
    wrong: Sequence[str] = field(repr=False)

    def lines(self) -> Sequence[str]:
        got = f"{self.devices - len(self.wrong):,} of {self.devices:,}"
        row = [f"{WRITERS} writers, {EACH} commands for each of {self.devices:,} devices that poll", got]
        row.append(f"{self.devices * EACH / self.seconds:,.0f}")
        return [
            "## Once and in order",
            "",
            *table(("", "devices that got all, once and in order", "commands / s"), [row]),
        ]

    def shortcomings(self) -> Sequence[str]:
        if not self.wrong:
            return ()
        return (f"{len(self.wrong)} of {self.devices} devices did not get all once and in order: {self.wrong[0]}",)

    def plots(self) -> Mapping[str, str]:
        return {}


async def measure(ground: Ground) -> Order:
    async with ground.site(ground.place("order"), devices=ground.fleet.devices[: ground.sizes.written_to]) as site:
        await enroll(site)
        queued: dict[str, list[str]] = {device.udid: [] for device in site.devices}
        given: dict[str, list[str]] = {device.udid: [] for device in site.devices}
        over = asyncio.Event()
        start = time.perf_counter()
        shares = [site.devices[number :: site.clients] for number in range(site.clients)]
        async with asyncio.timeout(LONGEST), asyncio.TaskGroup() as group:
            for share in shares:
                group.create_task(_obey(site, share, given, over))
            await _write(site, queued)
            over.set()
        seconds = time.perf_counter() - start
    wrong = [f"{udid}: queued {queued[udid]}, got {given[udid]}" for udid in queued if queued[udid] != given[udid]]
    return Order(len(site.devices), seconds, wrong)


async def _write(site: Site, queued: Mapping[str, list[str]]) -> None:
    left = iter(site.devices)

    async def work() -> None:
        for device in left:
            for _ in range(EACH):
                name = str(uuid.uuid4()).upper()
                plist = base64.b64encode(command(name)).decode()
                answer = await site.admin.post("/commands", json={"devices": [device.udid], "plist": plist}, timeout=60)
                answer.raise_for_status()
                queued[device.udid].append(name)

    async with asyncio.TaskGroup() as writers:
        for _ in range(WRITERS):
            writers.create_task(work())


async def _obey(site: Site, devices: Sequence[Device], given: Mapping[str, list[str]], over: asyncio.Event) -> None:
    """One connection for these devices, each a session at a time, until all is written and nothing more comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    try:
        while True:
            last = over.is_set()
            news = False
            for device in devices:
                body = await _ask(site, device, idle(device), reader, writer)
                while body:
                    news = True
                    found = _UUID.search(body)
                    assert found is not None, body
                    given[device.udid].append(found[1].decode())
                    body = await _ask(site, device, result(device, given[device.udid][-1]), reader, writer)
            if last and not news:
                return
            if not news:
                await asyncio.sleep(PAUSE)
    finally:
        writer.close()


async def _ask(
    site: Site, device: Device, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bytes:
    (request,) = await site.prover.requests(REPORT, [(device, body)])
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert head.startswith(b"http/1.1 200"), head
    length = re.search(rb"content-length: (\d+)", head)
    assert length is not None, head
    return await reader.readexactly(int(length[1]))
