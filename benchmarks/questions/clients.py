"""What do more clients at a time bring: throughput and the slowest answers, from 1 to 1,024 of them?"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from benchmarks.fleet import token_update
from benchmarks.floors import serve_bare_routes
from benchmarks.identity import CHECK_IN
from benchmarks.load import Job, LoadGenerator, Played, Script
from benchmarks.plot import Series, lines
from benchmarks.questions.ground import Ground, table
from benchmarks.site import Site
from benchmarks.workloads import enroll, idle_scripts

CLIENTS: Final = (1, 4, 16, 64, 256, 1024)
MOST_LOSS: Final = 0.6
"""Least share of the best throughput that the most clients must still get: it must not collapse."""


@dataclass(frozen=True, slots=True)
class Point:
    work: str
    clients: int
    rate: float
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Clients:
    database: str
    points: Sequence[Point]

    def lines(self) -> Sequence[str]:
        works = list(dict.fromkeys(point.work for point in self.points))
        sizes = sorted({point.clients for point in self.points})
        found = {(point.work, point.clients): point for point in self.points}
        rows: list[list[str]] = []
        for size in sizes:
            row = [f"{size:,}"]
            for work in works:
                point = found[work, size]
                row += [f"{point.rate:,.0f}", f"{point.p50:.1f}, {point.p99:.1f}"]
            rows.append(row)
        heads = ["clients", *(head for work in works for head in (f"{work} / s", "p50, p99 ms"))]
        return ["## Clients at a time", "", *table(heads, rows)]

    def shortcomings(self) -> Sequence[str]:
        short: list[str] = []
        for work in dict.fromkeys(point.work for point in self.points):
            rates = [point.rate for point in self.points if point.work == work]
            if rates[-1] < MOST_LOSS * max(rates):
                short.append(f"{work} fall from {max(rates):,.0f} to {rates[-1]:,.0f} a second with the most clients")
        return short

    def plots(self) -> Mapping[str, str]:
        works = list(dict.fromkeys(point.work for point in self.points))
        rates = [Series(work, [(p.clients, p.rate) for p in self.points if p.work == work]) for work in works]
        slowest = [Series(work, [(p.clients, p.p99) for p in self.points if p.work == work]) for work in works]
        return {
            "clients-throughput": lines(f"Requests a second by clients at a time, {self.database}", rates),
            "clients-p99": lines(f"p99 in milliseconds by clients at a time, {self.database}", slowest),
        }


async def measure(ground: Ground) -> Clients:
    sizes = [size for size in CLIENTS if size <= len(ground.fleet.devices)]
    seconds = ground.sizes.seconds
    points: list[Point] = []
    async with ground.site(ground.place("clients")) as site:
        await enroll(site)
        polls = await idle_scripts(site)
        tokens = await token_scripts(site, 4 * seconds)
        points += _bare(sizes, polls, seconds, ground.generator)
        for work, scripts in (("idle polls", polls), ("TokenUpdates", tokens)):
            for size in sizes:
                played = await ground.generator.play(Job(site.port, scripts, 10**6, seconds, size))
                points.append(_point(work, size, played))
    return Clients(ground.backend.name, points)


async def token_scripts(site: Site, rounds: float) -> list[Script]:
    """Each device's in turn, so many times, every one with a new token."""
    bodies = [(device, token_update(device)) for _ in range(max(round(rounds), 2)) for device in site.devices]
    return [((request, b""),) for request in await site.prover.requests(CHECK_IN, bodies)]


def _bare(sizes: Sequence[int], scripts: Sequence[Script], seconds: float, generator: LoadGenerator) -> list[Point]:
    with ExitStack() as stack:
        port, _ = serve_bare_routes(stack, 1)
        return [
            _point("bare route", size, generator.play_now(Job(port, scripts, 10**6, seconds / 2, size)))
            for size in sizes
        ]


def _point(work: str, clients: int, played: Played) -> Point:
    return Point(work, clients, played.rate, played.percentile(50), played.percentile(99))
