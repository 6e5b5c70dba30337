"""What happens beyond what the service can commit: quick refusals, memory that stays, and recovery?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.load import Job, percentile
from benchmarks.questions.clients import token_scripts
from benchmarks.questions.ground import MIB, Ground, table
from benchmarks.questions.watching import Memory, watched
from benchmarks.workloads import enroll, idle_scripts

LIMIT: Final = 256
"""`max_requests` of the service that is asked."""
CLIENTS: Final = 4 * LIMIT
MOST_GROWTH: Final = 64 * MIB
"""Bytes that the bodies and buffers of so many connections may take while they last."""
LEAST_RECOVERY: Final = 0.7


@dataclass(frozen=True, slots=True)
class Overload:
    """Rates a second, times in milliseconds."""

    accepted: float
    refused: float
    accepted_p99: float
    refused_p99: float
    before: float
    after: float
    memory: Memory

    def lines(self) -> Sequence[str]:
        rows = [
            ("TokenUpdates taken", f"{self.accepted:,.0f}/s, p99 {self.accepted_p99:.0f} ms"),
            ("answered 503", f"{self.refused:,.0f}/s, p99 {self.refused_p99:.0f} ms"),
            ("RSS MB before, at most, after", self.memory.text()),
            (
                "polls of 64 clients before and right after",
                f"{self.before:,.0f}/s, {self.after:,.0f}/s, none refused after",
            ),
        ]
        head = (f"{CLIENTS:,} clients that ask again at once, max_requests = {LIMIT}", "")
        return ["## Beyond what can be committed", "", *table(head, rows)]

    def shortcomings(self) -> Sequence[str]:
        short: list[str] = []
        if not self.refused:
            short.append(f"{CLIENTS:,} clients were not refused anything beyond {LIMIT} requests under way")
        if self.refused_p99 > self.accepted_p99:
            short.append(f"a refusal took {self.refused_p99:.0f} ms (p99), longer than what was taken")
        if self.memory.growth > MOST_GROWTH:
            short.append(f"memory grew by {self.memory.growth / MIB:.0f} MB under overload")
        if self.after < LEAST_RECOVERY * self.before:
            short.append(f"after the overload {self.after:,.0f} polls a second, before {self.before:,.0f}")
        return short

    def plots(self) -> Mapping[str, str]:
        return {}


async def measure(ground: Ground) -> Overload:
    seconds = 2 * ground.sizes.seconds
    place = ground.place("overload", CORRAL_MAX_REQUESTS=str(LIMIT))
    async with ground.site(place) as site:
        await enroll(site)
        polls = await idle_scripts(site)
        tokens = await token_scripts(site, 4 * seconds)
        await site.play(polls, times=1000, seconds=seconds / 4)
        before = await site.play(polls, times=1000, seconds=seconds / 2)
        # The first crowd of connections takes its buffers, which the process keeps: that is no growth.
        crowd = Job(site.port, tokens, 10**6, seconds / 4, CLIENTS, refusable=True)
        await ground.generator.play(crowd)
        async with watched(site) as memory:
            played = await ground.generator.play(Job(site.port, tokens, 10**6, seconds, CLIENTS, refusable=True))
        after = await site.play(polls, times=1000, seconds=seconds / 2)
        return Overload(
            accepted=played.rate,
            refused=len(played.refused) / played.seconds,
            accepted_p99=played.percentile(99),
            refused_p99=percentile(played.refused, 99),
            before=before.rate,
            after=after.rate,
            memory=memory,
        )
