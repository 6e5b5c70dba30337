"""What devices that poll feel of something that goes on beside them.

Twice: under full pressure, where each client asks again at once, and at a steady rate, as a fleet does. Under full
pressure the machine has nothing to spare: whatever else is done takes away from the polls, and 64 clients share what is
left. Only at a steady rate does their p99 say whether the service lets devices wait.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.load import Played, Script
from benchmarks.questions.ground import table
from benchmarks.site import Site

AIM: Final = 2.0
"""Of the usual p99, at most."""
NO_MATTER: Final = 10.0
"""Milliseconds of p99 below which twice the usual is no matter."""
STEADY: Final = 8
"""The steady rate is so many times lower than the usual under full pressure: with 100,000 devices, some polls of each a
minute."""
TIMES: Final = 100_000


@dataclass(frozen=True, slots=True)
class Polls:
    """A second, and in milliseconds. `waited`: seconds of each in which a thread of the service was ready and had no
    processor, since other processes of the machine had them."""

    rate: float
    p50: float
    p99: float
    waited: float

    @classmethod
    def of(cls, played: Played, waited: float) -> "Polls":
        return cls(played.rate, played.percentile(50), played.percentile(99), waited / played.seconds)


@dataclass(frozen=True, slots=True)
class Felt:
    full: Polls
    steady: Polls


_PRESSURES: Final[Mapping[str, Callable[[Felt], Polls]]] = {
    "asking again at once": lambda felt: felt.full,
    "at a steady rate": lambda felt: felt.steady,
}


async def feel(
    site: Site,
    scripts: Sequence[Script],
    seconds: float,
    usual: Felt | None = None,
    meanwhile: Callable[[], Awaitable[object]] | None = None,
) -> Felt:
    """`meanwhile` is called over and over beside the polls; the steady rate is that of the `usual`, if it is known."""
    full = await _play(site, scripts, seconds, None, meanwhile)
    rate = usual.steady.rate if usual is not None else full.rate / STEADY
    return Felt(full, await _play(site, scripts, seconds, rate, meanwhile))


async def _play(
    site: Site,
    scripts: Sequence[Script],
    seconds: float,
    rate: float | None,
    meanwhile: Callable[[], Awaitable[object]] | None,
) -> Polls:
    before = site.usage().waited
    playing = asyncio.create_task(site.play(scripts, times=TIMES, seconds=seconds, rate=rate))
    while meanwhile is not None and not playing.done():
        await meanwhile()
    played = await playing
    return Polls.of(played, site.usage().waited - before)


def rows(usual: Felt, felt: Sequence[tuple[str, Felt]]) -> list[str]:
    """Markdown: a table of both, each beside its usual."""
    heads = ("polls of 64 clients", "/ s", "p50, p99 ms", "p99 of the usual", "waited for a processor")
    cells: list[tuple[str, ...]] = []
    for manner, under in _PRESSURES.items():
        for name, each in (("as usual", usual), *felt):
            polls, of_usual = under(each), under(usual)
            cells.append(
                (
                    f"{manner}, {name}",
                    f"{polls.rate:,.0f}",
                    f"{polls.p50:.1f}, {polls.p99:.1f}",
                    f"{polls.p99 / of_usual.p99:.1f}",
                    f"{polls.waited:.0%}",
                )
            )
    return table(heads, cells)


def shortcoming(usual: Felt, felt: Felt, when: str) -> Sequence[str]:
    """In words, if the p99 at a steady rate misses the aim."""
    slower = felt.steady.p99 / usual.steady.p99
    if slower <= AIM or felt.steady.p99 <= NO_MATTER:
        return ()
    return (f"{when}, the p99 of polls at a steady rate is {felt.steady.p99:.0f} ms, {slower:.1f} times its usual",)
