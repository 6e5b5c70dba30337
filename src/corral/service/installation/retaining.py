"""What is kept for how long, and the rounds in which the rest is forgotten."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from corral.lifecycle.state import DAY, Instant
from corral.logs import lines
from corral.service.clock import Clock
from corral.store.retention import Kind, RetentionStore

AT_ONCE = 200
"""Rows in one piece: a few milliseconds of the database."""
PIECES = 200
"""At most so many in a round, over all kinds."""
REST = 0.05
"""Seconds between two pieces, in which everybody else has the database to themselves."""


Forget: TypeAlias = Callable[[Instant, int], Awaitable[int]]
"""Deletes up to so many rows whose own time is over by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How long, in milliseconds; None keeps for ever. Grants and links count from their expiry.

    `results` is of results, finished deliveries and their commands alike, `collected` of those that the schedule of the
    inventory has asked for.
    """

    results: Instant | None = 90 * DAY
    collected: Instant | None = 3 * DAY
    events: Instant | None = 180 * DAY
    pushes: Instant | None = 30 * DAY
    contact_hours: Instant | None = 30 * DAY
    inventory: Instant | None = 365 * DAY
    grants: Instant | None = 30 * DAY

    def spans(self) -> Mapping[Kind, Instant]:
        """What is pruned at all; commands come after what refers to them, links after their grants."""
        wanted = {
            Kind.RESULTS: self.results,
            Kind.COLLECTED: self.collected,
            Kind.COMMANDS: self.results,
            Kind.COLLECTED_COMMANDS: self.collected,
            Kind.EVENTS: self.events,
            Kind.PUSHES: self.pushes,
            Kind.CONTACT_HOURS: self.contact_hours,
            Kind.INVENTORY: self.inventory,
            Kind.GRANTS: self.grants,
            Kind.LINKS: self.grants,
        }
        return {kind: span for kind, span in wanted.items() if span is not None}


class Retaining:
    """`round` is called every few minutes. What one round leaves over the next goes on with, where this one stopped.

    Any number of processes may do it at the same time.
    """

    def __init__(
        self,
        store: RetentionStore,
        keep: Keep,
        clock: Clock,
        *,
        forget: Sequence[Forget] = (),
        rest: float = REST,
    ) -> None:
        self._forget = forget
        self._store = store
        self._keep = keep
        self._clock = clock
        self._rest = rest
        self._places: dict[Kind, str] = {}

    async def round(self) -> None:
        """A piece of each kind in turn, until all are through or the round has had its pieces."""
        now, pieces = self._clock(), 0
        waiting = dict(self._keep.spans())
        gone = dict.fromkeys(waiting, 0)
        for forget in self._forget:
            await forget(now, AT_ONCE)
        while waiting and pieces < PIECES:
            for kind, span in list(waiting.items()):
                pruned = await self._store.prune(kind, now - span, AT_ONCE, self._places.get(kind, ""))
                gone[kind] += pruned.rows
                pieces += 1
                self._places[kind] = pruned.after or ""
                if pruned.after is None:
                    del waiting[kind]
                await asyncio.sleep(self._rest)
        if any(gone.values()):
            rows = {kind.value.replace("-", "_"): count for kind, count in gone.items() if count}
            lines.pruned(rows=rows)
