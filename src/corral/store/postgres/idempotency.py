"""Keys of requests, and what was answered."""

import asyncio

from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.store import idempotency_rows as rows
from corral.store.idempotency import MOST_KEPT, Asked, KeptAnswer, Known, TooManyKeys
from corral.store.postgres.database import Database, Write
from corral.store.postgres.statements import select

_BEGIN = (
    "INSERT INTO idempotency (caller, key, digest, attempt, held_until, expires_at, changed)"  # noqa: S608 - own words
    " SELECT $1::text, $2::text, $3::bytea, $4::text, $5::bigint, $6::bigint, FALSE"
    " WHERE (SELECT count(*) FROM idempotency WHERE caller = $1) < $7"
    f" ON CONFLICT (caller, key) DO UPDATE SET {rows.BEGUN} WHERE {rows.FREE.format(now='$8')}"
)
_FIND = select("FROM idempotency AS i WHERE i.caller = $1 AND i.key = $2", i=rows.FOUND)
_HOLD = "UPDATE idempotency SET held_until = $1 WHERE attempt = $2 AND status IS NULL"
_FINISH = (
    "UPDATE idempotency SET status = $1, media_type = $2, answer = $3"
    " WHERE attempt = $4 AND status IS NULL AND (changed OR $1 < 400)"
)
_FREE = "DELETE FROM idempotency WHERE attempt = $1 AND status IS NULL"
_FORGET = (
    "DELETE FROM idempotency WHERE (caller, key) IN"
    " (SELECT caller, key FROM idempotency WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)"
)


class PostgresIdempotency:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def begin(
        self, asked: Asked, attempt: str, *, now: Instant, held_until: Instant, expires_at: Instant
    ) -> Known | None:
        async def begin(write: Write) -> Known | None:
            values = (asked.caller, asked.key, asked.digest, attempt, held_until, expires_at, MOST_KEPT, now)
            if await write.sql.run(_BEGIN, *values):
                return None
            found = await write.sql.one(_FIND, asked.caller, asked.key)
            if found is None:
                raise TooManyKeys
            return rows.known(found, now, self._sealer)

        return await self._database.write(begin)

    async def hold(self, attempt: str, until: Instant) -> None:
        await self._database.write(lambda write: write.sql.run(_HOLD, until, attempt))

    async def finish(self, attempt: str, answer: KeptAnswer) -> None:
        sealed = await asyncio.to_thread(rows.seal_answer, answer, attempt, self._sealer)

        async def finish(write: Write) -> None:
            await write.sql.run(_FINISH, answer.status, answer.media_type, sealed, attempt)
            await write.sql.run(_FREE, attempt)

        await self._database.write(finish)

    async def forget_expired(self, now: Instant, limit: int) -> int:
        return await self._database.write(lambda write: write.sql.run(_FORGET, now, limit))
