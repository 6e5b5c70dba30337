"""Takes answers into the inventory, in one transaction."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

from collections.abc import Sequence

from corral.store import inventory_rows as rows
from corral.store.inventory import Taken
from corral.store.postgres.connecting import Session
from corral.store.postgres.database import Write
from corral.store.postgres.statements import arrays, insert, transposed

# Of a life that has just begun, and is not taken in itself, the answers stay for the next turn.
_ANSWERS = (
    "UPDATE delivery SET taken_in = true WHERE sequence = ANY ($1::bigint[]) AND NOT taken_in"
    " AND NOT EXISTS (SELECT 1 FROM channel AS ch JOIN connection AS co ON co.id = ch.connection_id"
    " WHERE ch.id = delivery.channel_id AND co.phase = 'connected' AND NOT co.taken_in) RETURNING sequence"
)
_ARRIVALS = (
    "UPDATE connection SET taken_in = true WHERE id = ANY ($1::text[]) AND NOT taken_in AND phase = 'connected'"
    " RETURNING id, device_id"
)
_FORMER = "DELETE FROM inventory WHERE device_id = ANY ($1::text[])"
_BEGIN = insert("inventory", "connection_id device_id")
# Locked, so that neither the device is forgotten nor another life takes its place meanwhile.
_LIVES = (
    "SELECT id, connection_id, device_id FROM inventory WHERE connection_id = ANY ($1::text[]) ORDER BY id FOR UPDATE"
)
_REPORTS = (
    "SELECT inventory_id, report, user_id, asked_at, received_at, sha FROM inventory_report"
    " WHERE inventory_id = ANY ($1::bigint[])"
)
_ATTRIBUTES = "SELECT inventory_id, name, written FROM inventory_attribute WHERE inventory_id = ANY ($1::bigint[])"
_ITEMS = (
    "SELECT h.inventory_id, h.user_id, i.sha, i.kind, i.identifier, i.label, i.fields FROM inventory_has AS h"
    " JOIN inventory_item AS i ON i.id = h.item_id WHERE h.inventory_id = ANY ($1::bigint[])"
)
_PUT_ATTRIBUTES = insert(
    "inventory_attribute",
    rows.ATTRIBUTE,
    "ON CONFLICT (inventory_id, name) DO UPDATE SET written = excluded.written, key = excluded.key",
)
_DROP_ATTRIBUTES = (
    f"DELETE FROM inventory_attribute AS i USING {arrays('inventory_id name')}"
    " WHERE i.inventory_id = a.inventory_id AND i.name = a.name"
)
# The row is held until the commit: nobody can forget it as unused before it is used.
_KNOWN_ITEMS = "SELECT sha FROM inventory_item WHERE sha = ANY ($1::text[]) ORDER BY id FOR KEY SHARE"
_NEW_ITEMS = insert("inventory_item", rows.ITEM, "ON CONFLICT DO NOTHING")
_NEW_KEYS = (
    "INSERT INTO inventory_item_key (item_id, kind, name, key) SELECT i.id, a.kind, a.name, a.key"
    f" FROM {arrays(rows.ITEM_KEY)} JOIN inventory_item AS i ON i.sha = a.sha ON CONFLICT DO NOTHING"
)
_PUT_HAS = (
    "INSERT INTO inventory_has (inventory_id, kind, user_id, item_id) SELECT a.inventory_id, a.kind, a.user_id, i.id"
    f" FROM {arrays(rows.HAS)} JOIN inventory_item AS i ON i.sha = a.sha ON CONFLICT DO NOTHING"
)
_DROP_HAS = (
    f"DELETE FROM inventory_has AS h USING {arrays(rows.HAS)}, inventory_item AS i WHERE i.sha = a.sha"
    " AND h.inventory_id = a.inventory_id AND h.kind = a.kind AND h.user_id = a.user_id AND h.item_id = i.id"
)
_PUT_REPORTS = insert(
    "inventory_report",
    rows.REPORT,
    "ON CONFLICT (inventory_id, report, user_id) DO UPDATE SET asked_at = excluded.asked_at,"
    " received_at = excluded.received_at, sha = excluded.sha",
)
_COLUMNS = rows.SAID.split()[1:]
_SAID = ", ".join(f"coalesce(a.{name}, d.{name})" for name in _COLUMNS)
_SAY = (
    f"UPDATE device AS d SET ({', '.join(_COLUMNS)}) = ROW ({_SAID}) FROM {arrays(rows.SAID)} WHERE d.id = a.id"
    f" AND ({', '.join('d.' + name for name in _COLUMNS)}) IS DISTINCT FROM ({_SAID})"
)
_CHANGES = insert("inventory_change", rows.CHANGE)


async def take(write: Write, taken: Sequence[Taken]) -> int:
    """Returns how many changes that made."""
    sql = write.sql
    answers = sorted(each.sequence for each in taken if each.sequence is not None)
    mine = {row[0] for row in await sql.all(_ANSWERS, answers)} if answers else set[int]()
    arrivals = sorted(each.connection_id for each in taken if each.sequence is None)
    come: dict[str, str] = {row[0]: row[1] for row in await sql.all(_ARRIVALS, arrivals)} if arrivals else {}
    if come:
        await sql.run(_FORMER, sorted(come.values()))
        await sql.run(_BEGIN, *transposed(sorted(come.items())))
    taken = [each for each in taken if (each.connection_id in come if each.sequence is None else each.sequence in mine)]
    lives = await _lives(sql, taken)
    writing = rows.take(lives, taken)
    await _write(sql, writing)
    return len(writing.changes)


async def _lives(sql: Session, taken: Sequence[Taken]) -> dict[str, rows.Life]:
    wanted = sorted({each.connection_id for each in taken})
    found = {row[1]: rows.Life(*row) for row in await sql.all(_LIVES, wanted)}
    by_number = {life.number: life for life in found.values()}
    for number, report, user, *said in await sql.all(_REPORTS, sorted(by_number)):
        by_number[number].kept.reports[report, user] = rows.freshness(tuple(said))
    news = rows.with_news(found, taken)
    if news:
        for number, name, value in await sql.all(_ATTRIBUTES, news):
            by_number[number].kept.attributes[name] = value
        for number, user, *item in await sql.all(_ITEMS, news):
            kept = rows.item(tuple(item))
            by_number[number].kept.items[user, kept.sha] = kept
    return found


async def _write(sql: Session, writing: rows.Writing) -> None:
    known = {row[0] for row in await sql.all(_KNOWN_ITEMS, sorted(writing.items))} if writing.items else set[str]()
    new = [each for sha, each in sorted(writing.items.items()) if sha not in known]
    for statement, several in (
        (_DROP_ATTRIBUTES, writing.attributes_gone),
        (_PUT_ATTRIBUTES, writing.attributes),
        (_NEW_ITEMS, [rows.item_row(each) for each in new]),
        (_NEW_KEYS, rows.key_rows(new)),
        (_DROP_HAS, writing.has_gone),
        (_PUT_HAS, writing.has),
        (_PUT_REPORTS, writing.reports),
        (_CHANGES, writing.changes),
        (_SAY, writing.said),
    ):
        if several:
            await sql.run(statement, *transposed(several))
