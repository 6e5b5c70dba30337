"""Puts what Changes hold into the tables, each table in one statement for all of them."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

import hashlib
from collections.abc import Sequence
from functools import lru_cache

from corral.lifecycle.change import Change, Event, Work
from corral.lifecycle.state import FOREVER, CertificateStatus, Instant
from corral.sealing import Sealer
from corral.store import audit_rows, idempotency_rows, rows
from corral.store.bodies import seal_command, seal_result
from corral.store.editions import expected
from corral.store.errors import AttemptLost, EditedSince
from corral.store.events import EVENT
from corral.store.postgres.connecting import Session
from corral.store.postgres.database import Database, Write
from corral.store.postgres.exchanging import ANSWER_DELIVERY, CLOSED_AS, KEEP_RESULT, PUT_WORK_AGAIN
from corral.store.postgres.statements import arrays, insert, looked_up, same, transposed, upsert
from corral.values import frozen

PUSH, PUSH_LATER = "push", "push-later"
"""Work that wakes a channel: soon, and at a time that a soon one must not be merged with."""

ENROLL_GRANT = rows.GRANT.replace("profile", "profile_digest")
_CONNECTION = rows.LIFE.replace("profile", "profile_digest")
_COMMAND = "uuid request_type created_at created_by body"
_DELIVERY = "channel_id command_uuid request_type consequence state priority not_before expires_at queued_at trace"
_SAID = "channel command_uuid connection status state now unreadable body"

_NEW_PROFILE = insert("profile", "digest body", "ON CONFLICT DO NOTHING")
_PUT_CONNECTION = upsert("connection", _CONNECTION, "id")
_PUT_CHANNEL = upsert("channel", "id " + rows.CHANNEL, "id")
_PUT_CERTIFICATE = upsert(
    "certificate",
    rows.CERTIFICATE,
    "fingerprint",
    "WHERE (certificate.status <> 'revoked' OR excluded.status = 'revoked') AND (certificate.device_id IS NULL"
    " OR certificate.device_id IS NOT DISTINCT FROM excluded.device_id) RETURNING fingerprint",
    der="CASE WHEN excluded.der = '' THEN certificate.der ELSE excluded.der END",
)
_LAST_ESCROW = (
    f"SELECT a.connection_id, a.kind, e.value FROM {arrays('connection_id kind')} CROSS JOIN LATERAL"
    " (SELECT value FROM escrow WHERE connection_id = a.connection_id AND kind = a.kind"
    " ORDER BY id DESC LIMIT 1) AS e"
)
_NEW_ESCROW = insert("escrow", "connection_id kind at value")
_ANSWERED = (
    "WITH said AS MATERIALIZED (SELECT a.*, (SELECT sequence FROM delivery"
    f" WHERE channel_id = a.channel AND command_uuid = a.command_uuid) AS sequence FROM {arrays(_SAID)}), kept AS ("
    + KEEP_RESULT.format(said="said")
    + ") "
    + ANSWER_DELIVERY.format(said="said")
)
_FALLEN = arrays("connection_id at")
_CHANNELS = looked_up("channel", "id", "connection_id = a.connection_id", "ch")
_DROP = (
    f"WITH fallen AS MATERIALIZED (SELECT a.at, d.sequence FROM {_FALLEN} CROSS JOIN {_CHANNELS} CROSS JOIN LATERAL"
    " (SELECT sequence FROM delivery WHERE channel_id = ch.id AND state = 'open'"
    " ORDER BY priority DESC, sequence OFFSET 0) AS d)"
    " UPDATE delivery AS d SET state = 'dropped', finished_at = f.at FROM fallen AS f "
    f" WHERE {same('d.sequence', 'f.sequence')} AND coalesce(d.state, '') = 'open'"
)
_END_CHANNELS = (
    f"UPDATE channel AS ch SET ended_at = a.at FROM {_FALLEN} WHERE {same('ch.connection_id', 'a.connection_id')}"
    " AND coalesce(ch.ended_at, 0) = 0"
)
_FORGET_PUSHES = (
    "DELETE FROM work WHERE kind IN ('push', 'push-later') AND key = ANY (ARRAY ("
    f"SELECT ch.id FROM unnest($1::text[]) AS a (connection_id) CROSS JOIN {_CHANNELS} ORDER BY ch.id))"
)
_RETIRE = (
    f"UPDATE certificate AS c SET status = 'retired' FROM {arrays('connection_id fingerprint')}"
    f" WHERE {same('c.connection_id', 'a.connection_id')} AND c.fingerprint <> a.fingerprint"
    " AND coalesce(c.status, '') = 'bound'"
)
# One that is there already stays as it is, but is held until the commit.
HOLD_COMMAND = "ON CONFLICT (uuid) DO UPDATE SET uuid = excluded.uuid"
_NEW_COMMAND = insert("command", _COMMAND, HOLD_COMMAND)
_HOLD_CHANNELS = "SELECT id FROM channel WHERE id = ANY ($1::text[]) ORDER BY id FOR KEY SHARE"
_NEW_DELIVERY = insert("delivery", _DELIVERY, "ON CONFLICT DO NOTHING")
_NEW_EVENT = insert("event", rows.EVENT)
_EDITED = "UPDATE edition SET number = number + 1 WHERE room = $1 AND number = $2"
_EDITED_FIRST = "INSERT INTO edition (room, number) VALUES ($1, 1 + $2) ON CONFLICT DO NOTHING"
_EDITED_ANYHOW = (
    "INSERT INTO edition (room, number) VALUES ($1, 1 + $2)"
    " ON CONFLICT (room) DO UPDATE SET number = edition.number + 1"
)
_CHANGED = "UPDATE idempotency SET changed = TRUE WHERE attempt = ANY ($1::text[]) AND status IS NULL"
_AUDIT = insert("audit", audit_rows.ENTRY)
_PUT_WORK = (
    "INSERT INTO work (kind, key, due_at, free_at, attempts) SELECT kind, key, due_at, due_at, 0"
    f" FROM {arrays('kind key due_at')} " + PUT_WORK_AGAIN
)


@frozen
class Member:
    """A change, its place in the batch, and the moment of what it writes."""

    place: int
    change: Change
    at: Instant


@lru_cache(256)
def profile_digest(profile: bytes) -> bytes | None:
    return hashlib.sha256(profile).digest() if profile else None


async def put_profiles(sql: Session, members: Sequence[Member], known: frozenset[bytes]) -> frozenset[bytes]:
    """Returns the digests of all that these refer to; those in `known` are taken to be there already."""
    found = {life.profile for member in members for life in member.change.connections}
    found |= {member.change.grant.profile for member in members if member.change.grant is not None}
    bodies = {digest: body for body in found if (digest := profile_digest(body)) is not None}
    put = sorted((digest, body) for digest, body in bodies.items() if digest not in known)
    if put:
        await sql.run(_NEW_PROFILE, *transposed(put))
    return frozenset(bodies)


async def put_connections(sql: Session, members: Sequence[Member]) -> None:
    """What ends goes before what takes its place: two current lives are one too many even within a commit."""
    lives = [life for member in members for life in member.change.connections]
    if lives:
        lives.sort(key=lambda life: not life.is_over)
        await sql.run(_PUT_CONNECTION, *transposed(rows.life_row(life, profile_digest(life.profile)) for life in lives))


async def put_channels(sql: Session, sealer: Sealer, members: Sequence[Member]) -> None:
    put = [(each.id, *rows.channel_row(each, sealer)) for member in members for each in member.change.channels]
    if put:
        await sql.run(_PUT_CHANNEL, *transposed(put))


async def put_certificates(sql: Session, members: Sequence[Member]) -> list[Member]:
    """Returns whose could not be put: one that was revoked stays so, and what would bind it was decided before."""
    put = [(member, each) for member in members for each in member.change.certificates]
    if not put:
        return []
    found = await sql.all(_PUT_CERTIFICATE, *transposed(rows.certificate_row(each) for _, each in put))
    passed = {row[0] for row in found}
    return [
        member
        for member, each in put
        if each.status is not CertificateStatus.REVOKED and each.fingerprint not in passed
    ]


async def put_escrow(sql: Session, sealer: Sealer, members: Sequence[Member]) -> None:
    """A new version of each, unless it is what the newest one says already."""
    given = [each for member in members for each in member.change.escrow]
    if not given:
        return
    held: dict[tuple[str, str], bytes | None] = {}
    for connection_id, kind, value in await sql.all(
        _LAST_ESCROW, *transposed((each.connection_id, each.kind) for each in given)
    ):
        held[connection_id, kind] = _opened(sealer, connection_id, kind, value)
    put: list[rows.Row] = []
    for each in given:
        key = each.connection_id, each.kind.value
        if key not in held or held[key] != each.value:
            held[key] = each.value
            place = rows.escrow_place(*key)
            put.append((*key, each.at, None if each.value is None else sealer.seal(each.value, place)))
    if put:
        await sql.run(_NEW_ESCROW, *transposed(put))


def _opened(sealer: Sealer, connection_id: str, kind: str, value: bytes | None) -> bytes | None:
    return None if value is None else sealer.open(value, rows.escrow_place(connection_id, kind))


async def keep_results(sql: Session, sealer: Sealer, members: Sequence[Member]) -> None:
    """The first final result of a command in a channel is kept and closes its delivery; a NotNow is counted only."""
    results = [member.change.result for member in members if member.change.result is not None]
    said = [
        (
            result.channel_id,
            result.command_uuid,
            rows.connection_of(result.channel_id),
            result.status,
            state,
            result.received_at,
            result.unreadable,
            b"" if state is None else seal_result(result.body, result.command_uuid, sealer),
        )
        for result in sorted(results, key=lambda result: result.channel_id)
        for state in (CLOSED_AS.get(result.status),)
    ]
    if said:
        await sql.run(_ANSWERED, *transposed(said))


async def silence(sql: Session, members: Sequence[Member]) -> None:
    """Connections that are over, and certificates that others have replaced."""
    fallen = sorted((connection_id, member.at) for member in members for connection_id in member.change.silence)
    if fallen:
        values = transposed(fallen)
        await sql.run(_DROP, *values)
        await sql.run(_END_CHANNELS, *values)
        await sql.run(_FORGET_PUSHES, values[0])
    retired = sorted(member.change.retire for member in members if member.change.retire is not None)
    if retired:
        await sql.run(_RETIRE, *transposed(retired))


async def enqueue(sql: Session, sealer: Sealer, members: Sequence[Member]) -> list[Member]:
    """Returns those whose channel is not there."""
    queued = [(each, member.at) for member in members for each in member.change.enqueue]
    if not queued:
        return []
    queued.sort(key=lambda each: each[0].channel_id)
    held = {row[0] for row in await sql.all(_HOLD_CHANNELS, sorted({each.channel_id for each, _ in queued}))}
    homeless = [member for member in members if any(each.channel_id not in held for each in member.change.enqueue)]
    if homeless:
        return homeless
    commands = {each.command_uuid: (each, at) for each, at in reversed(queued)}
    await sql.run(
        _NEW_COMMAND,
        *transposed(
            (uuid, each.request_type, at, "", seal_command(each.body, uuid, sealer))
            for uuid, (each, at) in sorted(commands.items())
        ),
    )
    await sql.run(
        _NEW_DELIVERY,
        *transposed(
            (
                each.channel_id,
                each.command_uuid,
                each.request_type,
                each.consequence,
                "open",
                each.priority,
                each.not_before,
                FOREVER if each.expires_at is None else each.expires_at,
                at,
                each.trace,
            )
            for each, at in queued
        ),
    )
    return []


async def add_events(write: Write, events: Sequence[Event]) -> None:
    """Raises AttemptLost and EditedSince."""
    if events:
        write.woken.add(EVENT)
        await write.sql.run(_NEW_EVENT, *transposed(rows.event_row(event) for event in events))
        audited = audit_rows.rows_of(events)
        if audited:
            await write.sql.run(_AUDIT, *transposed(audited))
        attempts = idempotency_rows.attempts_of(events)
        if attempts and await write.sql.run(_CHANGED, attempts) != len(attempts):
            raise AttemptLost
        for room, seen in expected(events):
            statement = _EDITED if seen else _EDITED_FIRST if seen == 0 else _EDITED_ANYHOW
            if not await write.sql.run(statement, room, seen or 0):
                raise EditedSince


async def carry_out(database: Database, statement: str, *values: object, events: tuple[Event, ...] = ()) -> int:
    """One statement in a commit of its own, and the events that tell of it, where it has changed something; how many
    rows it has."""

    async def run(write: Write) -> int:
        changes = await write.sql.run(statement, *values)
        if changes:
            await add_events(write, events)
        return changes

    return await database.write(run)


async def put_work(write: Write, works: Sequence[Work]) -> None:
    """Work of the same kind and key is one row; all in the same order, so that no two commits wait for each other."""
    put = _earliest(works)
    if put:
        await write.sql.run(_PUT_WORK, *transposed((*key, due_at) for key, due_at in sorted(put.items())))
        write.woken.update(kind for kind, _ in put)


def _earliest(works: Sequence[Work]) -> dict[tuple[str, str], Instant]:
    """When each is due, by kind and key."""
    found: dict[tuple[str, str], Instant] = {}
    for work in works:
        key = work.kind, work.key
        found[key] = min(work.due_at, found.get(key, work.due_at))
    return found
