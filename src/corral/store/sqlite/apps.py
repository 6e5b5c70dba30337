"""In-house apps."""

from corral.lifecycle.change import Event
from corral.store import app_rows as rows
from corral.store.apps import StoredApp
from corral.store.sqlite.applying import add_events
from corral.store.sqlite.database import Database
from corral.store.sqlite.statements import insert, select
from corral.store.sqlite.writer import Write

_ADD = insert("app", rows.APP)
_APPS = select("FROM app AS a WHERE a.id > ? ORDER BY a.id LIMIT ?", a=rows.APP)
_FIND = select(
    "FROM app AS a WHERE a.id = ?1 OR a.bundle_id = ?1 ORDER BY a.id = ?1 DESC, a.created_at DESC,"
    " a.rowid DESC LIMIT 1",
    a=rows.APP,
)
_REMOVE = "DELETE FROM app WHERE id = ?"


class SqliteApps:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, app: StoredApp, event: Event) -> None:
        def add(write: Write) -> None:
            write.sql.execute(_ADD, rows.app_row(app))
            add_events(write, (event,))

        await self._database.write(add)

    async def apps(self, after: str, limit: int) -> tuple[StoredApp, ...]:
        return tuple(map(rows.app, self._database.all(_APPS, (after, limit))))

    async def find(self, name: str) -> StoredApp | None:
        row = self._database.one(_FIND, (name,))
        return None if row is None else rows.app(row)

    async def remove(self, app_id: str, event: Event) -> None:
        def remove(write: Write) -> None:
            write.sql.execute(_REMOVE, (app_id,))
            add_events(write, (event,))

        await self._database.write(remove)
