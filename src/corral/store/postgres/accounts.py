"""Sessions of accounts, and their tokens."""

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant
from corral.store import account_rows
from corral.store.accounts import AccountSession, AccountToken
from corral.store.marks import Mark, place
from corral.store.postgres.database import Database, Write
from corral.store.postgres.putting import carry_out
from corral.store.postgres.statements import insert, select, transposed

_ADD_SESSION = insert("account_session", account_rows.SESSION)
_ADD_TOKENS = insert("account_token", account_rows.TOKEN, "ON CONFLICT DO NOTHING")
_FIND = select(
    "FROM account_token AS t JOIN account_session AS s ON s.id = t.session_id WHERE t.digest = $1",
    t=account_rows.TOKEN,
    s=account_rows.SESSION,
)
_SPEND = "UPDATE account_token SET spent_at = $1 WHERE digest = $2 AND spent_at IS NULL"
_SESSIONS = select(
    "FROM account_session AS s WHERE $1::bigint IS NULL OR (s.created_at, s.id) < ($1, $2)"
    " ORDER BY s.created_at DESC, s.id DESC LIMIT $3",
    s=account_rows.SESSION,
)
_REVOKE = "UPDATE account_session SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL"
_FORGET = tuple(
    f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE expires_at <= $1 LIMIT $2)"  # noqa: S608
    for table, key in (("account_token", "digest"), ("account_session", "id"))
)


class _Known(Exception):
    pass


class PostgresAccounts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_session(self, session: AccountSession, tokens: tuple[AccountToken, ...]) -> None:
        async def add(write: Write) -> None:
            await write.sql.run(_ADD_SESSION, *transposed([account_rows.session_row(session)]))
            if tokens:
                await write.sql.run(_ADD_TOKENS, *transposed([account_rows.token_row(each) for each in tokens]))

        await self._database.write(add)

    async def add_tokens(self, tokens: tuple[AccountToken, ...]) -> bool:
        async def add(write: Write) -> None:
            made = await write.sql.run(_ADD_TOKENS, *transposed([account_rows.token_row(each) for each in tokens]))
            if made < len(tokens):
                raise _Known

        try:
            await self._database.write(add)
        except _Known:
            return False
        return True

    async def find(self, digest: bytes) -> tuple[AccountToken, AccountSession] | None:
        row = await self._database.one(_FIND, digest)
        return None if row is None else account_rows.token_and_session(row)

    async def spend(self, digest: bytes, now: Instant) -> bool:
        return await carry_out(self._database, _SPEND, now, digest) > 0

    async def sessions(self, limit: int, before: Mark | None) -> tuple[AccountSession, ...]:
        return tuple(account_rows.session(row) for row in await self._database.all(_SESSIONS, *place(before), limit))

    async def revoke_session(self, session_id: str, now: Instant, events: tuple[Event, ...] = ()) -> bool:
        return await carry_out(self._database, _REVOKE, now, session_id, events=events) > 0

    async def forget_expired(self, now: Instant, limit: int) -> int:
        return sum([await carry_out(self._database, each, now, limit) for each in _FORGET])
