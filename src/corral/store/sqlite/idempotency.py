"""Keys of requests, and what was answered."""

import asyncio

from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.store import idempotency_rows as rows
from corral.store.idempotency import MOST_KEPT, Asked, KeptAnswer, Known, TooManyKeys
from corral.store.sqlite.database import Database
from corral.store.sqlite.statements import select
from corral.store.sqlite.writer import Write

_BEGIN = (
    "INSERT INTO idempotency (caller, key, digest, attempt, held_until, expires_at, changed)"  # noqa: S608 - own words
    " SELECT :caller, :key, :digest, :attempt, :held_until, :expires_at, 0"
    " WHERE (SELECT count(*) FROM idempotency WHERE caller = :caller) < :most"
    f" ON CONFLICT (caller, key) DO UPDATE SET {rows.BEGUN} WHERE {rows.FREE.format(now=':now')}"
)
_FIND = select("FROM idempotency AS i WHERE i.caller = :caller AND i.key = :key", i=rows.FOUND)
_HOLD = "UPDATE idempotency SET held_until = ? WHERE attempt = ? AND status IS NULL"
_FINISH = (
    "UPDATE idempotency SET status = ?1, media_type = ?2, answer = ?3"
    " WHERE attempt = ?4 AND status IS NULL AND (changed OR ?1 < 400)"
)
_FREE = "DELETE FROM idempotency WHERE attempt = ? AND status IS NULL"
_FORGET = (
    "DELETE FROM idempotency WHERE rowid IN"
    " (SELECT rowid FROM idempotency WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)"
)


class SqliteIdempotency:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def begin(
        self, asked: Asked, attempt: str, *, now: Instant, held_until: Instant, expires_at: Instant
    ) -> Known | None:
        values = {
            "caller": asked.caller,
            "key": asked.key,
            "digest": asked.digest,
            "attempt": attempt,
            "held_until": held_until,
            "expires_at": expires_at,
            "now": now,
            "most": MOST_KEPT,
        }

        def begin(write: Write) -> Known | None:
            write.sql.execute(_BEGIN, values)
            if write.sql.changes():
                return None
            found = write.sql.execute(_FIND, values).fetchone()
            if found is None:
                raise TooManyKeys
            return rows.known(found, now, self._sealer)

        return await self._database.write(begin)

    async def hold(self, attempt: str, until: Instant) -> None:
        await self._database.write(lambda write: write.sql.execute(_HOLD, (until, attempt)) and None)

    async def finish(self, attempt: str, answer: KeptAnswer) -> None:
        sealed = await asyncio.to_thread(rows.seal_answer, answer, attempt, self._sealer)

        def finish(write: Write) -> None:
            write.sql.execute(_FINISH, (answer.status, answer.media_type, sealed, attempt))
            write.sql.execute(_FREE, (attempt,))

        await self._database.write(finish)

    async def forget_expired(self, now: Instant, limit: int) -> int:
        def forget(write: Write) -> int:
            write.sql.execute(_FORGET, (now, limit))
            return write.sql.changes()

        return await self._database.write(forget)
