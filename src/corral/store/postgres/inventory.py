"""The inventory of devices."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

from collections.abc import Mapping, Sequence
from typing import Any

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
from corral.store.postgres.connecting import Session
from corral.store.postgres.database import Database
from corral.store.postgres.pondering import Pondering
from corral.store.postgres.statements import select
from corral.store.postgres.taking_in import take
from corral.store.rows import DEVICE, device

DIALECT = Dialect(
    place=lambda number: f"${number}",
    one_of="{0} = ANY ({1}::text[])",
    bind=lambda keys: keys,
    contains="strpos({0}, {1}) > 0",
    aside="{0}",
    before_slash="split_part({0}, '/', 1)",
)

_TYPES = ", ".join(f"'{each}'" for each in TAKEN_IN)
_NOT_TAKEN_IN = f"state = 'acknowledged' AND NOT taken_in AND request_type IN ({_TYPES})"
# Both in the order of the index that has nothing else: any other way leads through all that was taken in already.
_ARRIVALS = select(
    "FROM (SELECT id, device_id FROM connection WHERE phase = 'connected' AND NOT taken_in ORDER BY connected_at"
    " LIMIT $1) AS c JOIN device AS d ON d.id = c.device_id",
    c="id",
    d=DEVICE,
)
_ANSWERS = (
    "SELECT d.sequence, d.channel_id, ch.connection_id, d.command_uuid, d.request_type, d.queued_at,"
    " coalesce(r.received_at, d.finished_at), co.body, r.body, r.unreadable"
    f" FROM (SELECT * FROM delivery WHERE {_NOT_TAKEN_IN} ORDER BY sequence LIMIT $1) AS d"
    " JOIN channel AS ch ON ch.id = d.channel_id JOIN command AS co ON co.uuid = d.command_uuid"
    " LEFT JOIN result AS r ON r.command_uuid = d.command_uuid AND r.channel_id = d.channel_id ORDER BY d.sequence"
)
_WAITING = f"SELECT count(*), min(finished_at) FROM delivery WHERE {_NOT_TAKEN_IN}"
_ESCROWED = ", ".join(IN_ESCROW.format(each.escrow) for each in rows.ESCROWED)
_RECORDS = (
    f"SELECT v.id, v.device_id, c.id, c.phase, c.connected_at, {SEEN}, {_ESCROWED} FROM inventory AS v"
    " JOIN connection AS c ON c.id = v.connection_id WHERE v.device_id = ANY ($1::text[]) ORDER BY v.device_id"
)
_ATTRIBUTES = "SELECT inventory_id, name, written FROM inventory_attribute WHERE inventory_id = ANY ($1::bigint[])"
_TOLD = (
    "SELECT inventory_id, report, received_at FROM inventory_report"
    " WHERE inventory_id = ANY ($1::bigint[]) AND user_id = ''"
)
_ITEMS = select(
    "FROM inventory_has AS h JOIN inventory_item AS i ON i.id = h.item_id WHERE h.inventory_id = $1"
    " ORDER BY h.kind, i.identifier, i.label, h.user_id",
    h="user_id",
    i=rows.ITEM,
)
_REPORTS = "SELECT report, user_id, asked_at, received_at, sha FROM inventory_report WHERE inventory_id = $1"
_HISTORY = select("FROM inventory_change AS h WHERE {0}id < $1 ORDER BY id DESC LIMIT $2", h="id " + rows.CHANGE)
_OF_ALL, _OF_DEVICE = _HISTORY.format(""), _HISTORY.format("device_id = $3 AND ")
_COUNTED = (
    f"SELECT {', '.join('i.' + name for name in rows.ITEM.split())}, i.id, n.devices FROM inventory_item AS i"
    " CROSS JOIN LATERAL (SELECT count(DISTINCT h.inventory_id) AS devices FROM inventory_has AS h"
    " JOIN inventory AS v ON v.id = h.inventory_id JOIN connection AS c ON c.id = v.connection_id"
    " WHERE h.item_id = i.id AND c.phase <> 'ended') AS n"
    " WHERE i.kind = $1 AND i.id > $2 AND ($3::text IS NULL OR i.identifier = $3) AND n.devices > 0"
    " ORDER BY i.id LIMIT $4"
)
_FRESHNESS = (
    "SELECT v.connection_id, r.report, r.asked_at, r.received_at, r.sha FROM inventory AS v"
    " JOIN inventory_report AS r ON r.inventory_id = v.id AND r.user_id = '' WHERE v.connection_id = ANY ($1::text[])"
)
_UNUSED = (
    "DELETE FROM inventory_item WHERE id = ANY (ARRAY (SELECT i.id FROM inventory_item AS i"
    " WHERE NOT EXISTS (SELECT 1 FROM inventory_has WHERE item_id = i.id) LIMIT $1 FOR UPDATE OF i SKIP LOCKED))"
)
_LAST = 2**62


class PostgresInventory:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._pondering = Pondering(database)
        self._sealer = sealer

    async def arrivals(self, limit: int) -> tuple[Arrival, ...]:
        found = await self._database.all(_ARRIVALS, limit)
        return tuple(Arrival(connection_id=row[0], device=device(tuple(row)[1:])) for row in found)

    async def answers(self, limit: int) -> tuple[Answer, ...]:
        return tuple(rows.answer(tuple(row), self._sealer) for row in await self._database.all(_ANSWERS, limit))

    async def take(self, taken: Sequence[Taken], now: Instant) -> int:
        del now
        return await self._database.write(lambda write: take(write, taken))

    async def waiting(self) -> Waiting:
        row = await self._database.one(_WAITING)
        assert row is not None
        return Waiting(answers=row[0], oldest=row[1])

    async def select(
        self, question: Question, now: Instant, *, after: str, limit: int, ended: bool = False
    ) -> tuple[str, ...]:
        async def read(sql: Session) -> tuple[str, ...]:
            asked = await _asked(sql, question, now, ended=ended)
            until = await _first(sql, asked.horizon(after)) if asked.in_turn else None
            found = await _ids(sql, asked.page(after, limit, until))
            if until is not None and len(found) < limit:
                found += await _ids(sql, asked.rest(until, limit - len(found)))
            return tuple(found)

        return await self._pondering.ponder(read, LONGEST)

    async def count(self, question: Question, now: Instant, *, ended: bool = False) -> int:
        async def read(sql: Session) -> int:
            asked = await _asked(sql, question, now, ended=ended)
            return await _first(sql, asked.count()) or 0

        return await self._pondering.ponder(read, LONGEST)

    async def records(self, device_ids: Sequence[str]) -> tuple[DeviceRecord, ...]:
        found = await self._database.read(lambda sql: _records(sql, device_ids))
        return tuple(each for _, each in found)

    async def show(self, device_id: str) -> DeviceInventory | None:
        async def read(sql: Session) -> DeviceInventory | None:
            found = await _records(sql, [device_id])
            if not found:
                return None
            ((number, record),) = found
            return DeviceInventory(
                record=record,
                items=tuple(
                    [
                        OwnedItem(user_id=user, item=rows.item(tuple(item)))
                        for user, *item in await sql.all(_ITEMS, number)
                    ]
                ),
                reports={
                    (report, user): rows.freshness(tuple(said))
                    for report, user, *said in await sql.all(_REPORTS, number)
                },
            )

        return await self._database.read(read)

    async def history(self, device_id: str | None, before: int | None, limit: int) -> tuple[StoredChange, ...]:
        last = _LAST if before is None else before
        if device_id is None:
            found = await self._database.all(_OF_ALL, last, limit)
        else:
            found = await self._database.all(_OF_DEVICE, last, limit, device_id)
        return tuple(map(rows.change, found))

    async def items(self, kind: str, identifier: str | None, after: int, limit: int) -> tuple[ItemCount, ...]:
        found = await self._database.all(_COUNTED, kind, after, identifier, limit)
        return tuple(ItemCount(item=rows.item(tuple(row)[:5]), number=row[5], devices=row[6]) for row in found)

    async def freshness(self, connection_ids: Sequence[str]) -> Mapping[str, Mapping[str, Freshness]]:
        return rows.by_life(await self._database.all(_FRESHNESS, list(connection_ids)))

    async def forget_unused(self, now: Instant, limit: int) -> int:
        del now
        return await self._database.write(lambda write: write.sql.run(_UNUSED, limit), durably=False)


async def _asked(sql: Session, question: Question, now: Instant, *, ended: bool) -> Asked:
    counted = [(term, await _first(sql, statement) or 0) for term, statement in probes(question, DIALECT, now)]
    return Asked(question=question, first=fewest(counted), dialect=DIALECT, now=now, ended=ended)


async def _ids(sql: Session, statement: Statement) -> list[str]:
    text, values = statement
    return [row[0] for row in await sql.all(text, *values)]


async def _first(sql: Session, statement: Statement) -> Any:
    """The first value of the first row, if there is one."""
    text, values = statement
    row = await sql.one(text, *values)
    return None if row is None else row[0]


async def _records(sql: Session, device_ids: Sequence[str]) -> list[tuple[int, DeviceRecord]]:
    found = await sql.all(_RECORDS, list(device_ids))
    attributes: dict[int, dict[str, str]] = {row[0]: {} for row in found}
    for number, name, value in await sql.all(_ATTRIBUTES, list(attributes)):
        attributes[number][name] = value
    for number, report, at in await sql.all(_TOLD, list(attributes)):
        rows.put_told(attributes[number], report, at)
    return [(row[0], rows.record(tuple(row)[1:], attributes[row[0]])) for row in found]
