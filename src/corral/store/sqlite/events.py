"""The outbox. One writer gives out the numbers inside its transactions, so their order is that of the commits: a
reader that has seen a number has seen every lower one that will ever be.
"""

from collections.abc import Mapping, Sequence

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant
from corral.store import rows
from corral.store.events import Place, StoredEvent, TimelineEntry, search
from corral.store.sqlite.applying import add_events
from corral.store.sqlite.database import Database
from corral.store.sqlite.statements import any_of, select
from corral.store.sqlite.timeline import read_timeline

_SOME = select("FROM event AS e WHERE e.sequence IN ", e="sequence " + rows.EVENT)
_LAST = "SELECT seq FROM sqlite_sequence WHERE name = 'event'"  # also where all of them have been forgotten
_AT = "SELECT sequence, at FROM event WHERE sequence >= ? ORDER BY sequence LIMIT 1"
_READ_DEVICE = select(
    "FROM event AS e WHERE e.device_id = ? AND e.sequence > ? ORDER BY e.sequence LIMIT ?", e="sequence " + rows.EVENT
)
_READ = select("FROM event AS e WHERE e.sequence > ? ORDER BY e.sequence LIMIT ?", e="sequence " + rows.EVENT)


class SqliteEvents:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, events: tuple[Event, ...]) -> None:
        if events:
            await self._database.write(lambda write: add_events(write, events))

    async def read(self, after: int, limit: int, device_id: str | None = None) -> tuple[StoredEvent, ...]:
        statement, values = _READ, (after, limit)
        if device_id is not None:
            statement, values = _READ_DEVICE, (device_id, after, limit)
        found = await self._database.browse(lambda sql: sql.execute(statement, values).fetchall())
        return tuple(StoredEvent(sequence=row[0], event=rows.event(row[1:])) for row in found)

    async def some(self, sequences: Sequence[int]) -> Mapping[int, StoredEvent]:
        wanted = tuple(sequences)
        if not wanted:
            return {}
        found = self._database.all(_SOME + any_of(len(wanted)), wanted)
        return {row[0]: StoredEvent(sequence=row[0], event=rows.event(row[1:])) for row in found}

    async def last(self) -> int:
        row = self._database.one(_LAST)
        return row[0] if row is not None else 0

    async def last_before(self, at: Instant) -> int:
        async def look(sequence: int) -> tuple[int, Instant] | None:
            row = self._database.one(_AT, (sequence,))
            return None if row is None else (row[0], row[1])

        return await search(look, await self.last(), at)

    async def timeline(self, device_id: str, before: Place, limit: int) -> tuple[TimelineEntry, ...]:
        return await self._database.browse(lambda sql: read_timeline(sql, device_id, before, limit))
