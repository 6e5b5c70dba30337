"""Enrollment links and the grants made of them."""

from corral.lifecycle.change import Event
from corral.lifecycle.issuance import GrantState
from corral.lifecycle.state import Certificate, Link, Purpose
from corral.store import rows
from corral.store.marks import Mark, place
from corral.store.postgres.connecting import Session
from corral.store.postgres.database import Database
from corral.store.postgres.putting import carry_out
from corral.store.postgres.statements import insert, select, transposed
from corral.store.rows import Row

_ADD_LINK = insert("link", rows.LINK + " token_digest")
_FIND_LINK = select("FROM link AS l WHERE l.token_digest = $1", l=rows.LINK)
_LINK = select("FROM link AS l WHERE l.id = $1", l=rows.LINK)
_LINKS = select(
    "FROM link AS l WHERE $1::bigint IS NULL OR (l.created_at, l.id) < ($1, $2)"
    " ORDER BY l.created_at DESC, l.id DESC LIMIT $3",
    l=rows.LINK,
)
_REVOKE_LINK = "UPDATE link SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL"
_GRANT = select("FROM granted AS g WHERE g.id = $1", g=rows.GRANT)
_LIFE = select("FROM life AS l WHERE l.id = $1", l=rows.LIFE)
_BLOCKED = "SELECT blocked_at FROM device WHERE id = $1"
_CERTIFICATE = select("FROM certificate AS c WHERE c.fingerprint = $1", c=rows.CERTIFICATE)
_OF_GRANT = select(
    "FROM certificate AS c WHERE c.grant_id = $1 ORDER BY c.issued_at DESC, c.number DESC", c=rows.CERTIFICATE
)
_OF_LIFE = select(
    "FROM certificate AS c WHERE c.connection_id = $1 ORDER BY c.issued_at DESC, c.number DESC", c=rows.CERTIFICATE
)


class PostgresGrants:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_link(self, link: Link, token_digest: bytes, events: tuple[Event, ...] = ()) -> None:
        row: Row = (*rows.link_row(link), token_digest)
        await carry_out(self._database, _ADD_LINK, *transposed([row]), events=events)

    async def find_link(self, token_digest: bytes) -> Link | None:
        row = await self._database.one(_FIND_LINK, token_digest)
        return None if row is None else rows.link(row)

    async def link(self, link_id: str) -> Link | None:
        row = await self._database.one(_LINK, link_id)
        return None if row is None else rows.link(row)

    async def links(self, limit: int, before: Mark | None) -> tuple[Link, ...]:
        return tuple(rows.link(row) for row in await self._database.all(_LINKS, *place(before), limit))

    async def revoke_link(self, link_id: str, now: int, events: tuple[Event, ...] = ()) -> bool:
        return await carry_out(self._database, _REVOKE_LINK, now, link_id, events=events) > 0

    async def grant_state(self, grant_id: str) -> GrantState | None:
        return await self._database.read(lambda sql: _read_state(sql, grant_id))

    async def certificate(self, fingerprint: bytes) -> Certificate | None:
        row = await self._database.one(_CERTIFICATE, fingerprint)
        return None if row is None else rows.certificate(row)

    async def certificates(self, connection_id: str) -> tuple[Certificate, ...]:
        return tuple(rows.certificate(row) for row in await self._database.all(_OF_LIFE, connection_id))


async def _read_state(sql: Session, grant_id: str) -> GrantState | None:
    found = await sql.one(_GRANT, grant_id)
    if found is None:
        return None
    grant = rows.grant(found)
    life = await sql.one(_LIFE, grant.connection_id) if grant.purpose is Purpose.RENEW else None
    connection = rows.life(life) if life is not None else None
    device_id = connection.device_id if connection is not None else grant.device_id
    blocked = await sql.one(_BLOCKED, device_id) if device_id is not None else None
    link = await sql.one(_LINK, grant.link_id) if grant.link_id is not None else None
    return GrantState(
        grant=grant,
        link=rows.link(link) if link is not None else None,
        certificates=tuple(rows.certificate(row) for row in await sql.all(_OF_GRANT, grant_id)),
        connection=connection,
        device_blocked=blocked is not None and blocked[0] is not None,
    )
