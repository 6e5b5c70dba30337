"""In-house apps."""

# ruff: noqa: S608 - statements are put together of column lists of this package; values are always bound

from corral.lifecycle.change import Event
from corral.store import app_rows as rows
from corral.store.apps import StoredApp
from corral.store.postgres.database import Database, Write
from corral.store.postgres.putting import add_events
from corral.store.postgres.statements import select

_COLUMNS = rows.APP.split()
_PLACES = ", ".join(f"${place}" for place in range(1, len(_COLUMNS) + 1))
_ADD = f"INSERT INTO app ({', '.join(_COLUMNS)}) VALUES ({_PLACES})"
_APPS = select("FROM app AS a WHERE a.id > $1 ORDER BY a.id LIMIT $2", a=rows.APP)
_FIND = select(
    "FROM app AS a WHERE a.id = $1 OR a.bundle_id = $1 ORDER BY a.id = $1 DESC, a.created_at DESC, a.id DESC LIMIT 1",
    a=rows.APP,
)
_REMOVE = "DELETE FROM app WHERE id = $1"


class PostgresApps:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, app: StoredApp, event: Event) -> None:
        async def add(write: Write) -> None:
            await write.sql.run(_ADD, *rows.app_row(app))
            await add_events(write, [event])

        await self._database.write(add)

    async def apps(self, after: str, limit: int) -> tuple[StoredApp, ...]:
        return tuple(map(rows.app, await self._database.all(_APPS, after, limit)))

    async def find(self, name: str) -> StoredApp | None:
        row = await self._database.one(_FIND, name)
        return None if row is None else rows.app(row)

    async def remove(self, app_id: str, event: Event) -> None:
        async def remove(write: Write) -> None:
            await write.sql.run(_REMOVE, app_id)
            await add_events(write, [event])

        await self._database.write(remove)
