"""What every message of a device reads and changes: exchanges, snapshots, changes."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

import apsw

from corral.apple.report import Status
from corral.lifecycle.change import Change, Event, Result, Work
from corral.lifecycle.state import Consequence, Instant, Snapshot
from corral.sealing import Sealer, SealError
from corral.store.bodies import open_command
from corral.store.devices import Ask, CommitOutcome, Committed, Contact, Next, Stale
from corral.store.errors import StoreUnavailable
from corral.store.sqlite import applying, snapshot
from corral.store.sqlite.applying import PUSH_LATER, Conflict
from corral.store.sqlite.database import Database
from corral.store.sqlite.forgetting import forget
from corral.store.sqlite.statements import any_of
from corral.store.sqlite.writer import Write

# Numbered values: ?1 fingerprint, ?2 now, ?3 device, ?4 user, for who speaks; ?1 channel, ?2 now, for what is next.
_SPEAKER = (
    "FROM certificate AS ce JOIN connection AS co ON co.id = ce.connection_id{user}"
    " WHERE ce.fingerprint = ?1 AND ce.status = 'bound' AND ce.not_after > ?2"
    " AND co.device_id = ?3 AND co.open AND co.recheck_at > ?2"
)
_OF_USER = " JOIN channel AS ch ON ch.id = co.id || '/' || ?4 AND ch.ended_at IS NULL"
_FIRST_OPEN = (
    "FROM delivery WHERE channel_id = {channel} AND state = 'open' AND not_before <= ?2 AND expires_at > ?2{also}"
    " ORDER BY priority DESC, sequence LIMIT 1"
)
_NOT_DEFERRED = " AND deferred_at IS NULL"
_DEFERRED = "SELECT 1 FROM delivery WHERE channel_id = {channel} AND state = 'open' AND deferred_at IS NOT NULL"
_OFFER_AGAIN = (
    "UPDATE delivery SET deferred_at = NULL WHERE channel_id = ? AND state = 'open' AND deferred_at IS NOT NULL"
)


def _poll(channel: str, user: str) -> str:
    """Who speaks and what is next for the channel, in one statement."""
    following = _FIRST_OPEN.format(channel=channel, also="")
    return (
        "SELECT s.channel, d.command_uuid, c.body, d.trace,"
        f" s.following IS NOT NULL AND EXISTS ({_DEFERRED.format(channel='s.channel')}) FROM"
        f" (SELECT {channel} AS channel, (SELECT sequence {following}) AS following {_SPEAKER.format(user=user)}) AS s"
        " LEFT JOIN delivery AS d ON d.sequence = s.following LEFT JOIN command AS c ON c.uuid = d.command_uuid"
    )


def _next(also: str) -> str:
    following = _FIRST_OPEN.format(channel="?1", also=also)
    return (
        "SELECT d.command_uuid, c.body, d.trace FROM delivery AS d JOIN command AS c ON c.uuid = d.command_uuid"
        f" WHERE d.sequence = (SELECT sequence {following})"
    )


_POLL = _poll("co.id", "")
_USER_POLL = _poll("ch.id", _OF_USER)
_WHO = "SELECT co.id " + _SPEAKER.format(user="")
_USER_WHO = "SELECT ch.id " + _SPEAKER.format(user=_OF_USER)
_NAMED = "SELECT consequence, trace FROM delivery WHERE channel_id = ? AND command_uuid = ?"
_UNKNOWN = (Consequence.PLAIN.value, None)
_AFTER_IDLE = _next("")
_AFTER_REPORT = _next(_NOT_DEFERRED)

_FENCES = frozenset(
    {apsw.SQLITE_CONSTRAINT_UNIQUE, apsw.SQLITE_CONSTRAINT_PRIMARYKEY, apsw.SQLITE_CONSTRAINT_FOREIGNKEY}
)
"""A second current life, or a row that this one hangs on and that somebody has just forgotten."""


class SqliteDevices:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def exchange(self, ask: Ask) -> Next | Snapshot:
        if ask.status is not Status.IDLE:
            return await self._database.write(lambda write: _report(write, self._sealer, ask))
        contact = ask.contact
        row = self._database.one(_USER_POLL if contact.user_id else _POLL, _speaker(contact, ask.now))
        if row is None:
            return await self.load(contact)
        channel, uuid, body, trace, deferred = row
        if deferred:
            await self._database.write(lambda write: write.sql.execute(_OFFER_AGAIN, (channel,)))
        return Next(channel, uuid, self._open(uuid, body), trace) if uuid is not None else Next(channel)

    async def load(self, contact: Contact) -> Snapshot:
        return self._database.read(lambda sql: snapshot.load(sql, self._sealer, contact))

    async def load_connection(self, connection_id: str, breaker_since: Instant) -> Snapshot:
        return self._database.read(
            lambda connection: snapshot.load_connection(connection, self._sealer, connection_id, breaker_since)
        )

    async def commit(self, change: Change) -> CommitOutcome:
        try:
            await self._database.write(lambda write: applying.apply(write, self._sealer, change))
        except Conflict:
            return Stale()
        except apsw.ConstraintError as error:
            if getattr(error, "extendedresult", 0) in _FENCES:
                return Stale()
            raise
        return Committed()

    async def next(
        self, channel_id: str, now: Instant, *, after_idle: bool, only: frozenset[Consequence] | None = None
    ) -> Next:
        deferred = "" if after_idle else _NOT_DEFERRED
        if only is None:
            row = self._database.one(_AFTER_IDLE if after_idle else _AFTER_REPORT, (channel_id, now))
        else:
            allowed = " AND consequence IN " + any_of(len(only))
            row = self._database.one(_next(deferred + allowed), (channel_id, now, *sorted(only)))
        if row is None:
            return Next(channel_id)
        uuid, body, trace = row
        return Next(channel_id, uuid, self._open(uuid, body), trace)

    def _open(self, uuid: str, body: bytes) -> bytes:
        try:
            return open_command(body, uuid, self._sealer)
        except SealError as error:
            raise StoreUnavailable(str(error)) from None

    async def forget(self, device_id: str, events: tuple[Event, ...] = ()) -> bool:
        return await self._database.write(lambda write: forget(write, device_id, events))


def _speaker(contact: Contact, now: Instant) -> tuple[object, ...]:
    who = contact.fingerprint, now, contact.device_id
    return (*who, contact.user_id) if contact.user_id else who


def _report(write: Write, sealer: Sealer, ask: Ask) -> Next | Snapshot:
    contact, sql = ask.contact, write.sql
    speaker = sql.execute(_USER_WHO if contact.user_id else _WHO, _speaker(contact, ask.now)).fetchone()
    if speaker is None:
        return snapshot.load(sql, sealer, contact)
    channel: str = speaker[0]
    answered: str | None = None
    if contact.command_uuid is not None:
        consequence, answered = sql.execute(_NAMED, (channel, contact.command_uuid)).fetchone() or _UNKNOWN
        if consequence != Consequence.PLAIN:
            return snapshot.load(sql, sealer, contact)
        _keep(write, sealer, ask, channel, contact.command_uuid)
    row = sql.execute(_AFTER_REPORT, (channel, ask.now)).fetchone()
    if row is None:
        return Next(channel, answered=answered)
    uuid, body, trace = row
    return Next(channel, uuid, open_command(body, uuid, sealer), trace, answered)


def _keep(write: Write, sealer: Sealer, ask: Ask, channel: str, command_uuid: str) -> None:
    result = Result(
        channel_id=channel,
        command_uuid=command_uuid,
        status=ask.status,
        body=ask.body,
        received_at=ask.now,
        unreadable=ask.unreadable,
    )
    touched = applying.keep_result(write, sealer, result)
    if touched and ask.status is Status.NOT_NOW:
        applying.put_work(write, Work(kind=PUSH_LATER, key=channel, due_at=ask.push_again_at))
