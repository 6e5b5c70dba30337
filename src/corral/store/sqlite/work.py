"""Background work as rows.

A row that is put anew during its lease remembers when (`again_at`), so that finishing the lease does not lose it.
"""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

import json
import secrets
from collections.abc import Sequence

from corral.lifecycle.change import Event, Work
from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.store import rows
from corral.store.records import expiring_identity, push_target
from corral.store.sqlite.applying import PUSH, add_events, put_work
from corral.store.sqlite.connecting import Sql
from corral.store.sqlite.database import Database
from corral.store.sqlite.statements import any_of
from corral.store.sqlite.writer import Write
from corral.store.work import TRACES, ExpiringIdentity, LeasedWork, PushRecord, PushTarget

NO_CERTIFICATE = "no push certificate for its topic"
"""Why a channel waits for a topic, in the words of lifecycle.connecting; a test holds the two together."""

_LEASE = (
    "UPDATE work SET lease = ?1, free_at = ?2, due_at = min(due_at, coalesce(again_at, due_at)), again_at = NULL"
    " WHERE kind = ?3 AND key IN (SELECT key FROM work WHERE kind = ?3 AND free_at <= ?4 ORDER BY free_at LIMIT ?5)"
    " RETURNING kind, key, attempts, due_at"
)
_FINISH = "DELETE FROM work WHERE kind = ? AND key = ? AND lease = ? AND again_at IS NULL"
_FINISH_AGAIN = (
    "UPDATE work SET due_at = again_at, free_at = again_at, again_at = NULL, lease = NULL, attempts = 0"
    " WHERE kind = ? AND key = ? AND lease = ?"
)
_PUT_BACK = (
    "UPDATE work SET due_at = min(?1, coalesce(again_at, ?1)), free_at = min(?1, coalesce(again_at, ?1)),"
    " again_at = NULL, lease = NULL, attempts = attempts + 1 WHERE kind = ?2 AND key = ?3 AND lease = ?4"
)
_NEXT_DUE = "SELECT min(free_at) FROM work WHERE kind = ?"
_PUSHABLE = (
    "co.phase IN ('connected', 'ending') AND ch.ended_at IS NULL AND ch.unreachable = ''"
    " AND ch.token IS NOT NULL AND ch.magic IS NOT NULL"
)
_TARGETS = (
    "SELECT ch.id, ch.connection_id, co.device_id, ch.topic, ch.token, ch.magic, coalesce(ch.token_updated_at, 0)"
    " FROM channel AS ch JOIN connection AS co ON co.id = ch.connection_id WHERE " + _PUSHABLE + " AND ch.id IN "
)
_TRACES = (
    "SELECT a.value, d.trace FROM json_each(?1) AS a JOIN delivery AS d ON d.sequence IN (SELECT sequence FROM delivery"
    " WHERE channel_id = a.value AND state = 'open' AND trace IS NOT NULL ORDER BY priority DESC, sequence LIMIT ?2)"
)
_LOG_PUSH = "INSERT INTO push_log (channel_id, at, outcome) SELECT id, ?, ? FROM channel WHERE id = ?"
_LAST_PUSH = (
    "INSERT INTO push_state (channel_id, at, outcome) SELECT id, ?, ? FROM channel WHERE id = ?"
    " ON CONFLICT (channel_id) DO UPDATE SET at = excluded.at, outcome = excluded.outcome"
    " WHERE excluded.at >= at"
)
_WAITING_FOR = "SELECT id FROM channel WHERE topic = ? AND ended_at IS NULL AND unreachable = ?"
_REACHABLE = "UPDATE channel SET unreachable = '' WHERE topic = ? AND ended_at IS NULL AND unreachable = ?"
_MISSED = (
    "SELECT DISTINCT ch.id FROM delivery AS d JOIN channel AS ch ON ch.id = d.channel_id"
    " JOIN connection AS co ON co.id = ch.connection_id WHERE d.state = 'open' AND ch.topic = ? AND " + _PUSHABLE
)
_WAITING = (
    "SELECT DISTINCT d.channel_id FROM delivery AS d JOIN channel AS ch ON ch.id = d.channel_id"
    " JOIN connection AS co ON co.id = ch.connection_id"
    " LEFT JOIN contact ON contact.channel_id = d.channel_id"
    " LEFT JOIN push_state ON push_state.channel_id = d.channel_id"
    " WHERE d.state = 'open' AND d.not_before <= ?1 AND d.expires_at > ?1 AND "
    + _PUSHABLE
    + " AND coalesce(contact.last_seen, 0) < ?2 AND coalesce(push_state.at, 0) < ?3 LIMIT ?4"
)
_UNCONFIGURED = (
    "SELECT id, '', awaiting_since FROM connection AS co WHERE phase = 'connected' AND awaiting_since < ?1"
    " AND NOT EXISTS (SELECT 1 FROM delivery"
    " WHERE channel_id = co.id AND state = 'open' AND consequence = 'device-configured')"
    " UNION ALL SELECT co.id, ch.user_id, ch.awaiting_since FROM channel AS ch"
    " JOIN connection AS co ON co.id = ch.connection_id AND co.phase = 'connected'"
    " WHERE ch.awaiting_since < ?1 AND ch.user_id <> '' AND ch.ended_at IS NULL AND NOT EXISTS (SELECT 1 FROM delivery"
    " WHERE channel_id = ch.id AND state = 'open' AND consequence = 'user-configured')"
    " ORDER BY 3 LIMIT ?2"
)

_RENEWABLE = (
    "SELECT ce.connection_id, co.device_id, ce.issued_at, ce.not_after FROM certificate AS ce"
    " JOIN connection AS co ON co.id = ce.connection_id"
    " WHERE ce.status = 'bound' AND ce.authority = '' AND ce.heard_at IS NOT NULL"
    " AND co.phase = 'connected' AND co.profile_id IS NOT NULL"
)
_UNRENEWABLE = (
    "SELECT ce.connection_id FROM certificate AS ce JOIN connection AS co ON co.id = ce.connection_id"
    " WHERE ce.status = 'bound' AND ce.heard_at IS NOT NULL AND co.phase = 'connected'"
    " AND (ce.authority <> '' OR co.profile_id IS NULL)"
    " AND ce.not_after < ?1 AND coalesce(ce.warned_days, ?2 + 1) > ?2 ORDER BY ce.not_after LIMIT ?3"
)
_EXPIRING = (
    _RENEWABLE + " AND ce.not_after < ?1"
    " AND NOT EXISTS (SELECT 1 FROM work WHERE kind = 'renew' AND key = ce.connection_id)"
    " ORDER BY ce.not_after LIMIT ?2"
)
_SUPERSEDED = (
    _RENEWABLE + " AND NOT EXISTS (SELECT 1 FROM work WHERE kind = 'renew' AND key = ce.connection_id"
    " AND (due_at <= ?1 OR attempts > 0)) AND ce.issuer IN (SELECT value FROM json_each(?2)) LIMIT ?3"
)


class SqliteWork:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def lease(self, kind: str, now: Instant, until: Instant, limit: int) -> tuple[LeasedWork, ...]:
        lease = secrets.token_hex(8)

        def take(write: Write) -> tuple[LeasedWork, ...]:
            found = write.sql.execute(_LEASE, (lease, until, kind, now, limit)).fetchall()
            taken = [
                LeasedWork(kind=kind, key=key, attempts=attempts, due_at=due_at, lease=lease)
                for kind, key, attempts, due_at in found
            ]
            return tuple(sorted(taken, key=lambda work: (work.due_at, work.key)))

        return await self._database.write(take)

    async def finish(self, works: Sequence[LeasedWork]) -> None:
        held = [(work.kind, work.key, work.lease) for work in works]

        def finish(write: Write) -> None:
            write.sql.executemany(_FINISH, held)
            for work in held:
                write.sql.execute(_FINISH_AGAIN, work)
                if write.sql.changes():
                    write.woken.add(work[0])

        if held:
            await self._database.write(finish)

    async def put_back(self, works: Sequence[tuple[LeasedWork, Instant]]) -> None:
        held = [(due_at, work.kind, work.key, work.lease) for work, due_at in works]

        def put_back(write: Write) -> None:
            write.sql.executemany(_PUT_BACK, held)
            write.woken.update(kind for _, kind, _, _ in held)

        if held:
            await self._database.write(put_back)

    async def add(self, kind: str, keys: Sequence[str], due_at: Instant) -> None:
        def add(write: Write) -> None:
            for key in keys:
                put_work(write, Work(kind=kind, key=key, due_at=due_at))

        if keys:
            await self._database.write(add)

    async def next_due(self, kind: str) -> Instant | None:
        row = self._database.one(_NEXT_DUE, (kind,))
        return None if row is None else row[0]

    async def push_targets(self, channel_ids: Sequence[str]) -> tuple[PushTarget, ...]:
        def targets(sql: Sql) -> tuple[PushTarget, ...]:
            found: list[PushTarget] = []
            for start in range(0, len(channel_ids), _AT_ONCE):
                some = tuple(channel_ids[start : start + _AT_ONCE])
                statement = _TARGETS + any_of(len(some))
                found += [push_target(row, self._sealer) for row in sql.execute(statement, some)]
            return tuple(found)

        return await self._database.browse(targets)

    async def traces(self, channel_ids: Sequence[str]) -> tuple[tuple[str, str], ...]:
        asked = json.dumps(list(channel_ids)), TRACES
        return self._database.read(lambda sql: tuple(sql.execute(_TRACES, asked)))

    async def record_pushes(self, records: Sequence[PushRecord]) -> None:
        values = [(record.at, record.outcome, record.channel_id) for record in records]

        def record(write: Write) -> None:
            write.sql.executemany(_LOG_PUSH, values)
            write.sql.executemany(_LAST_PUSH, values)

        if values:
            await self._database.write(record)

    async def mark_unreachable(self, channel_id: str, token: bytes, why: str, event: Event) -> bool:
        def mark(write: Write) -> bool:
            row = write.sql.execute("SELECT token FROM channel WHERE id = ?", (channel_id,)).fetchone()
            if row is None or row[0] is None or rows.open_token(row[0], channel_id, self._sealer) != token:
                return False
            write.sql.execute("UPDATE channel SET unreachable = ? WHERE id = ?", (why, channel_id))
            add_events(write, (event,))
            return True

        return await self._database.write(mark)

    async def topic_arrived(self, topic: str) -> int:
        def arrive(write: Write) -> int:
            waited = [row[0] for row in write.sql.execute(_WAITING_FOR, (topic, NO_CERTIFICATE))]
            write.sql.execute(_REACHABLE, (topic, NO_CERTIFICATE))
            missed = [row[0] for row in write.sql.execute(_MISSED, (topic,))]
            for key in dict.fromkeys((*waited, *missed)):
                put_work(write, Work(kind=PUSH, key=key, due_at=0))
            return len(waited)

        return await self._database.write(arrive)

    async def waiting_channels(
        self, silent_since: Instant, pushed_before: Instant, now: Instant, limit: int
    ) -> tuple[str, ...]:
        values = (now, silent_since, pushed_before, limit)
        found = await self._database.browse(lambda sql: sql.execute(_WAITING, values).fetchall())
        return tuple(row[0] for row in found)

    async def unconfigured(self, awaiting_before: Instant, limit: int) -> tuple[tuple[str, str], ...]:
        values = (awaiting_before, limit)
        found = await self._database.browse(lambda sql: sql.execute(_UNCONFIGURED, values).fetchall())
        return tuple((row[0], row[1]) for row in found)

    async def expiring(self, before: Instant, limit: int) -> tuple[ExpiringIdentity, ...]:
        found = await self._database.browse(lambda sql: sql.execute(_EXPIRING, (before, limit)).fetchall())
        return tuple(expiring_identity(row) for row in found)

    async def unrenewable(self, before: Instant, warned: int, limit: int) -> tuple[str, ...]:
        values = (before, warned, limit)
        found = await self._database.browse(lambda sql: sql.execute(_UNRENEWABLE, values).fetchall())
        return tuple(row[0] for row in found)

    async def superseded(self, issuers: Sequence[str], begun_by: Instant, limit: int) -> tuple[ExpiringIdentity, ...]:
        values = (begun_by, json.dumps(list(issuers)), limit)
        found = await self._database.browse(lambda sql: sql.execute(_SUPERSEDED, values).fetchall())
        return tuple(expiring_identity(row) for row in found)


_AT_ONCE = 500
"""Keys in one statement."""
