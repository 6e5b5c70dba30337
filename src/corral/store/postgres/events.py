"""The outbox, read so that nothing is skipped that is committed late.

Numbers become visible in the order of the commits, not in their own. So a reader goes only as far as a number that was
given out at a moment since which every transaction has ended: whoever takes a number has a transaction id before (see
the table), so no lower number can appear any more.
"""

import asyncio
from collections.abc import Mapping, Sequence

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant
from corral.store import rows
from corral.store.events import Place, StoredEvent, TimelineEntry, search
from corral.store.postgres.database import Database, Write
from corral.store.postgres.putting import add_events
from corral.store.postgres.statements import select
from corral.store.postgres.timeline import read_timeline

# Two transactions, in this order: every one that has taken a number up to the last then has a lower id than ours. (The
# end of a snapshot would not do: it is next to the latest that has *ended*, and younger ones may be open.)
_LAST = "SELECT last_value FROM event_sequence_seq WHERE is_called"
_OURS = "SELECT pg_current_xact_id()::text::bigint"
_OLDEST = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_READ_DEVICE = select(
    "FROM event AS e WHERE e.device_id = $4 AND e.sequence > $1 AND e.sequence <= $2 ORDER BY e.sequence LIMIT $3",
    e="sequence " + rows.EVENT,
)
_SOME = select("FROM event AS e WHERE e.sequence = ANY ($1::bigint[])", e="sequence " + rows.EVENT)
_AT = "SELECT sequence, at FROM event WHERE sequence >= $1 ORDER BY sequence LIMIT 1"
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
            await add_events(write, events)

        if events:
            await self._database.write(append)

    async def read(self, after: int, limit: int, device_id: str | None = None) -> tuple[StoredEvent, ...]:
        settled = self._settled if after < self._settled else await self._settle(after)
        if settled <= after:
            return ()
        statement, device = (_READ, ()) if device_id is None else (_READ_DEVICE, (device_id,))
        found = await self._database.all(statement, after, settled, limit, *device)
        if not found:
            settled = await self._settle(settled)
            found = await self._database.all(statement, after, settled, limit, *device)
        return tuple(StoredEvent(sequence=row[0], event=rows.event(row[1:])) for row in found)

    async def some(self, sequences: Sequence[int]) -> Mapping[int, StoredEvent]:
        found = await self._database.all(_SOME, list(sequences)) if sequences else []
        return {row[0]: StoredEvent(sequence=row[0], event=rows.event(row[1:])) for row in found}

    async def last(self) -> int:
        return await self._settle(self._settled)

    async def last_before(self, at: Instant) -> int:
        async def look(sequence: int) -> tuple[int, Instant] | None:
            row = await self._database.one(_AT, sequence)
            return None if row is None else (row[0], row[1])

        return await search(look, await self.last(), at)

    async def timeline(self, device_id: str, before: Place, limit: int) -> tuple[TimelineEntry, ...]:
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
