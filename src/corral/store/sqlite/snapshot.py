"""Reads a Snapshot: all that a decision about one message rests on, at the moment of its transaction."""

from corral.lifecycle.state import (
    Breaker,
    Certificate,
    Channel,
    Connection,
    Delivery,
    Device,
    EscrowKind,
    Grant,
    Link,
    Snapshot,
    channel_id,
)
from corral.sealing import Sealer
from corral.store import rows
from corral.store.devices import Contact
from corral.store.sqlite.connecting import Sql
from corral.store.sqlite.statements import select

_DEVICE = select("FROM device AS d WHERE d.id = ?", d=rows.DEVICE)
_LIFE = select("FROM life AS l WHERE l.id = ?", l=rows.LIFE)
_LIVES = select(
    "FROM life AS l WHERE l.device_id = ? AND l.phase IN ('authenticating', 'connected', 'ending')"
    " ORDER BY l.created_at DESC, l.row DESC",
    l=rows.LIFE,
)
_LAST_LIFE = select(
    "FROM life AS l WHERE l.device_id = ? AND l.phase = 'ended' ORDER BY l.created_at DESC, l.row DESC LIMIT 1",
    l=rows.LIFE,
)
_CERTIFICATE = select("FROM certificate AS c WHERE c.fingerprint = ?", c=rows.CERTIFICATE)
_GRANT = select("FROM granted AS g WHERE g.id = ?", g=rows.GRANT)
_LINK = select("FROM link AS l WHERE l.id = ?", l=rows.LINK)
_CHANNEL = select("FROM channel AS c WHERE c.id = ?", c=rows.CHANNEL)
_DELIVERY = select("FROM delivery AS d WHERE d.channel_id = ? AND d.command_uuid = ?", d=rows.DELIVERY)
_ESCROW = (
    "SELECT kind, value FROM escrow WHERE id IN"
    " (SELECT max(id) FROM escrow WHERE connection_id = ? GROUP BY kind) AND value IS NOT NULL"
)
_COUNTED = "SELECT connection_id FROM unenrolling WHERE at >= ? ORDER BY at DESC LIMIT 10000"
_OPENED = "SELECT opened_at FROM breaker"
_TOPICS = "SELECT topic FROM push_certificate"


def load(sql: Sql, sealer: Sealer, contact: Contact) -> Snapshot:
    certificate = read_certificate(sql, contact.fingerprint) if contact.fingerprint else None
    bound = named = None
    if certificate is not None:
        bound = read_life(sql, certificate.connection_id)
    elif contact.named is not None:
        named = read_life(sql, contact.named)
    grant = read_grant(sql, certificate.grant_id) if certificate and certificate.grant_id else None
    # A certificate whose row is lost may be bound again to the life that it names, so that one's rows are read too.
    life = bound or named
    spoken = channel_id(life.id, contact.user_id) if life else None
    return Snapshot(
        device=read_device(sql, contact.device_id),
        lives=read_lives(sql, contact.device_id),
        certificate=certificate,
        bound=bound,
        named=named,
        grant=grant,
        link=read_link(sql, grant.link_id) if grant and grant.link_id else None,
        channel=read_channel(sql, sealer, spoken) if spoken else None,
        delivery=_read_delivery(sql, spoken, contact.command_uuid),
        escrow=_read_escrow(sql, sealer, life.id) if life else {},
        breaker=_read_breaker(sql, contact.breaker_since),
        topics=_read_topics(sql),
    )


def load_connection(sql: Sql, sealer: Sealer, connection_id: str, breaker_since: int) -> Snapshot:
    bound = read_life(sql, connection_id)
    if bound is None:
        return Snapshot()
    return Snapshot(
        device=read_device(sql, bound.device_id),
        lives=read_lives(sql, bound.device_id),
        bound=bound,
        channel=read_channel(sql, sealer, bound.id),
        escrow=_read_escrow(sql, sealer, bound.id),
        breaker=_read_breaker(sql, breaker_since),
        topics=_read_topics(sql),
    )


def read_device(sql: Sql, device_id: str) -> Device | None:
    row = sql.execute(_DEVICE, (device_id,)).fetchone()
    return None if row is None else rows.device(row)


def read_life(sql: Sql, connection_id: str) -> Connection | None:
    row = sql.execute(_LIFE, (connection_id,)).fetchone()
    return None if row is None else rows.life(row)


def read_lives(sql: Sql, device_id: str) -> tuple[Connection, ...]:
    """Every life of a device that is not over, and the latest that is; newest first."""
    lives = [rows.life(row) for row in sql.execute(_LIVES, (device_id,))]
    last = sql.execute(_LAST_LIFE, (device_id,)).fetchone()
    if last is not None:
        over = rows.life(last)
        place = next((i for i, each in enumerate(lives) if each.created_at < over.created_at), len(lives))
        lives.insert(place, over)
    return tuple(lives)


def read_certificate(sql: Sql, fingerprint: bytes) -> Certificate | None:
    row = sql.execute(_CERTIFICATE, (fingerprint,)).fetchone()
    return None if row is None else rows.certificate(row)


def read_grant(sql: Sql, grant_id: str) -> Grant | None:
    row = sql.execute(_GRANT, (grant_id,)).fetchone()
    return None if row is None else rows.grant(row)


def read_link(sql: Sql, link_id: str) -> Link | None:
    row = sql.execute(_LINK, (link_id,)).fetchone()
    return None if row is None else rows.link(row)


def read_channel(sql: Sql, sealer: Sealer, key: str) -> Channel | None:
    row = sql.execute(_CHANNEL, (key,)).fetchone()
    return None if row is None else rows.channel(row, sealer)


def _read_delivery(sql: Sql, key: str | None, command_uuid: str | None) -> Delivery | None:
    if key is None or command_uuid is None:
        return None
    row = sql.execute(_DELIVERY, (key, command_uuid)).fetchone()
    return None if row is None else rows.delivery(row)


def _read_escrow(sql: Sql, sealer: Sealer, connection_id: str) -> dict[EscrowKind, bytes]:
    return {
        EscrowKind(kind): sealer.open(value, rows.escrow_place(connection_id, kind))
        for kind, value in sql.execute(_ESCROW, (connection_id,))
    }


def _read_breaker(sql: Sql, since: int) -> Breaker:
    opened = sql.execute(_OPENED).fetchone()
    counted = frozenset(row[0] for row in sql.execute(_COUNTED, (since,)))
    return Breaker(open=opened is not None and opened[0] is not None, counted=counted)


def _read_topics(sql: Sql) -> frozenset[str]:
    return frozenset(row[0] for row in sql.execute(_TOPICS))
