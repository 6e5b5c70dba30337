"""Background work as rows.

A row that is put anew during its lease remembers when (`again_at`), so that finishing the lease does not lose it.
Workers of any number of processes take rows without waiting for each other.
"""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

import asyncio
import secrets
from collections.abc import Sequence

from corral.lifecycle.change import Event, Work
from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.store import rows
from corral.store.postgres.database import Database, Write, opening
from corral.store.postgres.putting import PUSH, add_events, put_work
from corral.store.postgres.statements import transposed
from corral.store.records import expiring_identity, push_target
from corral.store.work import TRACES, ExpiringIdentity, LeasedWork, PushRecord, PushTarget

NO_CERTIFICATE = "no push certificate for its topic"
"""Why a channel waits for a topic, in the words of lifecycle.connecting; a test holds the two together."""

OPENED_AT_ONCE = 100
"""Tokens that are opened in the event loop before it answers devices again."""

_LEASE = (
    "WITH free AS MATERIALIZED (SELECT kind, key FROM work WHERE kind = $3 AND free_at <= $4 ORDER BY free_at LIMIT $5"
    " FOR NO KEY UPDATE SKIP LOCKED)"
    " UPDATE work AS w SET lease = $1, free_at = $2, due_at = least(w.due_at, w.again_at), again_at = NULL"
    " FROM free WHERE w.kind = free.kind AND w.key = free.key RETURNING w.key, w.attempts, w.due_at"
)
_HELD = "unnest($1::text[], $2::text[], $3::text[]) AS a (kind, key, lease)"
_MINE = " WHERE w.kind = a.kind AND w.key = a.key AND w.lease = a.lease"
_FINISH = f"DELETE FROM work AS w USING {_HELD}{_MINE} AND w.again_at IS NULL"
_FINISH_AGAIN = (
    "UPDATE work AS w SET due_at = w.again_at, free_at = w.again_at, again_at = NULL, lease = NULL, attempts = 0"
    f" FROM {_HELD}{_MINE} RETURNING w.kind"
)
_PUT_BACK = (
    "UPDATE work AS w SET due_at = least(a.due_at, w.again_at), free_at = least(a.due_at, w.again_at), again_at = NULL,"
    " lease = NULL, attempts = w.attempts + 1"
    f" FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS a (kind, key, lease, due_at){_MINE}"
)
_NEXT_DUE = "SELECT min(free_at) FROM work WHERE kind = $1"
_PUSHABLE = (
    "co.phase IN ('connected', 'ending') AND ch.ended_at IS NULL AND ch.unreachable = ''"
    " AND ch.token IS NOT NULL AND ch.magic IS NOT NULL"
)
_TARGETS = (
    "SELECT ch.id, ch.connection_id, co.device_id, ch.topic, ch.token, ch.magic, coalesce(ch.token_updated_at, 0)"
    " FROM channel AS ch JOIN connection AS co ON co.id = ch.connection_id WHERE "
    + _PUSHABLE
    + " AND ch.id = ANY ($1::text[])"
)
_PUSHED = "unnest($1::text[], $2::bigint[], $3::text[]) AS a (id, at, outcome) JOIN channel AS ch ON ch.id = a.id"
_TRACES = (
    "SELECT a.id, d.trace FROM unnest($1::text[]) AS a (id) CROSS JOIN LATERAL (SELECT trace FROM delivery"
    " WHERE channel_id = a.id AND state = 'open' AND trace IS NOT NULL ORDER BY priority DESC, sequence LIMIT $2) AS d"
)
_LOG_PUSH = f"INSERT INTO push_log (channel_id, at, outcome) SELECT a.id, a.at, a.outcome FROM {_PUSHED}"
_LAST_PUSH = (
    f"INSERT INTO push_state (channel_id, at, outcome) SELECT DISTINCT ON (a.id) a.id, a.at, a.outcome FROM {_PUSHED}"
    " ORDER BY a.id, a.at DESC"
    " ON CONFLICT (channel_id) DO UPDATE SET at = excluded.at, outcome = excluded.outcome"
    " WHERE excluded.at >= push_state.at"
)
_TOKEN = "SELECT token FROM channel WHERE id = $1 FOR NO KEY UPDATE"  # noqa: S105 - a statement
_UNREACHABLE = "UPDATE channel SET unreachable = $2 WHERE id = $1"
_REACHABLE = (
    "UPDATE channel SET unreachable = '' WHERE topic = $1 AND ended_at IS NULL AND unreachable = $2 RETURNING id"
)
_MISSED = (
    "SELECT DISTINCT ch.id FROM delivery AS d JOIN channel AS ch ON ch.id = d.channel_id"
    " JOIN connection AS co ON co.id = ch.connection_id WHERE d.state = 'open' AND ch.topic = $1 AND " + _PUSHABLE
)
_WAITING = (
    "SELECT DISTINCT d.channel_id FROM delivery AS d JOIN channel AS ch ON ch.id = d.channel_id"
    " JOIN connection AS co ON co.id = ch.connection_id"
    " LEFT JOIN contact ON contact.channel_id = d.channel_id"
    " LEFT JOIN push_state ON push_state.channel_id = d.channel_id"
    " WHERE d.state = 'open' AND d.not_before <= $1 AND d.expires_at > $1 AND "
    + _PUSHABLE
    + " AND coalesce(contact.last_seen, 0) < $2 AND coalesce(push_state.at, 0) < $3 LIMIT $4"
)
_UNCONFIGURED = (
    "SELECT id, '', awaiting_since FROM connection AS co WHERE phase = 'connected' AND awaiting_since < $1"
    " AND NOT EXISTS (SELECT 1 FROM delivery"
    " WHERE channel_id = co.id AND state = 'open' AND consequence = 'device-configured')"
    " UNION ALL SELECT co.id, ch.user_id, ch.awaiting_since FROM channel AS ch"
    " JOIN connection AS co ON co.id = ch.connection_id AND co.phase = 'connected'"
    " WHERE ch.awaiting_since < $1 AND ch.user_id <> '' AND ch.ended_at IS NULL AND NOT EXISTS (SELECT 1 FROM delivery"
    " WHERE channel_id = ch.id AND state = 'open' AND consequence = 'user-configured')"
    " ORDER BY 3 LIMIT $2"
)

_RENEWABLE = (
    "SELECT ce.connection_id, co.device_id, ce.issued_at, ce.not_after FROM certificate AS ce"
    " JOIN connection AS co ON co.id = ce.connection_id"
    " WHERE ce.status = 'bound' AND ce.authority = '' AND ce.heard_at IS NOT NULL"
    " AND co.phase = 'connected' AND co.profile_digest IS NOT NULL"
)
_UNRENEWABLE = (
    "SELECT ce.connection_id FROM certificate AS ce JOIN connection AS co ON co.id = ce.connection_id"
    " WHERE ce.status = 'bound' AND ce.heard_at IS NOT NULL AND co.phase = 'connected'"
    " AND (ce.authority <> '' OR co.profile_digest IS NULL)"
    " AND ce.not_after < $1 AND coalesce(ce.warned_days, $2 + 1) > $2 ORDER BY ce.not_after LIMIT $3"
)
_EXPIRING = (
    _RENEWABLE + " AND ce.not_after < $1"
    " AND NOT EXISTS (SELECT 1 FROM work WHERE kind = 'renew' AND key = ce.connection_id)"
    " ORDER BY ce.not_after LIMIT $2"
)
_SUPERSEDED = (
    _RENEWABLE + " AND NOT EXISTS (SELECT 1 FROM work WHERE kind = 'renew' AND key = ce.connection_id"
    " AND (due_at <= $1 OR attempts > 0)) AND ce.issuer = ANY ($2::text[]) LIMIT $3"
)


class PostgresWork:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def lease(self, kind: str, now: Instant, until: Instant, limit: int) -> tuple[LeasedWork, ...]:
        lease = secrets.token_hex(8)

        async def take(write: Write) -> tuple[LeasedWork, ...]:
            taken = [
                LeasedWork(kind=kind, key=key, attempts=attempts, due_at=due_at, lease=lease)
                for key, attempts, due_at in await write.sql.all(_LEASE, lease, until, kind, now, limit)
            ]
            return tuple(sorted(taken, key=lambda work: (work.due_at, work.key)))

        return await self._database.write(take)

    async def finish(self, works: Sequence[LeasedWork]) -> None:
        held = sorted((work.kind, work.key, work.lease) for work in works)

        async def finish(write: Write) -> None:
            values = transposed(held)
            if await write.sql.run(_FINISH, *values) < len(held):
                write.woken.update(row[0] for row in await write.sql.all(_FINISH_AGAIN, *values))

        if held:
            await self._database.write(finish)

    async def put_back(self, works: Sequence[tuple[LeasedWork, Instant]]) -> None:
        held = sorted((work.kind, work.key, work.lease, due_at) for work, due_at in works)

        async def put_back(write: Write) -> None:
            await write.sql.run(_PUT_BACK, *transposed(held))
            write.woken.update(kind for kind, *_ in held)

        if held:
            await self._database.write(put_back)

    async def add(self, kind: str, keys: Sequence[str], due_at: Instant) -> None:
        async def add(write: Write) -> None:
            await put_work(write, [Work(kind=kind, key=key, due_at=due_at) for key in keys])

        if keys:
            await self._database.write(add)

    async def next_due(self, kind: str) -> Instant | None:
        row = await self._database.one(_NEXT_DUE, kind)
        return None if row is None else row[0]

    async def push_targets(self, channel_ids: Sequence[str]) -> tuple[PushTarget, ...]:
        found = await self._database.all(_TARGETS, list(channel_ids))
        targets: list[PushTarget] = []
        for start in range(0, len(found), OPENED_AT_ONCE):
            with opening():
                targets += (push_target(row, self._sealer) for row in found[start : start + OPENED_AT_ONCE])
            await asyncio.sleep(0)
        return tuple(targets)

    async def traces(self, channel_ids: Sequence[str]) -> tuple[tuple[str, str], ...]:
        found = await self._database.all(_TRACES, list(channel_ids), TRACES)
        return tuple((channel, trace) for channel, trace in found)

    async def record_pushes(self, records: Sequence[PushRecord]) -> None:
        """Not worth a flush of its own: what is lost in a crash is a line of the timeline."""
        values = sorted((record.channel_id, record.at, record.outcome) for record in records)

        async def record(write: Write) -> None:
            await write.sql.run(_LOG_PUSH, *transposed(values))
            await write.sql.run(_LAST_PUSH, *transposed(values))

        if values:
            await self._database.write(record, durably=False)

    async def mark_unreachable(self, channel_id: str, token: bytes, why: str, event: Event) -> bool:
        async def mark(write: Write) -> bool:
            row = await write.sql.one(_TOKEN, channel_id)
            if row is None or row[0] is None or rows.open_token(row[0], channel_id, self._sealer) != token:
                return False
            await write.sql.run(_UNREACHABLE, channel_id, why)
            await add_events(write, [event])
            return True

        return await self._database.write(mark)

    async def topic_arrived(self, topic: str) -> int:
        async def arrive(write: Write) -> int:
            waited = [row[0] for row in await write.sql.all(_REACHABLE, topic, NO_CERTIFICATE)]
            missed = [row[0] for row in await write.sql.all(_MISSED, topic)]
            keys = dict.fromkeys((*waited, *missed))
            await put_work(write, [Work(kind=PUSH, key=key, due_at=0) for key in keys])
            return len(waited)

        return await self._database.write(arrive)

    async def waiting_channels(
        self, silent_since: Instant, pushed_before: Instant, now: Instant, limit: int
    ) -> tuple[str, ...]:
        found = await self._database.all(_WAITING, now, silent_since, pushed_before, limit)
        return tuple(row[0] for row in found)

    async def unconfigured(self, awaiting_before: Instant, limit: int) -> tuple[tuple[str, str], ...]:
        found = await self._database.all(_UNCONFIGURED, awaiting_before, limit)
        return tuple((row[0], row[1]) for row in found)

    async def expiring(self, before: Instant, limit: int) -> tuple[ExpiringIdentity, ...]:
        return tuple(expiring_identity(row) for row in await self._database.all(_EXPIRING, before, limit))

    async def unrenewable(self, before: Instant, warned: int, limit: int) -> tuple[str, ...]:
        return tuple(row[0] for row in await self._database.all(_UNRENEWABLE, before, warned, limit))

    async def superseded(self, issuers: Sequence[str], begun_by: Instant, limit: int) -> tuple[ExpiringIdentity, ...]:
        found = await self._database.all(_SUPERSEDED, begun_by, list(issuers), limit)
        return tuple(expiring_identity(row) for row in found)
