"""The outbox, read so that nothing is skipped that is committed late.

Numbers become visible in the order of the commits, not in their own. So a reader goes only as far as a number that was
given out at a moment since which every transaction has ended: whoever takes a number has a transaction id before (see
the table), so no lower number can appear any more.
"""

import asyncio

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant
from corral.store import rows
from corral.store.events import StoredEvent, TimelineEntry
from corral.store.postgres.database import Database, Write
from corral.store.postgres.putting import add_events
from corral.store.postgres.statements import select
from corral.store.postgres.timeline import read_timeline

# Two transactions, in this order: every one that has taken a number up to the last then has a lower id than ours. (The
# end of a snapshot would not do: it is next to the latest that has *ended*, and younger ones may be open.)
_LAST = "SELECT last_value FROM event_sequence_seq WHERE is_called"
_OURS = "SELECT pg_current_xact_id()::text::bigint"
_OLDEST = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_READ = select(
    "FROM event AS e WHERE e.sequence > $1 AND e.sequence <= $2 ORDER BY e.sequence LIMIT $3",
    e="sequence " + rows.EVENT,
)

_PAUSES = (0.002, 0.005, 0.01, 0.02, 0.04, 0.0)
"""Seconds after each look at whether older transactions have ended; most last a few milliseconds."""


class PostgresEvents:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._settled = 0

    async def append(self, events: tuple[Event, ...]) -> None:
        async def append(write: Write) -> None:
            await add_events(write.sql, events)

        if events:
            await self._database.write(append)

    async def read(self, after: int, limit: int) -> tuple[StoredEvent, ...]:
        settled = self._settled if after < self._settled else await self._settle(after)
        if settled <= after:
            return ()
        found = await self._database.all(_READ, after, settled, limit)
        if not found:
            settled = await self._settle(settled)
            found = await self._database.all(_READ, after, settled, limit)
        return tuple(StoredEvent(sequence=row[0], event=rows.event(row[1:])) for row in found)

    async def timeline(self, device_id: str, before: Instant, limit: int) -> tuple[TimelineEntry, ...]:
        return await self._database.read(lambda sql: read_timeline(sql, device_id, before, limit))

    async def _settle(self, after: int) -> int:
        """The number up to which nothing can appear any more, as far as that can be told now without a long wait."""
        row = await self._database.one(_LAST)
        last = row[0] if row is not None else 0
        if last <= after:
            return self._settled
        ours = await self._id(_OURS)
        for pause in _PAUSES:
            if await self._id(_OLDEST) >= ours:
                self._settled = max(self._settled, last)
                break
            await asyncio.sleep(pause)
        return self._settled

    async def _id(self, statement: str) -> int:
        row = await self._database.one(statement)
        assert row is not None
        return row[0]
