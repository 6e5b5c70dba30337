"""Webhooks, and the letters that were not taken at once."""

from collections.abc import Mapping, Sequence

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.store import webhook_rows as r
from corral.store.postgres.connecting import Session
from corral.store.postgres.database import Database, Write
from corral.store.postgres.putting import add_events
from corral.store.postgres.statements import insert, select, transposed, upsert
from corral.store.webhooks import Letter, Letters, Progress, Webhook

_ADD = insert("webhook", r.WEBHOOK)
_ALL = select("FROM webhook AS w ORDER BY w.created_at, w.id", w=r.WEBHOOK)
_FIND = select("FROM webhook AS w WHERE w.id = $1", w=r.WEBHOOK)
_HELD = select("FROM webhook AS w WHERE w.id = $1 AND w.holder = $2", w=r.WEBHOOK)
_CONFIGURE = (
    "UPDATE webhook SET url = $1, note = $2, types = $3, secrets = $4, disabled_at = $5, disabled_why = $6"
    " WHERE id = $7"
)
_ENABLE = (
    "UPDATE webhook SET disabled_at = NULL, disabled_why = '', failing_since = NULL, paused_until = 0, problem = ''"
    " WHERE id = $1 AND disabled_at IS NOT NULL"
)
_AS_NEW = "UPDATE letter SET put_at = $1, due_at = 0, attempts = 0 WHERE webhook_id = $2 AND dead_at IS NULL"
_REWIND = "UPDATE webhook SET passed = $1, failing_since = NULL, paused_until = 0 WHERE id = $2"
_DROP_LATER = "DELETE FROM letter WHERE webhook_id = $1 AND sequence > $2"
_REMOVE = "DELETE FROM webhook WHERE id = $1"
_FREE = "SELECT 1 FROM webhook WHERE disabled_at IS NULL AND (holder IS NULL OR held_until <= $1) LIMIT 1"
_LEASE = (
    "UPDATE webhook SET holder = $1, held_until = $2 WHERE id IN (SELECT id FROM webhook"
    " WHERE disabled_at IS NULL AND (holder IS NULL OR held_until <= $3) ORDER BY held_until LIMIT $4"
    " FOR UPDATE SKIP LOCKED) RETURNING id"
)
_KEEP = "UPDATE webhook SET held_until = $2 WHERE holder = $1 RETURNING id"
_RELEASE = "UPDATE webhook SET holder = NULL, held_until = 0 WHERE holder = $1 AND id = ANY ($2::text[])"
_WAITING = select(
    "FROM letter AS l WHERE l.webhook_id = $1 AND l.dead_at IS NULL ORDER BY l.sequence LIMIT $2", l=r.LETTER
)
_SETTLE = (
    "UPDATE webhook SET passed = $1, succeeded_at = $2, failing_since = $3, paused_until = $4, problem = $5,"
    " disabled_at = coalesce(disabled_at, $6),"
    " disabled_why = CASE WHEN disabled_why = '' THEN $7 ELSE disabled_why END"
    " WHERE id = $8 AND holder = $9 AND passed = $10"
)
_PUT_LETTERS = upsert("letter", "webhook_id " + r.LETTER, "webhook_id, sequence")
_TAKEN = "DELETE FROM letter WHERE webhook_id = $1 AND sequence = ANY ($2::bigint[])"
_ALL_DUE = "UPDATE letter SET due_at = 0 WHERE webhook_id = $1 AND dead_at IS NULL"
_DEAD = select(
    "FROM letter AS l WHERE l.webhook_id = $1 AND l.dead_at IS NOT NULL"
    " AND ($2::bigint IS NULL OR l.sequence < $2) ORDER BY l.sequence DESC LIMIT $3",
    l=r.LETTER,
)
_RESEND = (
    "UPDATE letter SET dead_at = NULL, put_at = $1, due_at = 0, attempts = 0 WHERE webhook_id = $2"
    " AND dead_at IS NOT NULL AND ($3::bigint[] IS NULL OR sequence = ANY ($3))"
)
_COUNTS = "SELECT webhook_id, count(*) - count(dead_at), count(dead_at) FROM letter GROUP BY webhook_id"
_ORPHANS = (
    "DELETE FROM letter WHERE (webhook_id, sequence) IN (SELECT l.webhook_id, l.sequence FROM letter AS l"
    " WHERE NOT EXISTS (SELECT 1 FROM event AS e WHERE e.sequence = l.sequence) LIMIT $1)"
)


class PostgresWebhooks:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def add(self, webhook: Webhook, event: Event) -> None:
        await self._change(event, _ADD, *transposed([r.webhook_row(webhook, self._sealer)]))

    async def all(self) -> tuple[Webhook, ...]:
        async def read(sql: Session) -> tuple[Webhook, ...]:
            return tuple(r.webhook(row, self._sealer) for row in await sql.all(_ALL))

        return await self._database.read(read)

    async def find(self, webhook_id: str) -> Webhook | None:
        return await self._one(_FIND, webhook_id)

    async def configure(self, webhook: Webhook, *events: Event, enabled_at: Instant | None = None) -> bool:
        row = (*r.configured_row(webhook, self._sealer), webhook.id)

        async def configure(write: Write) -> bool:
            if enabled_at is not None and await write.sql.run(_ENABLE, webhook.id):
                await write.sql.run(_AS_NEW, enabled_at, webhook.id)
            if not await write.sql.run(_CONFIGURE, *row):
                return False
            await add_events(write, events)
            write.woken.add("webhook")
            return True

        return await self._database.write(configure)

    async def enable(self, webhook_id: str, now: Instant, event: Event) -> bool:
        return await self._change(event, _ENABLE, webhook_id, then=(_AS_NEW, now, webhook_id))

    async def rewind(self, webhook_id: str, passed: int, event: Event) -> bool:
        return await self._change(event, _REWIND, passed, webhook_id, then=(_DROP_LATER, webhook_id, passed))

    async def remove(self, webhook_id: str, event: Event) -> bool:
        return await self._change(event, _REMOVE, webhook_id)

    async def lease(self, holder: str, now: Instant, until: Instant, limit: int) -> tuple[str, ...]:
        if await self._database.one(_FREE, now) is None:
            return ()
        return tuple(row[0] for row in await self._written(_LEASE, holder, until, now, limit))

    async def keep(self, holder: str, until: Instant) -> frozenset[str]:
        return frozenset(row[0] for row in await self._written(_KEEP, holder, until))

    async def release(self, holder: str, webhook_ids: Sequence[str]) -> None:
        if webhook_ids:
            ids = list(webhook_ids)
            await self._database.write(lambda write: write.sql.run(_RELEASE, holder, ids), durably=False)

    async def held(self, holder: str, webhook_id: str) -> Webhook | None:
        return await self._one(_HELD, webhook_id, holder)

    async def waiting(self, webhook_id: str, limit: int) -> tuple[Letter, ...]:
        return tuple(r.letter(row) for row in await self._database.all(_WAITING, webhook_id, limit))

    async def settle(self, holder: str, webhook_id: str, progress: Progress) -> bool:
        async def settle(write: Write) -> bool:
            sql = write.sql
            if not await sql.run(_SETTLE, *r.progress_row(progress), webhook_id, holder, progress.before):
                return False
            if progress.all_due:
                await sql.run(_ALL_DUE, webhook_id)
            if progress.letters:
                rows = [(webhook_id, *r.letter_row(each)) for each in progress.letters]
                await sql.run(_PUT_LETTERS, *transposed(rows))
            if progress.taken:
                await sql.run(_TAKEN, webhook_id, list(progress.taken))
            await add_events(write, progress.events)
            return True

        return await self._database.write(settle)

    async def dead(self, webhook_id: str, before: int | None, limit: int) -> tuple[Letter, ...]:
        return tuple(r.letter(row) for row in await self._database.all(_DEAD, webhook_id, before, limit))

    async def resend(self, webhook_id: str, sequences: Sequence[int] | None, now: Instant, event: Event) -> int:
        wanted = None if sequences is None else list(sequences)

        async def resend(write: Write) -> int:
            count = await write.sql.run(_RESEND, now, webhook_id, wanted)
            if count:
                await add_events(write, [event])
            return count

        return await self._database.write(resend)

    async def letters(self) -> Mapping[str, Letters]:
        return {row[0]: Letters(row[1], row[2]) for row in await self._database.all(_COUNTS)}

    async def forget_orphans(self, now: Instant, limit: int) -> int:
        del now
        return await self._database.write(lambda write: write.sql.run(_ORPHANS, limit), durably=False)

    async def _one(self, statement: str, *values: object) -> Webhook | None:
        async def find(sql: Session) -> Webhook | None:
            row = await sql.one(statement, *values)
            return None if row is None else r.webhook(row, self._sealer)

        return await self._database.read(find)

    async def _written(self, statement: str, *values: object) -> list[tuple[str]]:
        """What a statement about leases returns: none of it is worth a flush to disk."""
        return await self._database.write(lambda write: write.sql.all(statement, *values), durably=False)

    async def _change(self, event: Event, statement: str, *values: object, then: tuple[object, ...] = ()) -> bool:
        """One row of a webhook; if it was there, what follows from it, and the event."""

        async def change(write: Write) -> bool:
            if not await write.sql.run(statement, *values):
                return False
            if then:
                await write.sql.run(str(then[0]), *then[1:])
            await add_events(write, [event])
            write.woken.add("webhook")
            return True

        return await self._database.write(change)
