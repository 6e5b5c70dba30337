"""What does it cost that a service is observed: metrics, events, the audit trail and the log?

Two services over copies of one database, the second without all of that (`unobserved.py`), do the same work in turn,
round after round; each round is compared with its neighbour, so that what else the machine does falls on both.
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
ROUNDS: Final = 9
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
    extent = Extent(seconds=ground.sizes.seconds, rounds=1, endurance=0)
    unobserved = replace(ground.place("unobserved", CORRAL_LOG_LEVEL="error"), program="benchmarks.unobserved")
    observed = ground.place("observed", CORRAL_LOG_LEVEL="info")
    async with AsyncExitStack() as stack:
        sites = [await stack.enter_async_context(ground.site(place)) for place in (unobserved, observed)]
        for site in sites:
            await enroll(site)
        return Observed([await _compare(work, sites, extent) for work in WORK])


async def _compare(work: Workload, sites: Sequence[Site], extent: Extent) -> Compared:
    """After a round that warms up, each is the first in every other round."""
    rounds: list[tuple[Measured, Measured]] = []
    for number in range(ROUNDS + 1):
        measured: dict[int, Measured] = {}
        for place in (0, 1) if number % 2 else (1, 0):
            measured[place] = await work(sites[place], extent)
        if number:
            rounds.append((measured[0], measured[1]))
    return Compared.of(rounds)


def _cpu(measured: Measured) -> float:
    return max(measured.cpu_ms + measured.database_ms, 1e-6)
