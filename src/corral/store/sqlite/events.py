"""The outbox. One writer gives out the numbers inside its transactions, so their order is that of the commits: a
reader that has seen a number has seen every lower one that will ever be.
"""

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant
from corral.store import rows
from corral.store.events import StoredEvent, TimelineEntry
from corral.store.sqlite.applying import add_events
from corral.store.sqlite.database import Database
from corral.store.sqlite.statements import select
from corral.store.sqlite.timeline import read_timeline

_READ = select("FROM event AS e WHERE e.sequence > ? ORDER BY e.sequence LIMIT ?", e="sequence " + rows.EVENT)


class SqliteEvents:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, events: tuple[Event, ...]) -> None:
        if events:
            await self._database.write(lambda write: add_events(write, events))

    async def read(self, after: int, limit: int) -> tuple[StoredEvent, ...]:
        found = await self._database.browse(lambda sql: sql.execute(_READ, (after, limit)).fetchall())
        return tuple(StoredEvent(sequence=row[0], event=rows.event(row[1:])) for row in found)

    async def timeline(self, device_id: str, before: Instant, limit: int) -> tuple[TimelineEntry, ...]:
        return await self._database.browse(lambda sql: read_timeline(sql, device_id, before, limit))
