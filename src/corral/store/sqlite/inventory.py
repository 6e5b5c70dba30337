"""The inventory of devices."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from corral.inventory.merging import Freshness
from corral.inventory.question import Question
from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.store import inventory_rows as rows
from corral.store.inventory import (
    TAKEN_IN,
    Answer,
    Arrival,
    DeviceInventory,
    DeviceRecord,
    ItemCount,
    OwnedItem,
    StoredChange,
    Taken,
    Waiting,
)
from corral.store.inventory_question import IN_ESCROW, LONGEST, SEEN, Asked, Dialect, Statement, fewest, probes
from corral.store.rows import DEVICE, device
from corral.store.sqlite.connecting import Sql
from corral.store.sqlite.database import Database
from corral.store.sqlite.statements import select
from corral.store.sqlite.taking_in import take
from corral.store.sqlite.writer import Write

DIALECT = Dialect(
    place=lambda number: f"?{number}",
    one_of="{0} IN (SELECT value FROM json_each({1}))",
    bind=lambda keys: msgspec.json.encode(keys).decode(),
    contains="instr({0}, {1}) > 0",
    aside="+{0}",
    before_slash="substr({0}, 1, instr({0} || '/', '/') - 1)",
)

_TYPES = ", ".join(f"'{each}'" for each in TAKEN_IN)
_DELIVERIES = (
    "delivery INDEXED BY delivery_not_taken_in"
    f" WHERE state = 'acknowledged' AND taken_in = 0 AND request_type IN ({_TYPES})"
)
# By name: another index would lead through all that was taken in already, each time that somebody looks.
_ARRIVALS = select(
    "FROM connection AS c INDEXED BY connection_not_taken_in CROSS JOIN device AS d ON d.id = c.device_id"
    " WHERE c.phase = 'connected' AND c.taken_in = 0 LIMIT ?",
    c="id",
    d=DEVICE,
)
_ANSWERS = (
    "SELECT d.sequence, d.channel_id, ch.connection_id, d.command_uuid, d.request_type, d.queued_at,"
    " coalesce(r.received_at, d.finished_at), co.body, r.body, r.unreadable"
    f" FROM (SELECT * FROM {_DELIVERIES} ORDER BY sequence LIMIT ?) AS d"
    " JOIN channel AS ch ON ch.id = d.channel_id JOIN command AS co ON co.uuid = d.command_uuid"
    " LEFT JOIN result AS r ON r.command_uuid = d.command_uuid AND r.channel_id = d.channel_id ORDER BY d.sequence"
)
_WAITING = f"SELECT count(*), min(finished_at) FROM {_DELIVERIES}"
_ESCROWED = ", ".join(IN_ESCROW.format(each.escrow) for each in rows.ESCROWED)
_RECORDS = (
    f"SELECT v.id, v.device_id, c.id, c.phase, c.connected_at, {SEEN}, {_ESCROWED} FROM json_each(?) AS asked"
    " CROSS JOIN inventory AS v ON v.device_id = asked.value CROSS JOIN connection AS c ON c.id = v.connection_id"
    " ORDER BY v.device_id"
)
_ATTRIBUTES = (
    "SELECT a.inventory_id, a.name, a.written FROM json_each(?) AS asked"
    " CROSS JOIN inventory_attribute AS a ON a.inventory_id = asked.value"
)
_TOLD = (
    "SELECT r.inventory_id, r.report, r.received_at FROM json_each(?) AS asked"
    " CROSS JOIN inventory_report AS r ON r.inventory_id = asked.value AND r.user_id = ''"
)
_ITEMS = select(
    "FROM inventory_has AS h JOIN inventory_item AS i ON i.id = h.item_id WHERE h.inventory_id = ?"
    " ORDER BY h.kind, i.identifier, i.label, h.user_id",
    h="user_id",
    i=rows.ITEM,
)
_REPORTS = "SELECT report, user_id, asked_at, received_at, sha FROM inventory_report WHERE inventory_id = ?"
_OF_DEVICE = select(
    "FROM inventory_change AS h WHERE device_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3", h="id " + rows.CHANGE
)
_OF_ALL = select("FROM inventory_change AS h WHERE id < ?1 ORDER BY id DESC LIMIT ?2", h="id " + rows.CHANGE)
_COUNTED = (
    f"SELECT {', '.join('i.' + name for name in rows.ITEM.split())}, i.id,"
    " (SELECT count(DISTINCT h.inventory_id) FROM inventory_has AS h JOIN inventory AS v ON v.id = h.inventory_id"
    " JOIN connection AS c ON c.id = v.connection_id WHERE h.item_id = i.id AND c.phase <> 'ended') AS devices"
    " FROM inventory_item AS i WHERE i.kind = ?1 AND i.id > ?2 AND (?3 IS NULL OR i.identifier = ?3)"
    " AND devices > 0 ORDER BY i.id LIMIT ?4"
)
_FRESHNESS = (
    "SELECT v.connection_id, r.report, r.asked_at, r.received_at, r.sha FROM json_each(?) AS asked"
    " CROSS JOIN inventory AS v ON v.connection_id = asked.value"
    " CROSS JOIN inventory_report AS r ON r.inventory_id = v.id AND r.user_id = ''"
)
_UNUSED = (
    "SELECT id FROM inventory_item AS i WHERE NOT EXISTS (SELECT 1 FROM inventory_has WHERE item_id = i.id) LIMIT ?"
)
_DELETE_UNUSED = (
    "DELETE FROM inventory_item WHERE id IN (SELECT value FROM json_each(?))"
    " AND NOT EXISTS (SELECT 1 FROM inventory_has WHERE item_id = inventory_item.id)"
)
_LAST = 2**62


class SqliteInventory:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def arrivals(self, limit: int) -> tuple[Arrival, ...]:
        found = self._database.all(_ARRIVALS, (limit,))
        return tuple(Arrival(connection_id=row[0], device=device(row[1:])) for row in found)

    async def answers(self, limit: int) -> tuple[Answer, ...]:
        def read(sql: Sql) -> tuple[Answer, ...]:
            return tuple(rows.answer(row, self._sealer) for row in sql.execute(_ANSWERS, (limit,)))

        return await self._database.browse(read)

    async def take(self, taken: Sequence[Taken], now: Instant) -> int:
        del now
        return await self._database.write(lambda write: take(write, taken))

    async def waiting(self) -> Waiting:
        row = self._database.one(_WAITING)
        assert row is not None
        return Waiting(answers=row[0], oldest=row[1])

    async def select(
        self, question: Question, now: Instant, *, after: str, limit: int, ended: bool = False
    ) -> tuple[str, ...]:
        def read(sql: Sql) -> tuple[str, ...]:
            asked = _asked(sql, question, now, ended=ended)
            until = _first(sql, asked.horizon(after)) if asked.in_turn else None
            found = [row[0] for row in sql.execute(*asked.page(after, limit, until))]
            if until is not None and len(found) < limit:
                found += [row[0] for row in sql.execute(*asked.rest(until, limit - len(found)))]
            return tuple(found)

        return await self._database.ponder(read, LONGEST)

    async def count(self, question: Question, now: Instant, *, ended: bool = False) -> int:
        def read(sql: Sql) -> int:
            return _first(sql, _asked(sql, question, now, ended=ended).count()) or 0

        return await self._database.ponder(read, LONGEST)

    async def records(self, device_ids: Sequence[str]) -> tuple[DeviceRecord, ...]:
        return await self._database.browse(lambda sql: tuple(each for _, each in _records(sql, device_ids)))

    async def show(self, device_id: str) -> DeviceInventory | None:
        def read(sql: Sql) -> DeviceInventory | None:
            found = _records(sql, [device_id])
            if not found:
                return None
            ((number, record),) = found
            return DeviceInventory(
                record=record,
                items=tuple(
                    OwnedItem(user_id=user, item=rows.item(tuple(item)))
                    for user, *item in sql.execute(_ITEMS, (number,))
                ),
                reports={
                    (report, user): rows.freshness(tuple(said))
                    for report, user, *said in sql.execute(_REPORTS, (number,))
                },
            )

        return await self._database.browse(read)

    async def history(self, device_id: str | None, before: int | None, limit: int) -> tuple[StoredChange, ...]:
        last = _LAST if before is None else before
        statement, values = (_OF_ALL, (last, limit)) if device_id is None else (_OF_DEVICE, (device_id, last, limit))
        found = await self._database.browse(lambda sql: sql.execute(statement, values).fetchall())
        return tuple(map(rows.change, found))

    async def items(self, kind: str, identifier: str | None, after: int, limit: int) -> tuple[ItemCount, ...]:
        values = kind, after, identifier, limit
        found = await self._database.browse(lambda sql: sql.execute(_COUNTED, values).fetchall())
        return tuple(ItemCount(item=rows.item(row[:5]), number=row[5], devices=row[6]) for row in found)

    async def freshness(self, connection_ids: Sequence[str]) -> Mapping[str, Mapping[str, Freshness]]:
        def read(sql: Sql) -> Mapping[str, Mapping[str, Freshness]]:
            return rows.by_life(sql.execute(_FRESHNESS, (_json(list(connection_ids)),)))

        return await self._database.browse(read)

    async def forget_unused(self, now: Instant, limit: int) -> int:
        """They are looked for on the thread for lists, which may take a while, and deleted by their numbers."""
        del now
        found = await self._database.browse(lambda sql: sql.execute(_UNUSED, (limit,)).fetchall())
        if not found:
            return 0

        def delete(write: Write) -> int:
            write.sql.execute(_DELETE_UNUSED, (_json([row[0] for row in found]),))
            return write.sql.changes()

        return await self._database.write(delete)


def _asked(sql: Sql, question: Question, now: Instant, *, ended: bool) -> Asked:
    counted = [(term, _first(sql, statement) or 0) for term, statement in probes(question, DIALECT, now)]
    return Asked(question=question, first=fewest(counted), dialect=DIALECT, now=now, ended=ended)


def _first(sql: Sql, statement: Statement) -> Any:
    """The first value of the first row, if there is one."""
    row = sql.execute(*statement).fetchone()
    return None if row is None else row[0]


def _records(sql: Sql, device_ids: Sequence[str]) -> list[tuple[int, DeviceRecord]]:
    found = sql.execute(_RECORDS, (_json(list(device_ids)),)).fetchall()
    attributes: dict[int, dict[str, str]] = {row[0]: {} for row in found}
    for number, name, value in sql.execute(_ATTRIBUTES, (_json(list(attributes)),)):
        attributes[number][name] = value
    for number, report, at in sql.execute(_TOLD, (_json(list(attributes)),)):
        rows.put_told(attributes[number], report, at)
    return [(row[0], rows.record(row[1:], attributes[row[0]])) for row in found]


def _json(values: Sequence[object]) -> str:
    return msgspec.json.encode(values).decode()
