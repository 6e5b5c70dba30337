"""What do two processes of the service bring (`--workers 2`), beside the bare route with as many?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.floors import Floor, bare_route
from benchmarks.questions.ground import Ground, table
from benchmarks.workloads import (
    Extent,
    Measured,
    enroll,
    four_commands,
    idle_scripts,
    one_command,
    polls,
    token_updates,
)

PROCESSES: Final = 2
LEAST_POLLS: Final = 0.25
"""Of the bare route with as many processes. Lower than of one process: on two cores they, the database and the load
generator wait for each other."""


@dataclass(frozen=True, slots=True)
class Workers:
    bare: Floor
    rows: Sequence[Measured]

    def lines(self) -> Sequence[str]:
        rows = [("bare route", f"{self.bare.rate:,.0f}", "1.00", "", f"{self.bare.cpu_ms:.3f}", "")]
        rows += [
            (
                row.work,
                f"{row.rate:,.0f}",
                f"{row.request_rate / self.bare.rate:.2f}",
                f"{row.percentile(50):.1f}, {row.percentile(99):.1f}",
                f"{row.cpu_ms:.3f}",
                f"{row.database_ms:.3f}",
            )
            for row in self.rows
        ]
        heads = ("work, proxied header", "/ s", "of bare route", "p50, p99 ms", "CPU ms / request: service", "database")
        return [f"## Two processes (`--workers {PROCESSES}`)", "", *table(heads, rows)]

    def shortcomings(self) -> Sequence[str]:
        return [
            f"{row.work} with {PROCESSES} workers {row.request_rate / self.bare.rate:.2f} of the bare route with"
            f" as many, least {LEAST_POLLS:.2f}"
            for row in self.rows
            if row.work == "idle polls" and row.request_rate < LEAST_POLLS * self.bare.rate
        ]

    def plots(self) -> Mapping[str, str]:
        return {}


async def measure(ground: Ground) -> Workers:
    seconds = ground.sizes.seconds
    extent = Extent(seconds=seconds, rounds=2, endurance=0)
    async with ground.site(ground.place("workers", CORRAL_WORKERS=str(PROCESSES))) as site:
        await enroll(site)
        bare = bare_route(ground.generator, await idle_scripts(site), seconds, site.clients, PROCESSES)
        measured: list[Measured] = []
        for work in (polls, one_command, four_commands, token_updates):
            await site.come_to_rest()
            measured.append(await work(site, extent))
        return Workers(bare, measured)
