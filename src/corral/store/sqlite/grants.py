"""Enrollment links and the grants made of them."""

from corral.lifecycle.change import Event
from corral.lifecycle.issuance import GrantState
from corral.lifecycle.state import Certificate, Link, Purpose
from corral.store import rows
from corral.store.marks import Mark, place
from corral.store.sqlite import snapshot
from corral.store.sqlite.applying import carry_out
from corral.store.sqlite.connecting import Sql
from corral.store.sqlite.database import Database
from corral.store.sqlite.statements import insert, select

_ADD_LINK = insert("link", rows.LINK + " token_digest")
_FIND_LINK = select("FROM link AS l WHERE l.token_digest = ?", l=rows.LINK)
_LINKS = select(
    "FROM link AS l WHERE ?1 IS NULL OR (l.created_at, l.id) < (?1, ?2) ORDER BY l.created_at DESC, l.id DESC LIMIT ?3",
    l=rows.LINK,
)
_REVOKE_LINK = "UPDATE link SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL"
_OF_GRANT = select(
    "FROM certificate AS c WHERE c.grant_id = ? ORDER BY c.issued_at DESC, c.rowid DESC", c=rows.CERTIFICATE
)
_OF_LIFE = select(
    "FROM certificate AS c WHERE c.connection_id = ? ORDER BY c.issued_at DESC, c.rowid DESC", c=rows.CERTIFICATE
)


class SqliteGrants:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_link(self, link: Link, token_digest: bytes, events: tuple[Event, ...] = ()) -> None:
        await carry_out(self._database, _ADD_LINK, (*rows.link_row(link), token_digest), events)

    async def find_link(self, token_digest: bytes) -> Link | None:
        row = self._database.one(_FIND_LINK, (token_digest,))
        return None if row is None else rows.link(row)

    async def link(self, link_id: str) -> Link | None:
        return self._database.read(lambda sql: snapshot.read_link(sql, link_id))

    async def links(self, limit: int, before: Mark | None) -> tuple[Link, ...]:
        return tuple(rows.link(row) for row in self._database.all(_LINKS, (*place(before), limit)))

    async def revoke_link(self, link_id: str, now: int, events: tuple[Event, ...] = ()) -> bool:
        return await carry_out(self._database, _REVOKE_LINK, (now, link_id), events) > 0

    async def grant_state(self, grant_id: str) -> GrantState | None:
        return self._database.read(lambda sql: _read_state(sql, grant_id))

    async def certificate(self, fingerprint: bytes) -> Certificate | None:
        return self._database.read(lambda sql: snapshot.read_certificate(sql, fingerprint))

    async def certificates(self, connection_id: str) -> tuple[Certificate, ...]:
        return tuple(rows.certificate(row) for row in self._database.all(_OF_LIFE, (connection_id,)))


def _read_state(sql: Sql, grant_id: str) -> GrantState | None:
    grant = snapshot.read_grant(sql, grant_id)
    if grant is None:
        return None
    life = snapshot.read_life(sql, grant.connection_id) if grant.purpose is Purpose.RENEW else None
    device_id = life.device_id if life is not None else grant.device_id
    device = snapshot.read_device(sql, device_id) if device_id is not None else None
    return GrantState(
        grant=grant,
        link=snapshot.read_link(sql, grant.link_id) if grant.link_id is not None else None,
        certificates=tuple(rows.certificate(row) for row in sql.execute(_OF_GRANT, (grant_id,))),
        connection=life,
        device_blocked=device is not None and device.blocked_at is not None,
    )
