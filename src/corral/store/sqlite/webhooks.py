"""Webhooks, and the letters that were not taken at once."""

from collections.abc import Mapping, Sequence

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.store import webhook_rows as r
from corral.store.sqlite.applying import add_events
from corral.store.sqlite.connecting import Row, Sql
from corral.store.sqlite.database import Database
from corral.store.sqlite.statements import insert, select, update, upsert
from corral.store.sqlite.writer import Write
from corral.store.webhooks import Letter, Letters, Progress, Webhook

_ADD = insert("webhook", r.WEBHOOK)
_ALL = select("FROM webhook AS w ORDER BY w.created_at, w.id", w=r.WEBHOOK)
_FIND = select("FROM webhook AS w WHERE w.id = ?", w=r.WEBHOOK)
_HELD = select("FROM webhook AS w WHERE w.id = ? AND w.holder = ?", w=r.WEBHOOK)
_CONFIGURE = update("webhook", r.CONFIGURED, "id = ?")
_ENABLE = (
    "UPDATE webhook SET disabled_at = NULL, disabled_why = '', failing_since = NULL, paused_until = 0, problem = ''"
    " WHERE id = ? AND disabled_at IS NOT NULL"
)
_AS_NEW = "UPDATE letter SET put_at = ?, due_at = 0, attempts = 0 WHERE webhook_id = ? AND dead_at IS NULL"
_REWIND = "UPDATE webhook SET passed = ?, failing_since = NULL, paused_until = 0 WHERE id = ?"
_DROP_LATER = "DELETE FROM letter WHERE webhook_id = ? AND sequence > ?"
_REMOVE = "DELETE FROM webhook WHERE id = ?"
_LEASE = (
    "UPDATE webhook SET holder = ?1, held_until = ?2 WHERE id IN (SELECT id FROM webhook"
    " WHERE disabled_at IS NULL AND (holder IS NULL OR held_until <= ?3) ORDER BY held_until LIMIT ?4) RETURNING id"
)
_KEEP = "UPDATE webhook SET held_until = ?2 WHERE holder = ?1 RETURNING id"
_RELEASE = "UPDATE webhook SET holder = NULL, held_until = 0 WHERE holder = ? AND id = ?"
_WAITING = select(
    "FROM letter AS l WHERE l.webhook_id = ? AND l.dead_at IS NULL ORDER BY l.sequence LIMIT ?", l=r.LETTER
)
_SETTLE = (
    "UPDATE webhook SET passed = ?, succeeded_at = ?, failing_since = ?, paused_until = ?, problem = ?,"
    " disabled_at = coalesce(disabled_at, ?), disabled_why = iif(disabled_why = '', ?, disabled_why)"
    " WHERE id = ? AND holder = ? AND passed = ?"
)
_PUT_LETTER = upsert("letter", "webhook_id " + r.LETTER, "webhook_id, sequence")
_TAKEN = "DELETE FROM letter WHERE webhook_id = ? AND sequence = ?"
_ALL_DUE = "UPDATE letter SET due_at = 0 WHERE webhook_id = ? AND dead_at IS NULL"
_DEAD = select(
    "FROM letter AS l WHERE l.webhook_id = ?1 AND l.dead_at IS NOT NULL AND (?2 IS NULL OR l.sequence < ?2)"
    " ORDER BY l.sequence DESC LIMIT ?3",
    l=r.LETTER,
)
_RESEND_ALL = (
    "UPDATE letter SET dead_at = NULL, put_at = ?, due_at = 0, attempts = 0 WHERE webhook_id = ?"
    " AND dead_at IS NOT NULL"
)
_RESEND = _RESEND_ALL + " AND sequence = ?"
_COUNTS = "SELECT webhook_id, count(*) - count(dead_at), count(dead_at) FROM letter GROUP BY webhook_id"
_ORPHANS = (
    "DELETE FROM letter WHERE (webhook_id, sequence) IN (SELECT l.webhook_id, l.sequence FROM letter AS l"
    " WHERE NOT EXISTS (SELECT 1 FROM event AS e WHERE e.sequence = l.sequence) LIMIT ?)"
)


class SqliteWebhooks:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def add(self, webhook: Webhook, event: Event) -> None:
        await self._change(_ADD, r.webhook_row(webhook, self._sealer), event)

    async def all(self) -> tuple[Webhook, ...]:
        return self._database.read(lambda sql: tuple(r.webhook(row, self._sealer) for row in sql.execute(_ALL)))

    async def find(self, webhook_id: str) -> Webhook | None:
        return self._one(_FIND, (webhook_id,))

    async def configure(self, webhook: Webhook, *events: Event, enabled_at: Instant | None = None) -> bool:
        row = (*r.configured_row(webhook, self._sealer), webhook.id)

        def configure(write: Write) -> bool:
            if enabled_at is not None:
                write.sql.execute(_ENABLE, (webhook.id,))
                write.sql.execute(_AS_NEW, (enabled_at, webhook.id))
            write.sql.execute(_CONFIGURE, row)
            if not write.sql.changes():
                return False
            add_events(write, events)
            write.woken.add("webhook")
            return True

        return await self._database.write(configure)

    async def enable(self, webhook_id: str, now: Instant, event: Event) -> bool:
        return await self._change(_ENABLE, (webhook_id,), event, (_AS_NEW, (now, webhook_id)))

    async def rewind(self, webhook_id: str, passed: int, event: Event) -> bool:
        return await self._change(_REWIND, (passed, webhook_id), event, (_DROP_LATER, (webhook_id, passed)))

    async def remove(self, webhook_id: str, event: Event) -> bool:
        return await self._change(_REMOVE, (webhook_id,), event)

    async def lease(self, holder: str, now: Instant, until: Instant, limit: int) -> tuple[str, ...]:
        def lease(write: Write) -> tuple[str, ...]:
            return tuple(row[0] for row in write.sql.execute(_LEASE, (holder, until, now, limit)))

        free = "SELECT 1 FROM webhook WHERE disabled_at IS NULL AND (holder IS NULL OR held_until <= ?) LIMIT 1"
        return await self._database.write(lease) if self._database.one(free, (now,)) else ()

    async def keep(self, holder: str, until: Instant) -> frozenset[str]:
        def keep(write: Write) -> frozenset[str]:
            return frozenset(row[0] for row in write.sql.execute(_KEEP, (holder, until)))

        return await self._database.write(keep)

    async def release(self, holder: str, webhook_ids: Sequence[str]) -> None:
        held = [(holder, each) for each in webhook_ids]
        if held:
            await self._database.write(lambda write: write.sql.executemany(_RELEASE, held))

    async def held(self, holder: str, webhook_id: str) -> Webhook | None:
        return self._one(_HELD, (webhook_id, holder))

    async def waiting(self, webhook_id: str, limit: int) -> tuple[Letter, ...]:
        return tuple(r.letter(row) for row in self._database.all(_WAITING, (webhook_id, limit)))

    async def settle(self, holder: str, webhook_id: str, progress: Progress) -> bool:
        def settle(write: Write) -> bool:
            sql = write.sql
            sql.execute(_SETTLE, (*r.progress_row(progress), webhook_id, holder, progress.before))
            if not sql.changes():
                return False
            if progress.all_due:
                sql.execute(_ALL_DUE, (webhook_id,))
            sql.executemany(_PUT_LETTER, [(webhook_id, *r.letter_row(each)) for each in progress.letters])
            sql.executemany(_TAKEN, [(webhook_id, each) for each in progress.taken])
            add_events(write, progress.events)
            return True

        return await self._database.write(settle)

    async def dead(self, webhook_id: str, before: int | None, limit: int) -> tuple[Letter, ...]:
        return tuple(r.letter(row) for row in self._database.all(_DEAD, (webhook_id, before, limit)))

    async def resend(self, webhook_id: str, sequences: Sequence[int] | None, now: Instant, event: Event) -> int:
        def resend(write: Write) -> int:
            count = 0
            if sequences is None:
                write.sql.execute(_RESEND_ALL, (now, webhook_id))
                count = write.sql.changes()
            for each in sequences or ():
                write.sql.execute(_RESEND, (now, webhook_id, each))
                count += write.sql.changes()
            if count:
                add_events(write, (event,))
            return count

        return await self._database.write(resend)

    async def letters(self) -> Mapping[str, Letters]:
        return {row[0]: Letters(row[1], row[2]) for row in self._database.all(_COUNTS)}

    async def forget_orphans(self, now: Instant, limit: int) -> int:
        del now

        def forget(write: Write) -> int:
            write.sql.execute(_ORPHANS, (limit,))
            return write.sql.changes()

        return await self._database.write(forget)

    def _one(self, statement: str, values: Row) -> Webhook | None:
        def find(sql: Sql) -> Webhook | None:
            row = sql.execute(statement, values).fetchone()
            return None if row is None else r.webhook(row, self._sealer)

        return self._database.read(find)

    async def _change(self, statement: str, values: Row, event: Event, then: tuple[str, Row] | None = None) -> bool:
        """One row of a webhook; if it was there, what follows from it, and the event."""

        def change(write: Write) -> bool:
            write.sql.execute(statement, values)
            if not write.sql.changes():
                return False
            if then is not None:
                write.sql.execute(*then)
            add_events(write, (event,))
            write.woken.add("webhook")
            return True

        return await self._database.write(change)
