"""What is forgotten by age. Rows that somebody holds are passed over: nothing waits for this, and it for nothing."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

from corral.lifecycle.state import HOUR, Instant
from corral.store.postgres.connecting import Session
from corral.store.postgres.database import Database
from corral.store.retention import BY_SCHEDULE, IS_SPARE, Kind, Pruned
from corral.store.rows import Row

WALKED_AT_ONCE = 200
"""Connections whose history is looked at in one piece."""
LOOKED_AT_ONCE = 1000
"""Rows of other tables that are looked at in one piece."""

_LIVES = "SELECT id FROM connection WHERE id > $1 ORDER BY id LIMIT $2"
_OLD_RESULTS = (
    "SELECT life.id, r.command_uuid, r.channel_id FROM unnest($1::text[]) WITH ORDINALITY AS life (id, place)"
    " CROSS JOIN LATERAL (SELECT command_uuid, channel_id FROM result"
    " WHERE connection_id = life.id AND received_at < $2 ORDER BY received_at LIMIT $3) AS r"
    " ORDER BY life.place LIMIT $3"
)
_OLD_DELIVERIES = (
    "SELECT life.id, d.sequence FROM unnest($1::text[]) WITH ORDINALITY AS life (id, place)"
    " CROSS JOIN LATERAL (SELECT delivery.sequence FROM channel JOIN delivery ON delivery.channel_id = channel.id"
    " WHERE channel.connection_id = life.id AND delivery.state <> 'open' AND delivery.finished_at < $2 LIMIT $3) AS d"
    " ORDER BY life.place LIMIT $3"
)
_OLD_COLLECTED = (
    "SELECT life.id, d.sequence, d.command_uuid, d.channel_id"
    " FROM unnest($1::text[]) WITH ORDINALITY AS life (id, place) CROSS JOIN LATERAL"
    " (SELECT d.sequence, d.command_uuid, d.channel_id FROM channel JOIN delivery AS d ON d.channel_id = channel.id"
    f" WHERE channel.connection_id = life.id AND d.finished_at < $2 AND {IS_SPARE} LIMIT $3) AS d"
    " ORDER BY life.place LIMIT $3"
)
_DELETE_RESULTS = (
    "DELETE FROM result WHERE ctid = ANY (ARRAY (SELECT r.ctid"
    " FROM unnest($1::text[], $2::text[]) AS old (uuid, channel)"
    " JOIN result AS r ON r.command_uuid = old.uuid AND r.channel_id = old.channel FOR UPDATE OF r SKIP LOCKED))"
)
_DELETE_DELIVERIES = (
    "DELETE FROM delivery WHERE ctid = ANY (ARRAY (SELECT ctid FROM delivery"
    " WHERE sequence = ANY ($1::bigint[]) AND state <> 'open' FOR UPDATE SKIP LOCKED))"
)

# Who is old enough is found by key; whether anything still refers to it is seen when it is deleted. (As one question
# over many rows it would be answered by reading all deliveries.)
_COMMANDS = "SELECT uuid, created_at < $2 FROM command WHERE uuid > $1 ORDER BY uuid LIMIT $3"
_COLLECTED_COMMANDS = (
    f"SELECT uuid, created_at < $2 AND {BY_SCHEDULE} FROM command WHERE uuid > $1 ORDER BY uuid LIMIT $3"
)
_DELETE_COMMANDS = (
    "DELETE FROM command WHERE ctid = ANY (ARRAY (SELECT c.ctid FROM command AS c WHERE c.uuid = ANY ($1::text[])"
    " AND NOT EXISTS (SELECT 1 FROM delivery WHERE command_uuid = c.uuid)"
    " AND NOT EXISTS (SELECT 1 FROM result WHERE command_uuid = c.uuid) FOR UPDATE OF c SKIP LOCKED))"
)
_GRANTS = "SELECT id, expires_at < $2 AND spent_at IS NULL FROM enroll_grant WHERE id > $1 ORDER BY id LIMIT $3"
_DELETE_GRANTS = (
    "DELETE FROM enroll_grant WHERE ctid = ANY (ARRAY (SELECT g.ctid FROM enroll_grant AS g"
    " WHERE g.id = ANY ($1::text[]) AND g.spent_at IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM certificate WHERE grant_id = g.id)"
    " AND NOT EXISTS (SELECT 1 FROM connection WHERE id = g.connection_id AND renewal_grant_id = g.id)"
    " FOR UPDATE OF g SKIP LOCKED))"
)
_LINKS = "SELECT l.id, l.expires_at < $2 AND l.revoked_at IS NULL FROM link AS l WHERE l.id > $1 ORDER BY l.id LIMIT $3"
_IN_USE = "SELECT DISTINCT link_id FROM enroll_grant WHERE spent_at IS NULL AND link_id = ANY ($1::text[])"
_DELETE_LINKS = (
    "DELETE FROM link WHERE ctid = ANY (ARRAY (SELECT ctid FROM link WHERE id = ANY ($1::text[])"
    " AND revoked_at IS NULL FOR UPDATE SKIP LOCKED))"
)

# These are looked at by age alone, from the oldest on: whatever is older is deleted, and the next piece begins anew.
_DELETE_EVENTS = (
    "DELETE FROM event WHERE ctid = ANY (ARRAY (SELECT ctid FROM"
    " (SELECT ctid, at FROM event ORDER BY sequence LIMIT $2) AS oldest WHERE at < $1))"
)
_DELETE_PUSHES = (
    "DELETE FROM push_log WHERE ctid = ANY (ARRAY (SELECT ctid FROM push_log WHERE at < $1 ORDER BY at LIMIT $2"
    " FOR UPDATE SKIP LOCKED))"
)
_DELETE_CHANGES = (
    "DELETE FROM inventory_change WHERE ctid = ANY (ARRAY (SELECT ctid FROM inventory_change WHERE at < $1 ORDER BY at"
    " LIMIT $2 FOR UPDATE SKIP LOCKED))"
)
_DELETE_HOURS = (
    "DELETE FROM contact_hour WHERE ctid = ANY (ARRAY (SELECT ctid FROM contact_hour WHERE hour < $1"
    " ORDER BY hour LIMIT $2 FOR UPDATE SKIP LOCKED))"
)


class PostgresRetention:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def prune(self, kind: Kind, before: Instant, limit: int, after: str = "") -> Pruned:
        match kind:
            case Kind.RESULTS:
                return await self._history(before, limit, after)
            case Kind.COLLECTED:
                return await self._collected(before, limit, after)
            case Kind.COLLECTED_COMMANDS:
                return await self._by_key(_COLLECTED_COMMANDS, _DELETE_COMMANDS, before, limit, after)
            case Kind.COMMANDS:
                return await self._by_key(_COMMANDS, _DELETE_COMMANDS, before, limit, after)
            case Kind.GRANTS:
                return await self._by_key(_GRANTS, _DELETE_GRANTS, before, limit, after)
            case Kind.LINKS:
                return await self._links(before, limit, after)
            case Kind.EVENTS:
                rows = await self._run(_DELETE_EVENTS, before, limit)
                return Pruned(rows, "" if rows else None)
            case Kind.PUSHES:
                return await self._oldest(_DELETE_PUSHES, before, limit)
            case Kind.INVENTORY:
                return await self._oldest(_DELETE_CHANGES, before, limit)
            case Kind.CONTACT_HOURS:
                return await self._oldest(_DELETE_HOURS, before - before % HOUR, limit)

    async def _history(self, before: Instant, limit: int, after: str) -> Pruned:
        """A life with more than fits is come back to: what was deleted is gone by then."""

        async def find(sql: Session) -> tuple[list[str], list[Row], list[Row]]:
            lives = [row[0] for row in await sql.all(_LIVES, after, WALKED_AT_ONCE)]
            results = await sql.all(_OLD_RESULTS, lives, before, limit)
            return lives, results, await sql.all(_OLD_DELIVERIES, lives, before, limit)

        lives, results, deliveries = await self._database.read(find)
        rows = await self._delete([(row[1], row[2]) for row in results], [row[1] for row in deliveries])
        unfinished = [found[-1][0] for found in (results, deliveries) if len(found) >= limit]
        return Pruned(rows, _place(lives, unfinished, after))

    async def _collected(self, before: Instant, limit: int, after: str) -> Pruned:
        async def find(sql: Session) -> tuple[list[str], list[Row]]:
            lives = [row[0] for row in await sql.all(_LIVES, after, WALKED_AT_ONCE)]
            return lives, await sql.all(_OLD_COLLECTED, lives, before, limit)

        lives, found = await self._database.read(find)
        rows = await self._delete([(row[2], row[3]) for row in found], [row[1] for row in found])
        return Pruned(rows, _place(lives, [found[-1][0]] if len(found) >= limit else [], after))

    async def _delete(self, results: list[tuple[str, str]], deliveries: list[int]) -> int:
        """Results by command and channel, deliveries by number."""
        rows = 0
        if results:
            rows += await self._run(_DELETE_RESULTS, [uuid for uuid, _ in results], [channel for _, channel in results])
        if deliveries:
            rows += await self._run(_DELETE_DELIVERIES, deliveries)
        return rows

    async def _by_key(self, find: str, delete: str, before: Instant, limit: int, after: str) -> Pruned:
        seen = await self._database.all(find, after, before, LOOKED_AT_ONCE)
        return await self._first([(row[0], row[1]) for row in seen], limit, delete)

    async def _links(self, before: Instant, limit: int, after: str) -> Pruned:
        seen = await self._database.all(_LINKS, after, before, LOOKED_AT_ONCE)
        expired = [row[0] for row in seen if row[1]]
        in_use = {row[0] for row in await self._database.all(_IN_USE, expired)} if expired else set[str]()
        return await self._first([(row[0], row[1] and row[0] not in in_use) for row in seen], limit, _DELETE_LINKS)

    async def _first(self, seen: list[tuple[str, bool]], limit: int, delete: str) -> Pruned:
        """Of keys, each with whether its row goes, the first `limit` that go."""
        keys = [key for key, goes in seen if goes][:limit]
        rows = await self._run(delete, keys) if keys else 0
        if len(keys) >= limit:
            return Pruned(rows, keys[-1])
        return Pruned(rows, seen[-1][0] if len(seen) >= LOOKED_AT_ONCE else None)

    async def _oldest(self, statement: str, before: Instant, limit: int) -> Pruned:
        rows = await self._run(statement, before, limit)
        return Pruned(rows, "" if rows >= limit else None)

    async def _run(self, statement: str, *values: object) -> int:
        """Nobody waits for it, so neither does it wait for the disk."""
        return await self._database.write(lambda write: write.sql.run(statement, *values), durably=False)


def _place(lives: list[str], unfinished: list[str], after: str) -> str | None:
    """Where to look on: behind all of these lives, or before the first with more than was found."""
    if unfinished:
        place = min(map(lives.index, unfinished))
        return lives[place - 1] if place else after
    return lives[-1] if len(lives) >= WALKED_AT_ONCE else None
