"""The audit trail. Whoever holds the head's row links; it is let go with the transaction, so also by who is killed."""

from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.store import audit_rows as rows
from corral.store.audit import Audited, AuditEntry, AuditQuery, End, Ends, Linked
from corral.store.errors import StoreUnavailable
from corral.store.postgres.connecting import Session
from corral.store.postgres.database import Database, Write
from corral.store.postgres.statements import insert, select, transposed

_ADD = insert("audit", rows.ENTRY)
_WAITING = select("FROM audit AS a WHERE a.place IS NULL ORDER BY a.sequence LIMIT $1", a="sequence " + rows.ENTRY)
_PLACE = (
    "UPDATE audit AS t SET place = a.place, link = a.link"
    " FROM unnest($1::bigint[], $2::bytea[], $3::bigint[]) AS a (place, link, sequence) WHERE t.sequence = a.sequence"
)
_LINKED = select("FROM audit AS a WHERE a.place > $1 ORDER BY a.place LIMIT $2", a="place link " + rows.ENTRY)
_ANY = "SELECT 1 FROM audit WHERE place IS NULL LIMIT 1"
_COUNT = "SELECT count(*) FROM audit WHERE place IS NULL"
_END = "SELECT value FROM audit_end WHERE name = $1"
_HOLD = _END + " FOR UPDATE SKIP LOCKED"
_PUT_END = "UPDATE audit_end SET value = $2 WHERE name = $1"
_OLDEST = "SELECT place, link, at FROM audit WHERE place > $1 ORDER BY place LIMIT $2"
_DELETE = "DELETE FROM audit WHERE place <= $1"


class PostgresAudit:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def note(self, entry: AuditEntry) -> None:
        await self._database.write(lambda write: write.sql.run(_ADD, *transposed([rows.entry_row(entry)])))

    async def read(self, query: AuditQuery) -> tuple[Audited, ...]:
        conditions = rows.conditions(query)
        where = "".join(f" AND {text.format(f'${place}')}" for place, (text, _) in enumerate(conditions, 1))
        statement = select(
            f"FROM audit AS a WHERE TRUE{where} ORDER BY a.sequence DESC LIMIT ${len(conditions) + 1}", a=rows.AUDITED
        )
        found = await self._database.all(statement, *(value for _, value in conditions), query.limit)
        return tuple(map(rows.audited, found))

    async def chain(self, limit: int) -> int:
        if await self._database.one(_ANY) is None:
            return 0

        async def chain(write: Write) -> int:
            held = await write.sql.one(_HOLD, rows.HEAD)
            if held is None:
                return 0
            head = rows.open_end(held[0], rows.HEAD, self._sealer)
            if head is None:
                raise StoreUnavailable(rows.BROKEN_HEAD)
            after, placed = rows.extend(head, await write.sql.all(_WAITING, limit))
            if placed:
                await write.sql.run(_PLACE, *transposed(placed))
                await self._put_end(write, rows.HEAD, after)
            return len(placed)

        return await self._database.write(chain)

    async def linked(self, after: int, limit: int) -> tuple[Linked, ...]:
        return tuple(map(rows.linked, await self._database.all(_LINKED, after, limit)))

    async def ends(self) -> Ends:
        async def read(sql: Session) -> Ends:
            count = await sql.one(_COUNT)
            return Ends(
                await self._end(sql, rows.ANCHOR), await self._end(sql, rows.HEAD), count[0] if count is not None else 0
            )

        return await self._database.read(read)

    async def forget(self, before: Instant, limit: int) -> int:
        async def forget(write: Write) -> int:
            held = await write.sql.one(_HOLD, rows.ANCHOR)
            if held is None:
                return 0
            anchor = rows.open_end(held[0], rows.ANCHOR, self._sealer)
            if anchor is None:
                raise StoreUnavailable(rows.BROKEN_HEAD)
            last = rows.last_old(anchor, await write.sql.all(_OLDEST, anchor.place, limit), before)
            if last == anchor:
                return 0
            deleted = await write.sql.run(_DELETE, last.place)
            await self._put_end(write, rows.ANCHOR, last)
            return deleted

        return await self._database.write(forget)

    async def _end(self, sql: Session, name: str) -> End | None:
        row = await sql.one(_END, name)
        return rows.open_end(row[0] if row is not None else b"", name, self._sealer)

    async def _put_end(self, write: Write, name: str, end: End) -> None:
        await write.sql.run(_PUT_END, name, rows.seal_end(end, name, self._sealer))
