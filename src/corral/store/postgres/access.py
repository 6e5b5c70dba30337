"""Tokens, users and roles."""

from corral.lifecycle.state import Instant
from corral.store import access_rows as rows
from corral.store.access import ENDED_KEPT, RANKS, AccessChange, AccessRefused, Credential, Held, Outcome, Role, User
from corral.store.postgres.connecting import Session
from corral.store.postgres.database import Database, Write
from corral.store.postgres.putting import add_events
from corral.store.postgres.statements import arrays, insert, listed, select, transposed, upsert

_FIND = select(
    "FROM credential AS c LEFT JOIN user_account AS u ON u.id = c.user_id"
    " LEFT JOIN role AS r ON r.name = coalesce(u.role, c.role) WHERE c.digest = $1",
    c=rows.CREDENTIAL,
    u=rows.USER,
    r=rows.ROLE,
)
_CREDENTIALS = select("FROM credential AS c ORDER BY c.created_at DESC, c.number DESC", c=rows.CREDENTIAL)
_USERS = select("FROM user_account AS u ORDER BY u.name", u=rows.USER)
_USER = select("FROM user_account AS u WHERE u.name = $1 OR u.id = $1", u=rows.USER)
_USER_OF = select("FROM user_account AS u WHERE u.subject = $1 AND u.subject <> ''", u=rows.USER)
_ROLES = select("FROM role AS r ORDER BY r.name", r=rows.ROLE)


def _replace(table: str, columns: str, key: str) -> str:
    sets = ", ".join(columns.split())
    return (
        f"UPDATE {table} AS t SET ({sets}) = ROW({listed(columns, 'a')}) FROM {arrays(columns)} WHERE t.{key} = a.{key}"  # noqa: S608 - names of this package only
    )


_NEW_ROLE = insert("role", rows.ROLE, "ON CONFLICT DO NOTHING")
_PUT_ROLE = _replace("role", rows.ROLE, "name")
_NEW_USER = insert("user_account", rows.USER, "ON CONFLICT DO NOTHING")
_PUT_USER = _replace("user_account", rows.USER, "id")
_PUT_CREDENTIAL = upsert("credential", rows.CREDENTIAL, "id")
_REVOKE = "UPDATE credential SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL"
_END_SESSIONS = "UPDATE credential SET revoked_at = $1 WHERE user_id = $2 AND revoked_at IS NULL"
_DROP_ROLE = "DELETE FROM role WHERE name = $1"
_IS_ROLE = "SELECT 1 FROM role WHERE name = $1"
_HAVE_ROLE = (
    "SELECT 1 FROM user_account WHERE role = $1 UNION ALL SELECT 1 FROM credential WHERE role = $1"
    " AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2) LIMIT 1"
)
_RANK = f"SELECT max(lasts) FROM ({RANKS} AND (expires_at IS NULL OR expires_at > $1)) AS a"  # noqa: S608 - ours
# Two at once could each take the other's rights away, or give a role to somebody while it is dropped.
_ONE_AT_A_TIME = "SELECT 1 FROM meta WHERE name = 'seal' FOR UPDATE"
_FORGET = (
    "DELETE FROM credential WHERE number IN (SELECT number FROM credential WHERE"
    " user_id IS NOT NULL AND expires_at <= $1 OR user_id IS NULL AND (expires_at <= $2 OR revoked_at <= $2) LIMIT $3)"
)


class PostgresAccess:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, digest: bytes) -> Held | None:
        row = await self._database.one(_FIND, digest)
        return None if row is None else rows.held(tuple(row))

    async def credentials(self) -> tuple[Credential, ...]:
        return tuple(map(rows.credential, await self._database.all(_CREDENTIALS)))

    async def users(self) -> tuple[User, ...]:
        return tuple(map(rows.user, await self._database.all(_USERS)))

    async def user(self, name: str) -> User | None:
        row = await self._database.one(_USER, name)
        return None if row is None else rows.user(row)

    async def user_of(self, subject: str) -> User | None:
        row = await self._database.one(_USER_OF, subject)
        return None if row is None else rows.user(row)

    async def roles(self) -> tuple[Role, ...]:
        return tuple(map(rows.role, await self._database.all(_ROLES)))

    async def commit(self, change: AccessChange) -> Outcome:
        try:
            await self._database.write(lambda write: _carry_out(write, change))
        except AccessRefused as refused:
            return refused.outcome
        return Outcome.DONE

    async def forget_expired(self, now: Instant, limit: int) -> int:
        return await self._database.write(lambda write: write.sql.run(_FORGET, now, now - ENDED_KEPT, limit))


async def _carry_out(write: Write, change: AccessChange) -> None:
    """Raises AccessRefused."""
    sql = write.sql
    await sql.one(_ONE_AT_A_TIME)
    had = await _rank(sql, change.at)
    if change.role is not None:
        put = _NEW_ROLE if change.role_is_new else _PUT_ROLE
        count = await sql.run(put, *transposed([rows.role_row(change.role)]))
        _expect_one(count, Outcome.TAKEN if change.role_is_new else Outcome.MISSING)
    if change.needs_role and await sql.one(_IS_ROLE, change.needs_role) is None:
        raise AccessRefused(Outcome.MISSING)
    if change.user is not None:
        await _put_user(sql, change.user, change.user_was)
    if change.credential is not None:
        await sql.run(_PUT_CREDENTIAL, *transposed([rows.credential_row(change.credential)]))
    if change.revoke:
        _expect_one(await sql.run(_REVOKE, change.at, change.revoke), Outcome.MISSING)
    if change.end_sessions_of:
        await sql.run(_END_SESSIONS, change.at, change.end_sessions_of)
    if change.drop_role:
        if await sql.one(_HAVE_ROLE, change.drop_role, change.at) is not None:
            raise AccessRefused(Outcome.IN_USE)
        _expect_one(await sql.run(_DROP_ROLE, change.drop_role), Outcome.MISSING)
    if await _rank(sql, change.at) < had:
        raise AccessRefused(Outcome.LAST)
    await add_events(write, change.events)


async def _put_user(sql: Session, user: User, was: User | None) -> None:
    values = transposed([rows.user_row(user)])
    if was is None:
        _expect_one(await sql.run(_NEW_USER, *values), Outcome.TAKEN)
        return
    found = await sql.one(_USER, user.id)
    if found is None or rows.user(found) != was:
        raise AccessRefused(Outcome.STALE)
    await sql.run(_PUT_USER, *values)


def _expect_one(count: int, otherwise: Outcome) -> None:
    if count != 1:
        raise AccessRefused(otherwise)


async def _rank(sql: Session, now: Instant) -> int:
    """Of the administrator who lasts best; 0 without any."""
    row = await sql.one(_RANK, now)
    return row[0] or 0 if row is not None else 0
