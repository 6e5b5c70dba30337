"""How long does a command for a whole fleet take: to be queued, and until every device has been pushed? And what do
the polls of others feel of it?

The crowd's connections are loaded in bulk; the stand-in for Apple's push service knows their tokens.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks import crowd
from benchmarks.questions.felt import AIM, Felt, feel, rows, shortcoming
from benchmarks.questions.ground import MIB, Ground, table
from benchmarks.questions.watching import Memory, watched
from benchmarks.site import Site
from benchmarks.stand_in import Seen, StandIn
from benchmarks.workloads import enroll, idle_scripts

MOST_QUEUEING: Final = 2.0
MOST_PUSHING: Final = 60.0
"""Seconds for 100,000 devices."""
MOST_GROWTH: Final = 256 * MIB
"""Bytes for 100,000 devices: the request and its answer with a verdict for each are some tens of megabytes."""
PATIENCE: Final = 300.0


@dataclass(frozen=True, slots=True)
class Reach:
    """`queueing` and `pushing` are seconds from the request; `statements` those that queued, and all."""

    crowd: int
    queueing: float
    pushing: float
    seen: Seen
    memory: Memory
    statements: tuple[int, int] | None
    usual: Felt
    while_queueing: Felt
    while_pushing: Felt

    @property
    def share(self) -> float:
        """Of the 100,000 devices that the aims are about."""
        return self.crowd / 100_000

    def lines(self) -> Sequence[str]:
        told = f"{self.statements[0]}, {self.statements[1]}" if self.statements else "(one commit)"
        fleet = [
            ("queued, seconds", f"{self.queueing:.2f}", f"{MOST_QUEUEING * self.share:.2f}"),
            ("statements that queue; all meanwhile, pushes among them", told, ""),
            ("accepted by the stand-in, seconds", f"{self.pushing:.1f}", f"{MOST_PUSHING * self.share:.1f}"),
            ("pushes a second", f"{self.crowd / self.pushing:,.0f}", ""),
            ("connections to the stand-in", f"{self.seen.connections}", "1"),
            ("RSS MB before, at most, after", self.memory.text(), ""),
        ]
        return [
            f"## One command for {self.crowd:,} devices",
            "",
            *table(("", "measured", "aim"), fleet),
            "",
            f"What other devices' polls feel of it (aim: a p99 of at most {AIM:.0f} times the usual):",
            "",
            *rows(
                self.usual,
                (
                    ("while an administrator queues for the fleet", self.while_queueing),
                    ("while the fleet is pushed", self.while_pushing),
                ),
            ),
        ]

    def shortcomings(self) -> Sequence[str]:
        short: list[str] = []
        if self.queueing > max(MOST_QUEUEING * self.share, 1.0):
            short.append(f"queueing for {self.crowd:,} devices took {self.queueing:.1f} s")
        if self.pushing > max(MOST_PUSHING * self.share, 5.0):
            short.append(f"pushing {self.crowd:,} devices took {self.pushing:.0f} s")
        if self.seen.connections != 1:
            short.append(f"pushes of one topic took {self.seen.connections} connections")
        if self.memory.growth > MOST_GROWTH:
            short.append(f"memory grew by {self.memory.growth / MIB:.0f} MB while queueing")
        short += shortcoming(self.usual, self.while_queueing, "while an administrator queues")
        short += shortcoming(self.usual, self.while_pushing, "while a fleet is pushed")
        return short

    def plots(self) -> Mapping[str, str]:
        return {}


async def measure(ground: Ground) -> Reach:
    count = ground.sizes.crowd
    with StandIn(count) as stand_in:
        trust = ground.folder / "stand-in.pem"
        trust.write_bytes(stand_in.root_pem)
        url = f"https://127.0.0.1:{stand_in.port}"
        place = ground.place("reach", CORRAL_APNS_URL=url, CORRAL_APNS_CA=str(trust))
        async with ground.site(place) as site:
            await enroll(site)
        await asyncio.to_thread(crowd.fill, ground.backend, place.data, range(count), ground.sealer())
        async with ground.backend.open_store(place.data, ground.sealer()) as store:
            await store.vault.put_push_certificate(stand_in.push_certificate())
        async with ground.site(place) as site:
            return await _reach(ground, site, stand_in)


async def _reach(ground: Ground, site: Site, stand_in: StandIn) -> Reach:
    count, seconds = ground.sizes.crowd, 2 * ground.sizes.seconds
    polls = await idle_scripts(site)
    await site.play(polls, times=1000, seconds=seconds / 2)
    usual = await feel(site, polls, seconds)
    begun, start = stand_in.seen().accepted, time.perf_counter()
    async with watched(site) as memory:
        await _enqueue(site, count)
        queueing = time.perf_counter() - start
        pushing = await stand_in.wait_for(begun + count, PATIENCE) - start
    statements = await _count_statements(ground, site)
    while_queueing = await feel(site, polls, max(seconds, 2 * queueing), usual, lambda: _enqueue(site, count))
    # What was queued has left a crowd of pushes; one more makes sure of it.
    await _enqueue(site, count)
    while_pushing = await feel(site, polls, seconds, usual)
    return Reach(
        crowd=count,
        queueing=queueing,
        pushing=pushing,
        seen=stand_in.seen(),
        memory=memory,
        statements=statements,
        usual=usual,
        while_queueing=while_queueing,
        while_pushing=while_pushing,
    )


async def _enqueue(site: Site, count: int) -> None:
    """One command for the whole crowd, as an administrator asks for it."""
    devices = [crowd.device_id(number) for number in range(count)]
    wanted = {"devices": devices, "request_type": "DeviceInformation", "keys": {"Queries": ["DeviceName"]}}
    answer = await site.admin.post("/commands", json=wanted, timeout=PATIENCE)
    answer.raise_for_status()
    queued = answer.json()["queued"]
    if queued != count:
        raise RuntimeError(f"The command was queued for {queued} of {count} devices: {answer.text[:500]}")


async def _count_statements(ground: Ground, site: Site) -> tuple[int, int] | None:
    with ground.backend.counted_statements() as statements:
        await _enqueue(site, ground.sizes.crowd)
    if statements.said is None:
        return None
    return sum("INSERT INTO delivery" in each for each in statements.said), len(statements.said)
