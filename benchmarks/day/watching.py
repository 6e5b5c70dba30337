"""What a day looked like: what processes of devices report, and what is seen of the service and its database."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.day.databases import Database
from benchmarks.day.herd import percentile
from benchmarks.processes import usage

EVERY: Final = 2.0
PERIODS: Final = 144
"""Points of the plot: every ten minutes of the day."""


@dataclass(frozen=True, slots=True)
class Seen:
    """At one moment: bytes, and seconds of CPU that the service has used so far."""

    at: float
    service: int
    cpu: float
    database_size: int
    database_memory: int


@dataclass(frozen=True, slots=True)
class Point:
    """Ten minutes of the day. Rates are of real seconds; memory is of all processes of the service together, and of
    the largest process of devices."""

    hour: float
    requests: float
    pushes: float
    errors: int
    p50: float
    p99: float
    service: float
    herd: float
    database_size: float
    cpu: float


async def watch(pid: int, database: Database, seen: list[Seen]) -> None:
    """Until it is cancelled."""
    while True:
        family = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        used = [usage(each) for each in family]
        size = await database.size()
        memory = await asyncio.to_thread(database.memory) if len(seen) % 10 == 0 else seen[-1].database_memory
        seen.append(Seen(time.time(), sum(u.memory for u in used), sum(u.cpu for u in used), size, memory))
        await asyncio.sleep(EVERY)


@dataclass(frozen=True, slots=True)
class Herds:
    """The reports of all processes of devices."""

    lines: Sequence[Sequence[Mapping[str, Any]]]
    ends: Sequence[Mapping[str, Any]]

    def counts(self) -> Counter[str]:
        return _sum(end["counts"] for end in self.ends)

    def wrong(self) -> Counter[str]:
        """All that no service may do to a device, or a device could not do."""
        found = _sum(end["wrong"] for end in self.ends)
        for end in self.ends:
            found.update(list[str](end["complaints"]))
        return found

    def statuses(self) -> Counter[str]:
        return _sum(line["statuses"] for herd in self.lines for line in herd)

    def latencies(self) -> Counter[int]:
        return _latencies(line for herd in self.lines for line in herd)


def read_herds(paths: Sequence[Path]) -> Herds:
    """Raises ValueError for a process that did not come to its end."""
    lines: list[Sequence[Mapping[str, Any]]] = []
    ends: list[Mapping[str, Any]] = []
    for path in paths:
        found = [json.loads(line) for line in path.read_text().splitlines()]
        if not found or "states" not in found[-1]:
            raise ValueError(f"{path.name}: this process of devices did not come to its end")
        lines.append(found[:-1])
        ends.append(found[-1])
    return Herds(lines, ends)


def points(herds: Herds, seen: Sequence[Seen], began: float, seconds: float) -> list[Point]:
    length = seconds / PERIODS
    found: list[Point] = []
    for period in range(PERIODS):
        start, end = began + period * length, began + (period + 1) * length
        lines = [[line for line in herd if start <= line["at"] < end] for herd in herds.lines]
        flat = [line for herd in lines for line in herd]
        statuses = _sum(line["statuses"] for line in flat)
        latencies = _latencies(flat)
        looks = [each for each in seen if start <= each.at < end] or [min(seen, key=lambda each: abs(each.at - end))]
        earlier = [each for each in seen if each.at <= looks[0].at - 1.5 * length] or [seen[0]]
        span = looks[-1].at - earlier[-1].at
        found.append(
            Point(
                hour=24 * (period + 0.5) / PERIODS,
                requests=sum(statuses.values()) / length,
                pushes=sum(line["pushes"] for line in flat) / length,
                errors=sum(count for status, count in statuses.items() if status != "200"),
                p50=percentile(latencies, 0.5),
                p99=percentile(latencies, 0.99),
                service=_mean(looks, lambda each: each.service),
                herd=max((line["memory"] for line in flat), default=0.0),
                database_size=_mean(looks, lambda each: each.database_size),
                cpu=(looks[-1].cpu - earlier[-1].cpu) / span if span else 0.0,
            )
        )
    return found


def _sum(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    total = Counter[str]()
    for each in counts:
        total.update(each)
    return total


def _latencies(lines: Iterable[Mapping[str, Any]]) -> Counter[int]:
    return Counter({int(bucket): count for bucket, count in _sum(line["latencies"] for line in lines).items()})


def _mean(looks: Sequence[Seen], what: Callable[[Seen], float]) -> float:
    return sum(map(what, looks)) / len(looks)
