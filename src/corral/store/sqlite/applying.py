"""Carries a Change out: rows, in the order in which they rest on each other, without knowing what they mean."""

import hashlib

from corral.apple.report import Status
from corral.lifecycle.change import Change, Enqueue, Escrow, Event, Result, Room, Work
from corral.lifecycle.state import (
    FOREVER,
    Certificate,
    CertificateStatus,
    Connection,
    DeliveryState,
    Device,
    Grant,
    Instant,
)
from corral.sealing import Sealer
from corral.store import audit_rows, idempotency_rows, rows
from corral.store.bodies import seal_command, seal_result
from corral.store.editions import expected
from corral.store.errors import AttemptLost, EditedSince
from corral.store.events import EVENT
from corral.store.sqlite.connecting import Row
from corral.store.sqlite.database import Database
from corral.store.sqlite.statements import insert, update, upsert
from corral.store.sqlite.writer import Write

PUSH, PUSH_LATER = "push", "push-later"
"""Work that wakes a channel: soon, and at a time that a soon one must not be merged with."""


class Conflict(Exception):
    """What the change rests on is not so any more; the transaction of the member is rolled back."""


_CONNECTION = rows.LIFE.replace("profile", "profile_id")
_ENROLL_GRANT = rows.GRANT.replace("profile", "profile_id")

_COUNT_UP = "UPDATE device SET version = version + 1 WHERE id = ? AND version = ?"
_PUT_DEVICE = update("device", rows.DEVICE, "id = ? AND version = ?", version="?+1")
_NEW_DEVICE = insert("device", rows.DEVICE, "ON CONFLICT DO NOTHING")
_PUT_ANY_DEVICE = upsert("device", rows.DEVICE, "id", version="version + 1")
_HAS_DEVICE = "SELECT 1 FROM device WHERE id = ?"
_PUT_CONNECTION = upsert("connection", _CONNECTION, "id")
_PUT_CHANNEL = upsert("channel", "id " + rows.CHANNEL, "id")
_PUT_CERTIFICATE = (
    upsert(
        "certificate",
        rows.CERTIFICATE,
        "fingerprint",
        der="CASE WHEN excluded.der = x'' THEN der ELSE excluded.der END",
    )
    + " WHERE (status <> 'revoked' OR excluded.status = 'revoked')"
    " AND (device_id IS NULL OR device_id IS excluded.device_id)"
)
_NEW_GRANT = insert("enroll_grant", _ENROLL_GRANT, "ON CONFLICT DO NOTHING")
_PUT_GRANT = update("enroll_grant", _ENROLL_GRANT, "id = ? AND version = ?")
_NEW_PROFILE = "INSERT INTO profile (digest, body) VALUES (?, ?) ON CONFLICT DO NOTHING"
_FIND_PROFILE = "SELECT id FROM profile WHERE digest = ?"
_USE_LINK = "UPDATE link SET used = used + 1 WHERE id = ? AND (uses IS NULL OR used < uses)"
_LAST_ESCROW = "SELECT value FROM escrow WHERE connection_id = ? AND kind = ? ORDER BY id DESC LIMIT 1"
_NEW_ESCROW = "INSERT INTO escrow (connection_id, kind, at, value) VALUES (?, ?, ?, ?)"
_NEW_RESULT = (
    "INSERT INTO result (channel_id, command_uuid, connection_id, status, received_at, unreadable, body)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_CLOSE = "UPDATE delivery SET state = ?, finished_at = ? WHERE channel_id = ? AND command_uuid = ? AND state = 'open'"
_DEFER = (
    "UPDATE delivery SET deferred_at = ?, not_now_count = not_now_count + 1"
    " WHERE channel_id = ? AND command_uuid = ? AND state = 'open'"
)
_DROP = (
    "UPDATE delivery SET state = 'dropped', finished_at = ?"
    " WHERE state = 'open' AND channel_id IN (SELECT id FROM channel WHERE connection_id = ?)"
)
_END_CHANNELS = "UPDATE channel SET ended_at = ? WHERE connection_id = ? AND ended_at IS NULL"
_FORGET_PUSHES = (
    "DELETE FROM work WHERE kind IN ('push', 'push-later') AND key IN (SELECT id FROM channel WHERE connection_id = ?)"
)
_RETIRE = "UPDATE certificate SET status = 'retired' WHERE connection_id = ? AND fingerprint <> ? AND status = 'bound'"
_NEW_COMMAND = (
    "INSERT INTO command (uuid, request_type, created_at, created_by, body) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING"
)
_NEW_DELIVERY = (
    "INSERT INTO delivery (channel_id, command_uuid, request_type, consequence, state, priority, not_before,"
    " expires_at, queued_at, trace) VALUES (?, ?, ?, ?, 'open', ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_UNENROLLING = upsert("unenrolling", "connection_id at", "connection_id", at="max(at, excluded.at)")
_COUNTED = "SELECT count(*) FROM unenrolling WHERE at >= ? AND connection_id <> ?"
_TRIP = "UPDATE breaker SET opened_at = coalesce(opened_at, ?)"
_IS_TRIPPED = "SELECT 1 FROM breaker WHERE opened_at IS NOT NULL"
_NEW_EVENT = insert("event", rows.EVENT)
_AUDIT = insert("audit", audit_rows.ENTRY)
_EDITED = "UPDATE edition SET number = number + 1 WHERE room = ?1 AND number = ?2"
_EDITED_FIRST = "INSERT INTO edition (room, number) VALUES (?1, 1 + ?2) ON CONFLICT DO NOTHING"
_EDITED_ANYHOW = (
    "INSERT INTO edition (room, number) VALUES (?1, 1 + ?2) ON CONFLICT (room) DO UPDATE SET number = number + 1"
)
_CHANGED = "UPDATE idempotency SET changed = 1 WHERE attempt = ? AND status IS NULL"
PUT_WORK_AGAIN = (
    " ON CONFLICT (kind, key) DO UPDATE SET"
    " due_at = iif(lease IS NULL, min(due_at, excluded.due_at), due_at),"
    " free_at = iif(lease IS NULL, min(free_at, excluded.free_at), free_at),"
    " again_at = iif(lease IS NULL, NULL, min(coalesce(again_at, excluded.due_at), excluded.due_at))"
)
"""The earlier time wins; what is leased remembers that it was put again."""
_NEW_WORK = "INSERT INTO work (kind, key, due_at, free_at, attempts) VALUES (?1, ?2, ?3, ?3, 0)"
_PUT_WORK = _NEW_WORK + PUT_WORK_AGAIN

_CLOSED_AS = {
    Status.ACKNOWLEDGED: DeliveryState.ACKNOWLEDGED,
    Status.ERROR: DeliveryState.ERROR,
    Status.COMMAND_FORMAT_ERROR: DeliveryState.FORMAT_ERROR,
}


def apply(write: Write, sealer: Sealer, change: Change) -> None:
    """Raises Conflict, or apsw's ConstraintError for the fences that are indexes."""
    at = change.at or max((event.at for event in change.events), default=0)
    if change.device_id is not None:
        _pass_fence(write, change.device_id, change.expects, change.device)
    elif change.device is not None:
        write.sql.execute(_PUT_ANY_DEVICE, rows.device_row(change.device))
    # What ends goes before what takes its place: two current lives are one too many even within a commit.
    for life in sorted(change.connections, key=lambda each: not each.is_over):
        _put_connection(write, life)
    for channel in change.channels:
        write.sql.execute(_PUT_CHANNEL, (channel.id, *rows.channel_row(channel, sealer)))
    for certificate in change.certificates:
        _put_certificate(write, certificate)
    if change.grant is not None:
        _put_grant(write, change.grant)
    for escrow in change.escrow:
        _put_escrow(write, sealer, escrow)
    if change.result is not None:
        keep_result(write, sealer, change.result)
    for connection_id in change.silence:
        write.sql.execute(_DROP, (at, connection_id))
        write.sql.execute(_END_CHANNELS, (at, connection_id))
        write.sql.execute(_FORGET_PUSHES, (connection_id,))
    if change.retire is not None:
        write.sql.execute(_RETIRE, change.retire)
    for queued in change.enqueue:
        _enqueue(write, sealer, queued, at)
    if change.link_used is not None:
        write.sql.execute(_USE_LINK, (change.link_used,))
        _expect_one(write)
    if change.unenrolling is not None:
        _count_unenrolling(write, change.unenrolling, change.room, at)
    if change.trip_breaker:
        write.sql.execute(_TRIP, (at,))
    add_events(write, change.events)
    for work in change.work:
        put_work(write, work)


def keep_result(write: Write, sealer: Sealer, result: Result) -> bool:
    """Store the first final result of a command in a channel and close its delivery; a NotNow is counted only.

    Returns whether an open delivery was closed or deferred.
    """
    key = result.channel_id, result.command_uuid
    if result.status is Status.NOT_NOW:
        write.sql.execute(_DEFER, (result.received_at, *key))
        return write.sql.changes() > 0
    state = _CLOSED_AS.get(result.status)
    if state is None:
        return False
    write.sql.execute(
        _NEW_RESULT,
        (
            *key,
            rows.connection_of(result.channel_id),
            result.status.value,
            result.received_at,
            result.unreadable,
            seal_result(result.body, result.command_uuid, sealer),
        ),
    )
    write.sql.execute(_CLOSE, (state.value, result.received_at, *key))
    return write.sql.changes() > 0


def add_events(write: Write, events: tuple[Event, ...]) -> None:
    """Raises AttemptLost and EditedSince."""
    if events:
        write.woken.add(EVENT)
    for event in events:
        write.sql.execute(_NEW_EVENT, rows.event_row(event))
    for row in audit_rows.rows_of(events):
        write.sql.execute(_AUDIT, row)
    for attempt in idempotency_rows.attempts_of(events):
        write.sql.execute(_CHANGED, (attempt,))
        if not write.sql.changes():
            raise AttemptLost
    for room, seen in expected(events):
        write.sql.execute(_EDITED if seen else _EDITED_FIRST if seen == 0 else _EDITED_ANYHOW, (room, seen or 0))
        if not write.sql.changes():
            raise EditedSince


async def carry_out(database: Database, statement: str, values: Row, events: tuple[Event, ...] = ()) -> int:
    """One statement in a commit of its own, and the events that tell of it, where it has changed something; how many
    rows it has."""

    def execute(write: Write) -> int:
        write.sql.execute(statement, values)
        changes = write.sql.changes()
        if changes:
            add_events(write, events)
        return changes

    return await database.write(execute)


def put_work(write: Write, work: Work) -> None:
    write.sql.execute(_PUT_WORK, (work.kind, work.key, work.due_at))
    write.woken.add(work.kind)


def add_command(
    write: Write, sealer: Sealer, uuid: str, request_type: str, created_at: Instant, created_by: str, body: bytes
) -> None:
    """A command that is there already stays as it is."""
    sealed = seal_command(body, uuid, sealer)
    write.sql.execute(_NEW_COMMAND, (uuid, request_type, created_at, created_by, sealed))


def _pass_fence(write: Write, device_id: str, expects: int, device: Device | None) -> None:
    if expects == 0 and device is None:
        if write.sql.execute(_HAS_DEVICE, (device_id,)).fetchone() is not None:
            raise Conflict
        return
    if device is None:
        write.sql.execute(_COUNT_UP, (device_id, expects))
    elif expects == 0:
        id_, _, *rest = rows.device_row(device)
        write.sql.execute(_NEW_DEVICE, (id_, 1, *rest))
    else:
        id_, _, *rest = rows.device_row(device)
        write.sql.execute(_PUT_DEVICE, (id_, expects, *rest, device_id, expects))
    _expect_one(write)


def _expect_one(write: Write) -> None:
    if write.sql.changes() != 1:
        raise Conflict


def _put_connection(write: Write, life: Connection) -> None:
    write.sql.execute(_PUT_CONNECTION, rows.life_row(life, _profile_id(write, life.profile)))


def _put_certificate(write: Write, certificate: Certificate) -> None:
    """One that was revoked stays so, and one that is bound stays its device's: what says else was decided before."""
    write.sql.execute(_PUT_CERTIFICATE, rows.certificate_row(certificate))
    if certificate.status is not CertificateStatus.REVOKED:
        _expect_one(write)


def _put_grant(write: Write, grant: Grant) -> None:
    id_, _, *rest = rows.grant_row(grant, _profile_id(write, grant.profile))
    if grant.version == 0:
        write.sql.execute(_NEW_GRANT, (id_, 1, *rest))
    else:
        write.sql.execute(_PUT_GRANT, (id_, grant.version + 1, *rest, grant.id, grant.version))
    _expect_one(write)


def _profile_id(write: Write, profile: bytes) -> int | None:
    if not profile:
        return None
    digest = hashlib.sha256(profile).digest()
    found = write.sql.execute(_FIND_PROFILE, (digest,)).fetchone()
    if found is None:
        write.sql.execute(_NEW_PROFILE, (digest, profile))
        return write.sql.last_insert_rowid()
    return found[0]


def _put_escrow(write: Write, sealer: Sealer, escrow: Escrow) -> None:
    """A new version, unless it is what the newest one says already."""
    place = rows.escrow_place(escrow.connection_id, escrow.kind)
    last = write.sql.execute(_LAST_ESCROW, (escrow.connection_id, escrow.kind)).fetchone()
    if last is not None:
        held = None if last[0] is None else sealer.open(last[0], place)
        if held == escrow.value:
            return
    sealed = None if escrow.value is None else sealer.seal(escrow.value, place)
    write.sql.execute(_NEW_ESCROW, (escrow.connection_id, escrow.kind, escrow.at, sealed))


def _enqueue(write: Write, sealer: Sealer, queued: Enqueue, at: Instant) -> None:
    add_command(write, sealer, queued.command_uuid, queued.request_type, at, "", queued.body)
    expires_at = FOREVER if queued.expires_at is None else queued.expires_at
    write.sql.execute(
        _NEW_DELIVERY,
        (
            queued.channel_id,
            queued.command_uuid,
            queued.request_type,
            queued.consequence.value,
            queued.priority,
            queued.not_before,
            expires_at,
            at,
            queued.trace,
        ),
    )


def _count_unenrolling(write: Write, key: str, room: Room | None, at: Instant) -> None:
    """With the breaker open, or full by now, nobody else is told to leave: this was decided before."""
    if write.sql.execute(_IS_TRIPPED).fetchone() is not None:
        raise Conflict
    if room is not None:
        counted = write.sql.execute(_COUNTED, (room.since, key)).fetchone()
        if counted is None or counted[0] >= room.limit:
            raise Conflict
    write.sql.execute(_UNENROLLING, (key, at))
