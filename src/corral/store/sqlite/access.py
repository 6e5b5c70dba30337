"""Tokens, users and roles."""

from corral.lifecycle.state import Instant
from corral.store import access_rows as rows
from corral.store.access import ENDED_KEPT, RANKS, AccessChange, AccessRefused, Credential, Held, Outcome, Role, User
from corral.store.sqlite.applying import add_events
from corral.store.sqlite.connecting import Sql
from corral.store.sqlite.database import Database
from corral.store.sqlite.statements import insert, select, update, upsert
from corral.store.sqlite.writer import Write

_FIND = select(
    "FROM credential AS c LEFT JOIN user_account AS u ON u.id = c.user_id"
    " LEFT JOIN role AS r ON r.name = coalesce(u.role, c.role) WHERE c.digest = ?",
    c=rows.CREDENTIAL,
    u=rows.USER,
    r=rows.ROLE,
)
_CREDENTIALS = select("FROM credential AS c ORDER BY c.created_at DESC, c.rowid DESC", c=rows.CREDENTIAL)
_USERS = select("FROM user_account AS u ORDER BY u.name", u=rows.USER)
_USER = select("FROM user_account AS u WHERE u.name = ?1 OR u.id = ?1", u=rows.USER)
_USER_OF = select("FROM user_account AS u WHERE u.subject = ? AND u.subject <> ''", u=rows.USER)
_ROLES = select("FROM role AS r ORDER BY r.name", r=rows.ROLE)

_NEW_ROLE = insert("role", rows.ROLE, "ON CONFLICT DO NOTHING")
_PUT_ROLE = update("role", rows.ROLE, "name = ?")
_NEW_USER = insert("user_account", rows.USER, "ON CONFLICT DO NOTHING")
_PUT_USER = update("user_account", rows.USER, "id = ?")
_PUT_CREDENTIAL = upsert("credential", rows.CREDENTIAL, "id")
_REVOKE = "UPDATE credential SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL"
_END_SESSIONS = "UPDATE credential SET revoked_at = ? WHERE user_id = ? AND revoked_at IS NULL"
_DROP_ROLE = "DELETE FROM role WHERE name = ?"
_IS_ROLE = "SELECT 1 FROM role WHERE name = ?"
_HAVE_ROLE = (
    "SELECT 1 FROM user_account WHERE role = ?1 UNION ALL SELECT 1 FROM credential WHERE role = ?1"
    " AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2) LIMIT 1"
)
_RANK = f"SELECT max(lasts) FROM ({RANKS} AND (expires_at IS NULL OR expires_at > ?)) AS a"  # noqa: S608 - ours
_FORGET = (
    "DELETE FROM credential WHERE rowid IN (SELECT rowid FROM credential WHERE"
    " user_id IS NOT NULL AND expires_at <= ?1 OR user_id IS NULL AND (expires_at <= ?2 OR revoked_at <= ?2) LIMIT ?3)"
)


class SqliteAccess:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, digest: bytes) -> Held | None:
        row = self._database.one(_FIND, (digest,))
        return None if row is None else rows.held(row)

    async def credentials(self) -> tuple[Credential, ...]:
        return tuple(map(rows.credential, self._database.all(_CREDENTIALS)))

    async def users(self) -> tuple[User, ...]:
        return tuple(map(rows.user, self._database.all(_USERS)))

    async def user(self, name: str) -> User | None:
        row = self._database.one(_USER, (name,))
        return None if row is None else rows.user(row)

    async def user_of(self, subject: str) -> User | None:
        row = self._database.one(_USER_OF, (subject,))
        return None if row is None else rows.user(row)

    async def roles(self) -> tuple[Role, ...]:
        return tuple(map(rows.role, self._database.all(_ROLES)))

    async def commit(self, change: AccessChange) -> Outcome:
        try:
            await self._database.write(lambda write: _carry_out(write, change))
        except AccessRefused as refused:
            return refused.outcome
        return Outcome.DONE

    async def forget_expired(self, now: Instant, limit: int) -> int:
        def forget(write: Write) -> int:
            write.sql.execute(_FORGET, (now, now - ENDED_KEPT, limit))
            return write.sql.changes()

        return await self._database.write(forget)


def _carry_out(write: Write, change: AccessChange) -> None:
    """Raises AccessRefused."""
    sql = write.sql
    had = _rank(sql, change.at)
    if change.role is not None:
        values = rows.role_row(change.role)
        sql.execute(*((_NEW_ROLE, values) if change.role_is_new else (_PUT_ROLE, (*values, change.role.name))))
        _expect_one(sql, Outcome.TAKEN if change.role_is_new else Outcome.MISSING)
    if change.needs_role and sql.execute(_IS_ROLE, (change.needs_role,)).fetchone() is None:
        raise AccessRefused(Outcome.MISSING)
    if change.user is not None:
        _put_user(sql, change.user, change.user_was)
    if change.credential is not None:
        sql.execute(_PUT_CREDENTIAL, rows.credential_row(change.credential))
    if change.revoke:
        sql.execute(_REVOKE, (change.at, change.revoke))
        _expect_one(sql, Outcome.MISSING)
    if change.end_sessions_of:
        sql.execute(_END_SESSIONS, (change.at, change.end_sessions_of))
    if change.drop_role:
        if sql.execute(_HAVE_ROLE, (change.drop_role, change.at)).fetchone() is not None:
            raise AccessRefused(Outcome.IN_USE)
        sql.execute(_DROP_ROLE, (change.drop_role,))
        _expect_one(sql, Outcome.MISSING)
    if _rank(sql, change.at) < had:
        raise AccessRefused(Outcome.LAST)
    add_events(write, change.events)


def _put_user(sql: Sql, user: User, was: User | None) -> None:
    values = rows.user_row(user)
    if was is None:
        sql.execute(_NEW_USER, values)
        _expect_one(sql, Outcome.TAKEN)
        return
    found = sql.execute(_USER, (user.id,)).fetchone()
    if found is None or rows.user(found) != was:
        raise AccessRefused(Outcome.STALE)
    sql.execute(_PUT_USER, (*values, user.id))


def _expect_one(sql: Sql, otherwise: Outcome) -> None:
    if sql.changes() != 1:
        raise AccessRefused(otherwise)


def _rank(sql: Sql, now: Instant) -> int:
    """Of the administrator who lasts best; 0 without any."""
    row = sql.execute(_RANK, (now,)).fetchone()
    return row[0] or 0 if row is not None else 0
