"""What does it cost that a service is observed: metrics, events, the audit trail and the log?

Two services over copies of one database, the second without all of that (`unobserved.py`), do the same work in turn,
round after round; each round is compared with its neighbour, so that what else the machine does falls on both. Two
processes of the same program differ by up to a twelfth for as long as they live, so that there are several pairs.
"""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from benchmarks.questions.ground import Ground, table
from benchmarks.site import Site
from benchmarks.workloads import Extent, Measured, Workload, enroll, one_command, polls, token_updates

WORK: Final[tuple[Workload, ...]] = (polls, one_command, token_updates)
ROUNDS: Final = 3
"""Of each pair, after one that warms up."""
MOST_SLOWER: Final = 0.05


@dataclass(frozen=True, slots=True)
class Compared:
    """One kind of work, unobserved and observed: medians of what is done a second and of the milliseconds of CPU a
    request, service and database together; and of the rounds' own ratios, as parts by which being observed is more."""

    work: str
    rates: tuple[float, float]
    cpu_ms: tuple[float, float]
    slower: float
    dearer: float

    @classmethod
    def of(cls, rounds: Sequence[tuple[Measured, Measured]]) -> "Compared":
        """Pairs of unobserved and observed."""
        return cls(
            work=rounds[0][0].work,
            rates=(median(off.rate for off, _ in rounds), median(on.rate for _, on in rounds)),
            cpu_ms=(median(_cpu(off) for off, _ in rounds), median(_cpu(on) for _, on in rounds)),
            slower=1 - median(on.rate / off.rate for off, on in rounds),
            dearer=median(_cpu(on) / _cpu(off) for off, on in rounds) - 1,
        )


@dataclass(frozen=True, slots=True)
class Observed:
    rows: Sequence[Compared]

    def lines(self) -> Sequence[str]:
        rows = [
            (
                row.work,
                *(f"{rate:,.0f}" for rate in row.rates),
                f"{row.slower:+.1%}",
                *(f"{cost:.3f}" for cost in row.cpu_ms),
                f"{row.dearer:+.1%}",
            )
            for row in self.rows
        ]
        heads = (
            *("work, proxied header", "unobserved / s", "observed / s", f"slower (most {MOST_SLOWER:.0%})"),
            *("CPU ms / request, unobserved", "observed", "more"),
        )
        return ["## Metrics, events, audit trail and log", "", *table(heads, rows)]

    def shortcomings(self) -> Sequence[str]:
        return [
            f"{row.work} are {row.slower:.1%} slower when observed, most {MOST_SLOWER:.0%}"
            for row in self.rows
            if row.slower > MOST_SLOWER
        ]

    def plots(self) -> Mapping[str, str]:
        return {}


async def measure(ground: Ground) -> Observed:
    rounds: dict[Workload, list[tuple[Measured, Measured]]] = {work: [] for work in WORK}
    for number in range(ground.sizes.pairs):
        await _add_pair(ground, number, rounds)
    return Observed([Compared.of(each) for each in rounds.values()])


async def _add_pair(ground: Ground, number: int, rounds: Mapping[Workload, list[tuple[Measured, Measured]]]) -> None:
    extent = Extent(seconds=ground.sizes.seconds, rounds=1, endurance=0)
    unobserved = ground.place(f"unobserved-{number}", CORRAL_LOG_LEVEL="error")
    observed = ground.place(f"observed-{number}", CORRAL_LOG_LEVEL="info")
    async with AsyncExitStack() as stack:
        places = (replace(unobserved, program="benchmarks.unobserved"), observed)
        sites = [await stack.enter_async_context(ground.site(place)) for place in places]
        for site in sites:
            await enroll(site)
        for work, found in rounds.items():
            found += await _compare(work, sites, extent)


async def _compare(work: Workload, sites: Sequence[Site], extent: Extent) -> list[tuple[Measured, Measured]]:
    """Each is the first in every other round, and neither is at work for the last one."""
    rounds: list[tuple[Measured, Measured]] = []
    for number in range(ROUNDS + 1):
        measured: dict[int, Measured] = {}
        for place in (0, 1) if number % 2 else (1, 0):
            for site in sites:
                await site.come_to_rest()
            measured[place] = await work(sites[place], extent)
        if number:
            rounds.append((measured[0], measured[1]))
    return rounds


def _cpu(measured: Measured) -> float:
    return max(measured.cpu_ms + measured.database_ms, 1e-6)
