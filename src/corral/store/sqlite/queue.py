"""The command queue as people steer it."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

from collections.abc import Sequence

import msgspec

from corral.lifecycle.change import Event
from corral.lifecycle.state import Consequence, DeliveryState, Instant
from corral.lifecycle.trace import MOST_FOLLOWED
from corral.sealing import Sealer
from corral.store import rows
from corral.store.bodies import open_command
from corral.store.queue import CommandRecord, QueuedCommand, StoredResult
from corral.store.records import command_record, stored_result, told
from corral.store.sqlite.applying import PUSH, PUSH_LATER, PUT_WORK_AGAIN, add_command, add_events
from corral.store.sqlite.connecting import Row, Sql
from corral.store.sqlite.database import Database
from corral.store.sqlite.statements import select
from corral.store.sqlite.writer import Write

_KEPT = f"('{Consequence.RENEWAL.value}', '{Consequence.REMOVE_PROFILE.value}')"
"""What the life cycle itself has queued: nobody may take it out of the queue."""

# One row: every step to a next one would ask for the interpreter, which devices' polls want at the same time.
_TARGETS = (
    "SELECT json_group_array(id ORDER BY place) FROM (SELECT ch.id, min(wanted.key) AS place"
    " FROM json_each(?) AS wanted JOIN channel AS ch ON ch.id = wanted.value AND ch.ended_at IS NULL"
    " JOIN connection AS co ON co.id = ch.connection_id AND co.phase IN ('connected', 'ending')"
    " WHERE ?2 IS NULL OR NOT EXISTS (SELECT 1 FROM delivery"
    " WHERE channel_id = ch.id AND state = 'open' AND request_type = ?3 AND priority <= ?2) GROUP BY ch.id)"
)
_LAST = "SELECT coalesce(max(sequence), 0) FROM delivery"
_NEW_DELIVERIES = (
    "INSERT INTO delivery (channel_id, command_uuid, request_type, consequence, state, priority, not_before,"
    " expires_at, queued_at, trace) SELECT value, ?, ?, ?, 'open', ?, ?, ?, ?,"
    f" CASE WHEN key < {MOST_FOLLOWED} THEN ? END FROM json_each(?) WHERE TRUE"
    " ORDER BY key ON CONFLICT DO NOTHING"
)
_SUPERSEDE = (
    "UPDATE delivery SET state = 'superseded', finished_at = ?1 WHERE state = 'open' AND request_type = ?2"
    " AND command_uuid <> ?3 AND consequence NOT IN " + _KEPT + " AND channel_id IN"
    " (SELECT channel_id FROM delivery WHERE command_uuid = ?3 AND sequence > ?4)"
)
_PUT_PUSHES = (
    "INSERT INTO work (kind, key, due_at, free_at, attempts)"
    " SELECT ?1, channel_id, ?2, ?2, 0 FROM delivery WHERE command_uuid = ?3 AND sequence > ?4" + PUT_WORK_AGAIN
)
_FOUND = (
    "SELECT d.sequence, d.command_uuid, d.request_type, d.channel_id, co.id, co.device_id FROM delivery AS d"
    " JOIN channel AS ch ON ch.id = d.channel_id JOIN connection AS co ON co.id = ch.connection_id"
    " WHERE d.state = 'open'"
)
_CLOSE = "UPDATE delivery SET state = ?, finished_at = ? WHERE sequence = ?"
_LIST = (
    "FROM delivery AS d JOIN channel AS ch ON ch.id = d.channel_id JOIN connection AS co ON co.id = ch.connection_id"
    " JOIN command AS c ON c.uuid = d.command_uuid"
    " LEFT JOIN result AS r ON r.command_uuid = d.command_uuid AND r.channel_id = d.channel_id WHERE TRUE"
)
_RESULTS = (
    "SELECT channel_id, command_uuid, status, body, received_at, unreadable FROM result"
    " WHERE command_uuid = ?1 AND (?2 IS NULL OR channel_id = ?2) ORDER BY id"
)
_RECENT = (
    "SELECT r.channel_id, r.command_uuid, r.status, r.body, r.received_at, r.unreadable FROM json_each(?1) AS a"
    " JOIN delivery AS d ON d.sequence IN (SELECT sequence FROM delivery WHERE channel_id = a.value"
    " AND request_type = ?2 AND state = 'acknowledged' ORDER BY finished_at DESC, sequence DESC LIMIT ?3)"
    " JOIN result AS r ON r.command_uuid = d.command_uuid AND r.channel_id = d.channel_id"
    " ORDER BY r.received_at DESC, r.id DESC"
)


class SqliteQueue:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def enqueue(
        self, command: QueuedCommand, channel_ids: Sequence[str], events: tuple[Event, ...] = ()
    ) -> tuple[str, ...]:
        wanted = msgspec.json.encode(list(channel_ids)).decode()

        def enqueue(write: Write) -> tuple[str, ...]:
            queued = put_in_queue(write, self._sealer, command, wanted)
            if queued:
                add_events(write, events)
            return queued

        return await self._database.write(enqueue)

    async def cancel(self, command_uuid: str, channel_id: str | None, event: Event, now: Instant) -> int:
        which = " AND d.command_uuid = ?1 AND (?2 IS NULL OR d.channel_id = ?2) AND d.consequence NOT IN " + _KEPT

        def cancel(write: Write) -> int:
            found = write.sql.execute(_FOUND + which, (command_uuid, channel_id)).fetchall()
            _close(write, found, DeliveryState.CANCELLED, now)
            add_events(write, tuple(told(event, row) for row in found))
            return len(found)

        return await self._database.write(cancel)

    async def clear(self, connection_id: str, event: Event, now: Instant) -> int:
        which = " AND co.id = ? AND d.consequence = 'plain'"

        def clear(write: Write) -> int:
            found = write.sql.execute(_FOUND + which, (connection_id,)).fetchall()
            _close(write, found, DeliveryState.CANCELLED, now)
            if found:
                add_events(write, (event,))
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
            ("co.device_id = ?", device_id),
            ("d.command_uuid = ?", command_uuid),
            ("d.state = ?", state),
            ("d.sequence < ?", before),
        )
        asked = [(text, value) for text, value in conditions if value is not None]
        where = "".join(f" AND {text}" for text, _ in asked)
        statement = select(
            _LIST + where + " ORDER BY d.sequence DESC LIMIT ?",
            d=rows.DELIVERY + " delivered_at attempts finished_at",
            co="device_id id",
            c="created_at created_by",
            r="status unreadable",
        )
        values = (*(value for _, value in asked), limit)
        found = await self._database.browse(lambda sql: sql.execute(statement, values).fetchall())
        return tuple(command_record(row) for row in found)

    async def command_body(self, command_uuid: str) -> bytes | None:
        def body(sql: Sql) -> bytes | None:
            row = sql.execute("SELECT body FROM command WHERE uuid = ?", (command_uuid,)).fetchone()
            return None if row is None else open_command(row[0], command_uuid, self._sealer)

        return self._database.read(body)

    async def results(self, command_uuid: str, channel_id: str | None) -> tuple[StoredResult, ...]:
        def results(sql: Sql) -> tuple[StoredResult, ...]:
            return tuple(stored_result(row, self._sealer) for row in sql.execute(_RESULTS, (command_uuid, channel_id)))

        return await self._database.browse(results)

    async def recent(self, request_type: str, channel_ids: Sequence[str], each: int = 1) -> tuple[StoredResult, ...]:
        asked = msgspec.json.encode(list(channel_ids)).decode(), request_type, each

        def recent(sql: Sql) -> tuple[StoredResult, ...]:
            return tuple(stored_result(row, self._sealer) for row in sql.execute(_RECENT, asked))

        return await self._database.browse(recent)

    async def expire(self, now: Instant, limit: int) -> int:
        which = " AND d.expires_at <= ? ORDER BY d.expires_at LIMIT ?"

        def expire(write: Write) -> int:
            found = write.sql.execute(_FOUND + which, (now, limit)).fetchall()
            _close(write, found, DeliveryState.EXPIRED, now)
            add_events(write, tuple(told(Event(type="command.expired", at=now), row) for row in found))
            return len(found)

        return await self._database.write(expire)


def put_in_queue(write: Write, sealer: Sealer, command: QueuedCommand, wanted: str) -> tuple[str, ...]:
    """`wanted` is a JSON list of channels; those that were reached."""
    sql = write.sql
    found = sql.execute(_TARGETS, (wanted, command.unless_open, command.request_type)).fetchone()
    assert found is not None
    targets = msgspec.json.decode(found[0], type=tuple[str, ...])
    if not targets:
        return ()
    uuid, kind = command.uuid, command.request_type
    add_command(write, sealer, uuid, kind, command.created_at, command.created_by, command.body)
    last = sql.execute(_LAST).fetchone()
    assert last is not None
    sql.execute(
        _NEW_DELIVERIES,
        (
            uuid,
            kind,
            command.consequence.value,
            command.priority,
            command.not_before,
            command.expires_at,
            command.created_at,
            command.trace,
            found[0],
        ),
    )
    # Only where it is new: a repeated call must neither supersede what was queued since nor push again.
    if command.replaces_like:
        sql.execute(_SUPERSEDE, (command.created_at, kind, uuid, last[0]))
    later = command.not_before > command.created_at
    work, due_at = (PUSH_LATER, command.not_before) if later else (PUSH, command.created_at)
    sql.execute(_PUT_PUSHES, (work, due_at, uuid, last[0]))
    write.woken.add(work)
    return targets


def _close(write: Write, found: Sequence[Row], state: DeliveryState, now: Instant) -> None:
    write.sql.executemany(_CLOSE, [(state.value, now, row[0]) for row in found])
