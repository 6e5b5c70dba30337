"""The command queue as people steer it."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

from collections.abc import Sequence

from corral.lifecycle.change import Event
from corral.lifecycle.state import FOREVER, Consequence, DeliveryState, Instant
from corral.lifecycle.trace import MOST_FOLLOWED
from corral.sealing import Sealer
from corral.store import rows
from corral.store.bodies import open_command, seal_command
from corral.store.postgres.database import Database, Write, opening
from corral.store.postgres.exchanging import PUT_WORK_AGAIN
from corral.store.postgres.putting import HOLD_COMMAND, PUSH, PUSH_LATER, add_events
from corral.store.postgres.statements import looked_up, select
from corral.store.queue import CommandRecord, QueuedCommand, StoredResult
from corral.store.records import command_record, stored_result, told
from corral.store.rows import Row

_KEPT = f"('{Consequence.RENEWAL.value}', '{Consequence.REMOVE_PROFILE.value}')"
"""What the life cycle itself has queued: nobody may take it out of the queue."""

AT_ONCE = 2_000
"""Channels in one statement: memory stays flat however large a fleet is, and no answer holds devices up for long."""

_ENQUEUE = (
    "WITH target AS MATERIALIZED (SELECT ch.id, a.n FROM unnest($1::text[]) WITH ORDINALITY AS a (id, n) CROSS JOIN "
    + looked_up("channel", "id connection_id", "id = a.id AND ended_at IS NULL", "ch", "FOR KEY SHARE")
    + " CROSS JOIN "
    + looked_up("connection", "id", "id = ch.connection_id AND phase IN ('connected', 'ending')", "co")
    + " WHERE $13::bigint IS NULL OR NOT EXISTS (SELECT 1 FROM delivery AS o WHERE o.channel_id = a.id"
    " AND o.state = 'open' AND o.request_type = $3 AND o.priority <= $13)), given AS ("
    "INSERT INTO command (uuid, request_type, created_at, created_by, body)"
    " SELECT $2, $3, $8::bigint, $10, $11::bytea WHERE EXISTS (SELECT 1 FROM target) " + HOLD_COMMAND + "), new AS ("
    "INSERT INTO delivery (channel_id, command_uuid, request_type, consequence, state, priority, not_before,"
    " expires_at, queued_at, trace) SELECT id, $2, $3, $4, 'open', $5::bigint, $6::bigint, $7::bigint, $8::bigint,"
    f" CASE WHEN n <= {MOST_FOLLOWED} THEN $12::text END FROM target ORDER BY n"
    " ON CONFLICT DO NOTHING RETURNING channel_id"
    "), superseded AS ("
    "UPDATE delivery AS d SET state = 'superseded', finished_at = $8 FROM new"
    " WHERE $9 AND d.channel_id = new.channel_id AND d.state = 'open' AND d.request_type = $3"
    " AND d.command_uuid <> $2 AND d.consequence NOT IN " + _KEPT + ")"
    " SELECT t.id, new.channel_id IS NOT NULL FROM target AS t LEFT JOIN new ON new.channel_id = t.id ORDER BY t.n"
)
"""The channels that there are, and whether it is new to them: only there it supersedes, and is pushed."""
_PUT_PUSHES = (
    "INSERT INTO work (kind, key, due_at, free_at, attempts)"
    " SELECT $1, a.key, $2::bigint, $2::bigint, 0 FROM unnest($3::text[]) AS a (key) " + PUT_WORK_AGAIN
)
_FOUND = (
    "SELECT d.sequence, d.command_uuid, d.request_type, d.channel_id, co.id, co.device_id FROM delivery AS d"
    " JOIN channel AS ch ON ch.id = d.channel_id JOIN connection AS co ON co.id = ch.connection_id"
    " WHERE d.state = 'open'"
)
_LOCKED = " ORDER BY d.channel_id, d.command_uuid FOR NO KEY UPDATE OF d"
_OF_COMMAND = (
    _FOUND
    + " AND d.command_uuid = $1 AND ($2::text IS NULL OR d.channel_id = $2) AND d.consequence NOT IN "
    + _KEPT
    + _LOCKED
)
_OF_CONNECTION = _FOUND + " AND ch.connection_id = $1 AND d.consequence = 'plain'" + _LOCKED
_OVERDUE = (
    _FOUND
    + f" AND d.expires_at <= $1 AND d.expires_at < {FOREVER} ORDER BY d.expires_at LIMIT $2"
    + " FOR NO KEY UPDATE OF d SKIP LOCKED"
)
_CLOSE = "UPDATE delivery SET state = $1, finished_at = $2 WHERE sequence = ANY ($3::bigint[])"
_CHOSEN = "SELECT q.sequence FROM delivery AS q WHERE TRUE{where} ORDER BY q.sequence DESC LIMIT {limit}"
"""First of all which ones, by what the indexes have: joined to all that belongs to them, the open ones of a fleet took
half a second."""
_LIST = (
    "FROM ({chosen}) AS chosen JOIN delivery AS d ON d.sequence = chosen.sequence"
    " JOIN channel AS ch ON ch.id = d.channel_id JOIN connection AS co ON co.id = ch.connection_id"
    " JOIN command AS c ON c.uuid = d.command_uuid"
    " LEFT JOIN result AS r ON r.command_uuid = d.command_uuid AND r.channel_id = d.channel_id"
    " ORDER BY d.sequence DESC"
)
_OF_DEVICE = (
    "q.channel_id IN (SELECT ch.id FROM connection AS co JOIN channel AS ch ON ch.connection_id = co.id"
    " WHERE co.device_id = {0})"
)
_RESULTS = (
    "SELECT channel_id, command_uuid, status, body, received_at, unreadable FROM result"
    " WHERE command_uuid = $1 AND ($2::text IS NULL OR channel_id = $2) ORDER BY id"
)
_RECENT = (
    "SELECT r.channel_id, r.command_uuid, r.status, r.body, r.received_at, r.unreadable"
    " FROM unnest($1::text[]) AS a (id) CROSS JOIN LATERAL (SELECT command_uuid FROM delivery"
    " WHERE channel_id = a.id AND request_type = $2 AND state = 'acknowledged'"
    " ORDER BY finished_at DESC, sequence DESC LIMIT $3) AS d CROSS JOIN LATERAL (SELECT * FROM result"
    " WHERE command_uuid = d.command_uuid AND channel_id = a.id OFFSET 0) AS r"
    " ORDER BY r.received_at DESC, r.id DESC"
)


class PostgresQueue:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def enqueue(
        self, command: QueuedCommand, channel_ids: Sequence[str], events: tuple[Event, ...] = ()
    ) -> tuple[str, ...]:
        wanted = list(dict.fromkeys(channel_ids))
        sealed = seal_command(command.body, command.uuid, self._sealer)

        async def enqueue(write: Write) -> tuple[str, ...]:
            queued, new = await put_in_queue(write, command, sealed, wanted)
            await push_for(write, command, new)
            if queued:
                await add_events(write, events)
            return tuple(queued)

        return await self._database.write(enqueue)

    async def cancel(self, command_uuid: str, channel_id: str | None, event: Event, now: Instant) -> int:
        async def cancel(write: Write) -> int:
            found = await write.sql.all(_OF_COMMAND, command_uuid, channel_id)
            await _close(write, found, DeliveryState.CANCELLED, now)
            await add_events(write, [told(event, row) for row in found])
            return len(found)

        return await self._database.write(cancel)

    async def clear(self, connection_id: str, event: Event, now: Instant) -> int:
        async def clear(write: Write) -> int:
            found = await write.sql.all(_OF_CONNECTION, connection_id)
            await _close(write, found, DeliveryState.CANCELLED, now)
            if found:
                await add_events(write, [event])
            return len(found)

        return await self._database.write(clear)

    async def list(
        self,
        *,
        device_id: str | None,
        command_uuid: str | None,
        state: DeliveryState | None,
        before: int | None,
        limit: int,
    ) -> tuple[CommandRecord, ...]:
        conditions = (
            (_OF_DEVICE, device_id),
            ("q.command_uuid = {0}", command_uuid),
            ("q.state = {0}", state),
            ("q.sequence < {0}", before),
        )
        asked = [(text, value) for text, value in conditions if value is not None]
        where = "".join(f" AND {text.format(f'${place}')}" for place, (text, _) in enumerate(asked, 1))
        statement = select(
            _LIST.format(chosen=_CHOSEN.format(where=where, limit=f"${len(asked) + 1}")),
            d=rows.DELIVERY + " delivered_at attempts finished_at",
            co="device_id id",
            c="created_at created_by",
            r="status unreadable",
        )
        found = await self._database.all(statement, *(value for _, value in asked), limit)
        return tuple(command_record(row) for row in found)

    async def command_body(self, command_uuid: str) -> bytes | None:
        row = await self._database.one("SELECT body FROM command WHERE uuid = $1", command_uuid)
        with opening():
            return None if row is None else open_command(row[0], command_uuid, self._sealer)

    async def results(self, command_uuid: str, channel_id: str | None) -> tuple[StoredResult, ...]:
        found = await self._database.all(_RESULTS, command_uuid, channel_id)
        with opening():
            return tuple(stored_result(row, self._sealer) for row in found)

    async def recent(self, request_type: str, channel_ids: Sequence[str], each: int = 1) -> tuple[StoredResult, ...]:
        found = await self._database.all(_RECENT, list(channel_ids), request_type, each)
        with opening():
            return tuple(stored_result(row, self._sealer) for row in found)

    async def expire(self, now: Instant, limit: int) -> int:
        async def expire(write: Write) -> int:
            found = await write.sql.all(_OVERDUE, now, limit)
            await _close(write, found, DeliveryState.EXPIRED, now)
            await add_events(write, [told(Event(type="command.expired", at=now), row) for row in found])
            return len(found)

        return await self._database.write(expire)


async def put_in_queue(
    write: Write, command: QueuedCommand, sealed: bytes, channel_ids: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The channels that were reached, and those of them that it is new to, which are yet to be pushed."""
    queued: list[str] = []
    new: list[str] = []
    for start in range(0, len(channel_ids), AT_ONCE):
        trace = command.trace if start == 0 else None  # the first are followed
        some = list(channel_ids[start : start + AT_ONCE])
        for channel_id, is_new in await _enqueue(write, command, sealed, some, trace):
            queued.append(channel_id)
            if is_new:
                new.append(channel_id)
    return queued, new


async def _enqueue(
    write: Write, command: QueuedCommand, sealed: bytes, channel_ids: list[str], trace: str | None
) -> list[Row]:
    return await write.sql.all(
        _ENQUEUE,
        channel_ids,
        command.uuid,
        command.request_type,
        command.consequence,
        command.priority,
        command.not_before,
        command.expires_at,
        command.created_at,
        command.replaces_like,
        command.created_by,
        sealed,
        trace,
        command.unless_open,
    )


async def push_for(write: Write, command: QueuedCommand, channel_ids: list[str]) -> None:
    """Last of all: the rows of work are those that commits of devices may want meanwhile."""
    later = command.not_before > command.created_at
    kind, due_at = (PUSH_LATER, command.not_before) if later else (PUSH, command.created_at)
    channel_ids.sort()
    for start in range(0, len(channel_ids), AT_ONCE):
        await write.sql.run(_PUT_PUSHES, kind, due_at, channel_ids[start : start + AT_ONCE])
    write.woken.add(kind)


async def _close(write: Write, found: Sequence[Row], state: DeliveryState, now: Instant) -> None:
    if found:
        await write.sql.run(_CLOSE, state, now, [row[0] for row in found])
