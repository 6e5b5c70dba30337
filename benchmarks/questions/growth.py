"""Does a poll cost more when the database is large, or the device's history long?

The same devices poll three services in turn, round after round, which differ in their database alone.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from benchmarks import crowd
from benchmarks.questions.ground import Ground, table
from benchmarks.site import Site
from benchmarks.workloads import Extent, enroll, idle_scripts, one_command

POLLING: Final = 200
BASE: Final = 1000
"""Connections that the others are compared with."""
ROUNDS: Final = 8
MOST_DEARER: Final = 1.2


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a poll: milliseconds of CPU, service and database together, and polls a second, each of its best round, since
    what else the machine does only ever adds; `dearer` is the CPU as a multiple of that over the smallest database."""

    what: str
    rate: float
    cpu_ms: float
    dearer: float


@dataclass(frozen=True, slots=True)
class Growth:
    costs: Sequence[Cost]

    def lines(self) -> Sequence[str]:
        rows = [(cost.what, f"{cost.rate:,.0f}", f"{cost.cpu_ms:.3f}", f"{cost.dearer:.2f}") for cost in self.costs]
        heads = ("a poll with", "/ s", "CPU ms, service and database", f"of the first (aim {MOST_DEARER})")
        return ["## Polls as the database grows", "", *table(heads, rows)]

    def shortcomings(self) -> Sequence[str]:
        return [
            f"a poll with {cost.what} costs {cost.dearer:.2f} times as much, most {MOST_DEARER}"
            for cost in self.costs
            if cost.dearer > MOST_DEARER
        ]

    def plots(self) -> Mapping[str, str]:
        return {}


async def measure(ground: Ground) -> Growth:
    devices, sizes = ground.fleet.devices[:POLLING], ground.sizes
    small, written = ground.place("small"), ground.place("written")
    for place, commands in ((small, 0), (written, 1)):
        async with ground.site(place, devices=devices) as site:
            await enroll(site)
            if commands:
                await one_command(site, Extent(seconds=1.0, rounds=commands, endurance=0))
        await asyncio.to_thread(crowd.fill, ground.backend, place.data, range(BASE - len(devices)))
    connections = [device.connection for device in devices]
    await asyncio.to_thread(crowd.fill_history, ground.backend, written.data, connections, sizes.history - 1)
    large = ground.place("large", of=small.data)
    await asyncio.to_thread(crowd.fill, ground.backend, large.data, range(BASE, sizes.multitude))
    places = {
        f"{BASE:,} connections, no history": small,
        f"{BASE:,} connections, {sizes.history:,} commands in each history": written,
        f"{sizes.multitude:,} connections, no history": large,
    }
    async with AsyncExitStack() as stack:
        sites = [await stack.enter_async_context(ground.site(place, devices=devices)) for place in places.values()]
        return Growth(await _compare(list(places), sites, sizes.seconds / 2))


async def _compare(names: Sequence[str], sites: Sequence[Site], seconds: float) -> list[Cost]:
    scripts = await idle_scripts(sites[0])
    for site in sites:
        await site.play(scripts, times=10**6, seconds=seconds)
    costs: list[list[float]] = [[] for _ in sites]
    rates: list[list[float]] = [[] for _ in sites]
    for _ in range(ROUNDS):
        for site, cost, rate in zip(sites, costs, rates, strict=True):
            before = site.usage().cpu + site.backend.cpu()
            played = await site.play(scripts, times=10**6, seconds=seconds)
            cost.append((site.usage().cpu + site.backend.cpu() - before) * 1000 / played.requests)
            rate.append(played.rate)
    return [
        Cost(name, max(rate), min(cost), min(cost) / min(costs[0]))
        for name, rate, cost in zip(names, rates, costs, strict=True)
    ]
