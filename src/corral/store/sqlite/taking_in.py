"""Takes answers into the inventory, as a member of the writer's batch."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

from collections.abc import Sequence

import msgspec

from corral.store import inventory_rows as rows
from corral.store.inventory import Taken
from corral.store.sqlite.connecting import Sql
from corral.store.sqlite.statements import insert
from corral.store.sqlite.writer import Write

# Of a life that has just begun, and is not taken in itself, the answers stay for the next turn.
_ANSWERS = (
    "UPDATE delivery SET taken_in = 1 WHERE taken_in = 0 AND sequence IN (SELECT value FROM json_each(?))"
    " AND NOT EXISTS (SELECT 1 FROM channel AS ch CROSS JOIN connection AS co ON co.id = ch.connection_id"
    " WHERE ch.id = delivery.channel_id AND co.phase = 'connected' AND co.taken_in = 0) RETURNING sequence"
)
_ARRIVALS = (
    "UPDATE connection SET taken_in = 1 WHERE taken_in = 0 AND +phase = 'connected'"
    " AND id IN (SELECT value FROM json_each(?)) RETURNING id, device_id"
)
_FORMER = "DELETE FROM inventory WHERE device_id = ?"
_BEGIN = "INSERT INTO inventory (connection_id, device_id) VALUES (?, ?)"
_LIVES = (
    "SELECT v.id, v.connection_id, v.device_id FROM json_each(?) AS asked"
    " CROSS JOIN inventory AS v ON v.connection_id = asked.value"
)
_AMONG = "inventory_id IN (SELECT value FROM json_each(?))"
_REPORTS = f"SELECT inventory_id, report, user_id, asked_at, received_at, sha FROM inventory_report WHERE {_AMONG}"
_ATTRIBUTES = f"SELECT inventory_id, name, written FROM inventory_attribute WHERE {_AMONG}"
_ITEMS = (
    "SELECT h.inventory_id, h.user_id, i.sha, i.kind, i.identifier, i.label, i.fields FROM json_each(?) AS asked"
    " CROSS JOIN inventory_has AS h ON h.inventory_id = asked.value CROSS JOIN inventory_item AS i ON i.id = h.item_id"
)
_PUT_ATTRIBUTE = insert(
    "inventory_attribute",
    rows.ATTRIBUTE,
    "ON CONFLICT (inventory_id, name) DO UPDATE SET written = excluded.written, key = excluded.key",
)
_DROP_ATTRIBUTE = "DELETE FROM inventory_attribute WHERE inventory_id = ? AND name = ?"
_KNOWN_ITEM = "SELECT 1 FROM inventory_item WHERE sha = ?"
_NEW_ITEM = insert("inventory_item", rows.ITEM)
_NEW_KEY = (
    "INSERT INTO inventory_item_key (item_id, kind, name, key) SELECT id, ?2, ?3, ?4 FROM inventory_item WHERE sha = ?1"
)
_PUT_HAS = (
    "INSERT INTO inventory_has (inventory_id, kind, user_id, item_id)"
    " SELECT ?1, ?2, ?3, id FROM inventory_item WHERE sha = ?4"
)
_DROP_HAS = (
    "DELETE FROM inventory_has WHERE inventory_id = ? AND kind = ? AND user_id = ?"
    " AND item_id = (SELECT id FROM inventory_item WHERE sha = ?)"
)
_PUT_REPORT = insert(
    "inventory_report",
    rows.REPORT,
    "ON CONFLICT (inventory_id, report, user_id) DO UPDATE SET asked_at = excluded.asked_at,"
    " received_at = excluded.received_at, sha = excluded.sha",
)
_SAID_BEFORE = ", ".join(f"coalesce(?{number}, {name})" for number, name in enumerate(rows.SAID.split()[1:], 2))
_SAY = (
    f"UPDATE device SET ({', '.join(rows.SAID.split()[1:])}) = ({_SAID_BEFORE})"
    f" WHERE id = ?1 AND ({', '.join(rows.SAID.split()[1:])}) IS NOT ({_SAID_BEFORE})"
)
_CHANGE = insert("inventory_change", rows.CHANGE)


def take(write: Write, taken: Sequence[Taken]) -> int:
    """Returns how many changes that made."""
    sql = write.sql
    answers = [each.sequence for each in taken if each.sequence is not None]
    mine = {row[0] for row in sql.execute(_ANSWERS, (_json(answers),))}
    arrivals = [each.connection_id for each in taken if each.sequence is None]
    come = dict(sql.execute(_ARRIVALS, (_json(arrivals),)).fetchall())
    for connection_id, device_id in come.items():
        sql.execute(_FORMER, (device_id,))
        sql.execute(_BEGIN, (connection_id, device_id))
    taken = [each for each in taken if (each.connection_id in come if each.sequence is None else each.sequence in mine)]
    lives = _lives(sql, taken)
    writing = rows.take(lives, taken)
    _write(sql, writing)
    return len(writing.changes)


def _lives(sql: Sql, taken: Sequence[Taken]) -> dict[str, rows.Life]:
    wanted = _json(sorted({each.connection_id for each in taken}))
    found = {row[1]: rows.Life(*row) for row in sql.execute(_LIVES, (wanted,))}
    by_number = {life.number: life for life in found.values()}
    for number, report, user, *said in sql.execute(_REPORTS, (_json(list(by_number)),)):
        by_number[number].kept.reports[report, user] = rows.freshness(tuple(said))
    news = _json(rows.with_news(found, taken))
    for number, name, value in sql.execute(_ATTRIBUTES, (news,)):
        by_number[number].kept.attributes[name] = value
    for number, user, *item in sql.execute(_ITEMS, (news,)):
        kept = rows.item(tuple(item))
        by_number[number].kept.items[user, kept.sha] = kept
    return found


def _write(sql: Sql, writing: rows.Writing) -> None:
    sql.executemany(_DROP_ATTRIBUTE, writing.attributes_gone)
    sql.executemany(_PUT_ATTRIBUTE, writing.attributes)
    new = [each for each in writing.items.values() if sql.execute(_KNOWN_ITEM, (each.sha,)).fetchone() is None]
    sql.executemany(_NEW_ITEM, [rows.item_row(each) for each in new])
    sql.executemany(_NEW_KEY, rows.key_rows(new))
    sql.executemany(_DROP_HAS, writing.has_gone)
    sql.executemany(_PUT_HAS, writing.has)
    sql.executemany(_PUT_REPORT, writing.reports)
    sql.executemany(_CHANGE, writing.changes)
    sql.executemany(_SAY, writing.said)


def _json(values: Sequence[object]) -> str:
    return msgspec.json.encode(values).decode()
