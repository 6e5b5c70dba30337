"""The audit trail."""

from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.store import audit_rows as rows
from corral.store.audit import Audited, AuditEntry, AuditQuery, End, Ends, Linked
from corral.store.errors import StoreUnavailable
from corral.store.sqlite.connecting import Sql
from corral.store.sqlite.database import Database
from corral.store.sqlite.statements import insert, select
from corral.store.sqlite.writer import Write

_ADD = insert("audit", rows.ENTRY)
_WAITING = select("FROM audit AS a WHERE a.place IS NULL ORDER BY a.sequence LIMIT ?", a="sequence " + rows.ENTRY)
_PLACE = "UPDATE audit SET place = ?, link = ? WHERE sequence = ?"
_LINKED = select("FROM audit AS a WHERE a.place > ? ORDER BY a.place LIMIT ?", a="place link " + rows.ENTRY)
_COUNT = "SELECT count(*) FROM audit WHERE place IS NULL"
_END = "SELECT value FROM audit_end WHERE name = ?"
_PUT_END = "INSERT INTO audit_end (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_OLDEST = "SELECT place, link, at FROM audit WHERE place > ? ORDER BY place LIMIT ?"
_DELETE = "DELETE FROM audit WHERE place <= ?"


class SqliteAudit:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def note(self, entry: AuditEntry) -> None:
        await self._database.write(lambda write: write.sql.execute(_ADD, rows.entry_row(entry)) and None)

    async def read(self, query: AuditQuery) -> tuple[Audited, ...]:
        conditions = rows.conditions(query)
        where = "".join(f" AND {text.format('?')}" for text, _ in conditions)
        statement = select(f"FROM audit AS a WHERE TRUE{where} ORDER BY a.sequence DESC LIMIT ?", a=rows.AUDITED)
        values = (*(value for _, value in conditions), query.limit)
        found = await self._database.browse(lambda sql: sql.execute(statement, values).fetchall())
        return tuple(map(rows.audited, found))

    async def chain(self, limit: int) -> int:
        if self._database.one("SELECT 1 FROM audit WHERE place IS NULL LIMIT 1") is None:
            return 0

        def chain(write: Write) -> int:
            head = self._end(write.sql, rows.HEAD)
            if head is None:
                raise StoreUnavailable(rows.BROKEN_HEAD)
            after, placed = rows.extend(head, write.sql.execute(_WAITING, (limit,)).fetchall())
            write.sql.executemany(_PLACE, placed)
            self._put_end(write, rows.HEAD, after)
            return len(placed)

        return await self._database.write(chain)

    async def linked(self, after: int, limit: int) -> tuple[Linked, ...]:
        found = await self._database.browse(lambda sql: sql.execute(_LINKED, (after, limit)).fetchall())
        return tuple(map(rows.linked, found))

    async def ends(self) -> Ends:
        def read(sql: Sql) -> Ends:
            count = sql.execute(_COUNT).fetchone()
            return Ends(self._end(sql, rows.ANCHOR), self._end(sql, rows.HEAD), count[0] if count else 0)

        return self._database.read(read)

    async def forget(self, before: Instant, limit: int) -> int:
        def forget(write: Write) -> int:
            anchor = self._end(write.sql, rows.ANCHOR)
            if anchor is None:
                raise StoreUnavailable(rows.BROKEN_HEAD)
            last = rows.last_old(anchor, write.sql.execute(_OLDEST, (anchor.place, limit)).fetchall(), before)
            if last == anchor:
                return 0
            write.sql.execute(_DELETE, (last.place,))
            deleted = write.sql.changes()
            self._put_end(write, rows.ANCHOR, last)
            return deleted

        return await self._database.write(forget)

    def _end(self, sql: Sql, name: str) -> End | None:
        row = sql.execute(_END, (name,)).fetchone()
        return rows.open_end(row[0] if row is not None else b"", name, self._sealer)

    def _put_end(self, write: Write, name: str, end: End) -> None:
        write.sql.execute(_PUT_END, (name, rows.seal_end(end, name, self._sealer)))
