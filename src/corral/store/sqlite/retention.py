"""What is forgotten by age: found on the thread for lists, deleted in a short member of the writer's batch."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from corral.lifecycle.state import HOUR, Instant
from corral.store.retention import BY_SCHEDULE, IS_SPARE, Kind, Pruned
from corral.store.sqlite.connecting import Row, Sql
from corral.store.sqlite.database import Database
from corral.store.sqlite.writer import Write

WALKED_AT_ONCE = 200
"""Connections whose history is looked at in one piece."""
LOOKED_AT_ONCE = 1000
"""Rows of other tables that are looked at in one piece."""

Doomed: TypeAlias = list[tuple[str, Row]]
"""Statements, each with the key of a row to delete by it."""

_LIVES = "SELECT id FROM connection WHERE id > ? ORDER BY id LIMIT ?"
_OLD_RESULTS = (
    "SELECT id FROM result WHERE connection_id = ?1 AND received_at < ?2 ORDER BY connection_id, received_at LIMIT ?3"
)
_OLD_DELIVERIES = (
    "SELECT d.sequence FROM channel AS ch CROSS JOIN delivery AS d ON d.channel_id = ch.id"
    " WHERE ch.connection_id = ?1 AND d.state <> 'open' AND d.finished_at < ?2 LIMIT ?3"
)
_OLD_COLLECTED = (
    "SELECT d.sequence, r.id FROM channel AS ch CROSS JOIN delivery AS d ON d.channel_id = ch.id"
    " LEFT JOIN result AS r ON r.command_uuid = d.command_uuid AND r.channel_id = d.channel_id"
    f" WHERE ch.connection_id = ?1 AND d.finished_at < ?2 AND {IS_SPARE} LIMIT ?3"
)
_DELETE_RESULT = "DELETE FROM result WHERE id = ?"
_DELETE_DELIVERY = "DELETE FROM delivery WHERE sequence = ? AND state <> 'open'"

# Who is old enough is found by key; whether anything still refers to it is seen when it is deleted.
_COMMANDS = "SELECT uuid, created_at < ?2 FROM command WHERE uuid > ?1 ORDER BY uuid LIMIT ?3"
_COLLECTED_COMMANDS = (
    f"SELECT uuid, created_at < ?2 AND {BY_SCHEDULE} FROM command WHERE uuid > ?1 ORDER BY uuid LIMIT ?3"
)
_DELETE_COMMAND = (
    "DELETE FROM command WHERE uuid = ?1 AND NOT EXISTS (SELECT 1 FROM delivery WHERE command_uuid = ?1)"
    " AND NOT EXISTS (SELECT 1 FROM result WHERE command_uuid = ?1)"
)
_GRANTS = "SELECT id, expires_at < ?2 AND spent_at IS NULL FROM enroll_grant WHERE id > ?1 ORDER BY id LIMIT ?3"
_DELETE_GRANT = (
    "DELETE FROM enroll_grant AS g WHERE g.id = ? AND g.spent_at IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM certificate WHERE grant_id = g.id)"
    " AND NOT EXISTS (SELECT 1 FROM connection WHERE id = g.connection_id AND renewal_grant_id = g.id)"
)
_LINKS = "SELECT id, expires_at < ?2 AND revoked_at IS NULL FROM link WHERE id > ?1 ORDER BY id LIMIT ?3"
_IN_USE = (
    "SELECT DISTINCT link_id FROM enroll_grant WHERE spent_at IS NULL AND link_id IN (SELECT value FROM json_each(?))"
)
_DELETE_LINK = "DELETE FROM link WHERE id = ?"

# These are looked at by age alone, from the oldest on: whatever is older is deleted, and the next piece begins anew.
_OLDEST_EVENTS = "SELECT sequence, at < ?1 FROM event ORDER BY sequence LIMIT ?2"
_DELETE_EVENT = "DELETE FROM event WHERE sequence = ?"
_DELETE_PUSHES = "DELETE FROM push_log WHERE id IN (SELECT id FROM push_log WHERE at < ? ORDER BY at LIMIT ?)"
_DELETE_CHANGES = (
    "DELETE FROM inventory_change WHERE id IN (SELECT id FROM inventory_change WHERE at < ? ORDER BY at LIMIT ?)"
)
_DELETE_HOURS = (
    "DELETE FROM contact_hour WHERE (channel_id, hour) IN"
    " (SELECT channel_id, hour FROM contact_hour WHERE hour < ? ORDER BY hour LIMIT ?)"
)


class SqliteRetention:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def prune(self, kind: Kind, before: Instant, limit: int, after: str = "") -> Pruned:
        match kind:
            case Kind.RESULTS:
                return await self._found(lambda sql: _walk(sql, _history(sql, before), limit, after))
            case Kind.COLLECTED:
                return await self._found(lambda sql: _walk(sql, _collected(sql, before), limit, after))
            case Kind.COLLECTED_COMMANDS:
                return await self._found(
                    lambda sql: _by_key(sql, _COLLECTED_COMMANDS, _DELETE_COMMAND, before, limit, after)
                )
            case Kind.COMMANDS:
                return await self._found(lambda sql: _by_key(sql, _COMMANDS, _DELETE_COMMAND, before, limit, after))
            case Kind.GRANTS:
                return await self._found(lambda sql: _by_key(sql, _GRANTS, _DELETE_GRANT, before, limit, after))
            case Kind.LINKS:
                return await self._found(lambda sql: _links(sql, before, limit, after))
            case Kind.EVENTS:
                return await self._found(lambda sql: _events(sql, before, limit))
            case Kind.PUSHES:
                return await self._oldest(_DELETE_PUSHES, before, limit)
            case Kind.INVENTORY:
                return await self._oldest(_DELETE_CHANGES, before, limit)
            case Kind.CONTACT_HOURS:
                return await self._oldest(_DELETE_HOURS, before - before % HOUR, limit)

    async def _found(self, find: Callable[[Sql], tuple[Doomed, str | None]]) -> Pruned:
        doomed, after = await self._database.browse(find)
        if not doomed:
            return Pruned(0, after)
        return Pruned(await self._database.write(lambda write: _delete(write, doomed)), after)

    async def _oldest(self, statement: str, before: Instant, limit: int) -> Pruned:
        def delete(write: Write) -> int:
            write.sql.execute(statement, (before, limit))
            return write.sql.changes()

        rows = await self._database.write(delete)
        return Pruned(rows, "" if rows >= limit else None)


def _delete(write: Write, doomed: Doomed) -> int:
    rows = 0
    for statement, key in doomed:
        write.sql.execute(statement, key)
        rows += write.sql.changes()
    return rows


def _walk(sql: Sql, old: Callable[[str, int], Doomed], limit: int, after: str) -> tuple[Doomed, str | None]:
    """`old` finds up to so many of a life. One with more is come back to: what was deleted is gone by then."""
    lives = [row[0] for row in sql.execute(_LIVES, (after, WALKED_AT_ONCE))]
    doomed: Doomed = []
    for number, life in enumerate(lives):
        doomed += old(life, limit - len(doomed))
        if len(doomed) >= limit:
            return doomed, lives[number - 1] if number else after
    return doomed, None if len(lives) < WALKED_AT_ONCE else lives[-1]


def _history(sql: Sql, before: Instant) -> Callable[[str, int], Doomed]:
    def old(life: str, room: int) -> Doomed:
        results: Doomed = [(_DELETE_RESULT, row) for row in sql.execute(_OLD_RESULTS, (life, before, room))]
        deliveries = sql.execute(_OLD_DELIVERIES, (life, before, room - len(results)))
        return results + [(_DELETE_DELIVERY, row) for row in deliveries]

    return old


def _collected(sql: Sql, before: Instant) -> Callable[[str, int], Doomed]:
    def old(life: str, room: int) -> Doomed:
        found = sql.execute(_OLD_COLLECTED, (life, before, room)).fetchall()
        results: Doomed = [(_DELETE_RESULT, (result,)) for _, result in found if result is not None]
        return results + [(_DELETE_DELIVERY, (sequence,)) for sequence, _ in found]

    return old


def _by_key(sql: Sql, find: str, delete: str, before: Instant, limit: int, after: str) -> tuple[Doomed, str | None]:
    seen = sql.execute(find, (after, before, LOOKED_AT_ONCE)).fetchall()
    return _first(seen, limit, delete)


def _links(sql: Sql, before: Instant, limit: int, after: str) -> tuple[Doomed, str | None]:
    seen = sql.execute(_LINKS, (after, before, LOOKED_AT_ONCE)).fetchall()
    expired = msgspec.json.encode([row[0] for row in seen if row[1]]).decode()
    in_use = {row[0] for row in sql.execute(_IN_USE, (expired,))} if expired != "[]" else set[str]()
    return _first([(row[0], row[1] and row[0] not in in_use) for row in seen], limit, _DELETE_LINK)


def _first(seen: Sequence[Row], limit: int, delete: str) -> tuple[Doomed, str | None]:
    """Of keys, each with whether its row goes, the first `limit` that go; and where to look on."""
    doomed: Doomed = []
    for key, goes in seen:
        if goes:
            doomed.append((delete, (key,)))
        if len(doomed) >= limit:
            return doomed, key
    return doomed, seen[-1][0] if len(seen) >= LOOKED_AT_ONCE else None


def _events(sql: Sql, before: Instant, limit: int) -> tuple[Doomed, str | None]:
    seen = sql.execute(_OLDEST_EVENTS, (before, limit)).fetchall()
    doomed: Doomed = [(_DELETE_EVENT, (sequence,)) for sequence, old in seen if old]
    return doomed, "" if doomed and len(seen) == limit else None
