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

# Two statements, in this order: every transaction that has taken one of the numbers up to the last is then older than
# the end of the snapshot.
_LAST = "SELECT last_value FROM event_sequence_seq WHERE is_called"
_OPEN = "SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint FROM pg_current_snapshot() AS s"
_READ = select(
    "FROM event AS e WHERE e.sequence > $1 AND e.sequence <= $2 ORDER BY e.sequence LIMIT $3",
    e="sequence " + rows.EVENT,
)

_PAUSES = (0.002, 0.005, 0.01, 0.02, 0.04)
"""Seconds between looks at whether older transactions have ended; most last a few milliseconds."""


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
        oldest, end = await self._snapshot()
        for pause in _PAUSES:
            if oldest >= end:
                break
            await asyncio.sleep(pause)
            oldest, _ = await self._snapshot()
        if oldest >= end:
            self._settled = max(self._settled, last)
        return self._settled

    async def _snapshot(self) -> tuple[int, int]:
        """The oldest transaction that is still open, and the first that had not begun."""
        row = await self._database.one(_OPEN)
        assert row is not None
        return row[0], row[1]
