"""Reads the Snapshots of many contacts in one statement, and so at one moment: one row for each life that counts."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from corral.lifecycle.state import Breaker, Connection, EscrowKind, Instant, Snapshot
from corral.sealing import Sealer, SealError
from corral.store import rows
from corral.store.devices import Contact
from corral.store.errors import StoreUnavailable
from corral.store.postgres.connecting import Session
from corral.store.postgres.statements import arrays, listed, looked_up, transposed
from corral.store.rows import Row
from corral.values import frozen


@frozen
class OfConnection:
    """Asks for the device of a connection, with that connection as `bound`."""

    connection_id: str
    breaker_since: Instant


_ASKED = "fingerprint device_id user_id named command_uuid connection_id since"
_DEVICE = "CASE WHEN a.connection_id IS NULL THEN a.device_id ELSE bo.device_id END"
_SPOKEN = "bo.id || CASE WHEN a.user_id = '' THEN '' ELSE '/' || a.user_id END"
_LIVES = (
    f"SELECT id FROM connection WHERE device_id = {_DEVICE} AND phase IN ('authenticating', 'connected', 'ending')"
    f" UNION ALL (SELECT id FROM connection WHERE device_id = {_DEVICE} AND phase = 'ended'"
    " ORDER BY created_at DESC, number DESC LIMIT 1)"
    f" UNION ALL SELECT bo.id WHERE bo.phase = 'ended' OR bo.device_id <> {_DEVICE}"
)


def _each(table: str, columns: str, where: str, alias: str) -> str:
    return f" LEFT JOIN {looked_up(table, columns, where, alias)} ON TRUE"


def _escrowed(kind: EscrowKind) -> str:
    return f"(SELECT value FROM escrow WHERE connection_id = bo.id AND kind = '{kind.value}' ORDER BY id DESC LIMIT 1)"


_KINDS = tuple(EscrowKind)
_PARTS = (
    ("de", rows.DEVICE),
    ("ce", rows.CERTIFICATE),
    ("gr", rows.GRANT),
    ("li", rows.LINK),
    ("ch", rows.CHANNEL),
    ("dl", rows.DELIVERY),
    ("lf", rows.LIFE),
)
_LOAD = (
    "SELECT a.n, bo.id, lf.number, (SELECT opened_at FROM breaker),"
    " ARRAY(SELECT connection_id FROM unenrolling WHERE at >= a.since ORDER BY at DESC LIMIT 10000),"
    f" ARRAY(SELECT topic FROM push_certificate), {', '.join(_escrowed(kind) for kind in _KINDS)},"
    f" {', '.join(listed(columns, alias) for alias, columns in _PARTS)}"
    f" FROM {arrays(_ASKED, numbered=True)}"
    + _each("certificate", rows.CERTIFICATE, "fingerprint = a.fingerprint", "ce")
    + _each("connection", "id device_id phase", "id = coalesce(a.connection_id, ce.connection_id, a.named)", "bo")
    + _each("device", rows.DEVICE, f"id = {_DEVICE}", "de")
    + _each("granted", rows.GRANT, "id = ce.grant_id", "gr")
    + _each("link", rows.LINK, "id = gr.link_id", "li")
    + _each("channel", rows.CHANNEL, f"id = {_SPOKEN}", "ch")
    + _each("delivery", rows.DELIVERY, f"channel_id = {_SPOKEN} AND command_uuid = a.command_uuid", "dl")
    + f" LEFT JOIN LATERAL ({_LIVES}) AS each (id) ON TRUE"
    + _each("life", "number " + rows.LIFE, "id = each.id", "lf")
)


def _ranges() -> dict[str, slice]:
    start, ranges = 6 + len(_KINDS), dict[str, slice]()
    for alias, columns in _PARTS:
        end = start + len(columns.split())
        ranges[alias] = slice(start, end)
        start = end
    return ranges


_RANGES = _ranges()


@dataclass(slots=True)
class _Lives:
    """What the rows of one contact say, gathered."""

    first: Row
    found: dict[str, tuple[int, Connection]] = field(default_factory=dict[str, tuple[int, Connection]])


async def load(
    sql: Session, sealer: Sealer, asked: Sequence[Contact | OfConnection]
) -> list[Snapshot | StoreUnavailable]:
    """In the order asked; StoreUnavailable for those of which a sealed value does not open."""
    gathered: dict[int, _Lives] = {}
    for row in await sql.all(_LOAD, *transposed(_asked(each) for each in asked)):
        lives = gathered.setdefault(row[0], _Lives(row))
        life = row[_RANGES["lf"]]
        if life[0] is not None:
            lives.found.setdefault(life[0], (row[2], rows.life(life)))
    return [_opened(each, gathered[number], sealer) for number, each in enumerate(asked, 1)]


def _asked(each: Contact | OfConnection) -> Row:
    match each:
        case OfConnection():
            return b"", "", "", None, None, each.connection_id, each.breaker_since
        case Contact():
            named, command = each.named, each.command_uuid
            return each.fingerprint, each.device_id, each.user_id, named, command, None, each.breaker_since


def _opened(asked: Contact | OfConnection, lives: _Lives, sealer: Sealer) -> Snapshot | StoreUnavailable:
    try:
        return _snapshot(asked, lives, sealer)
    except SealError as error:
        return StoreUnavailable(str(error))


def _snapshot(asked: Contact | OfConnection, lives: _Lives, sealer: Sealer) -> Snapshot:
    row, found = lives.first, lives.found
    life = found[row[1]][1] if row[1] is not None else None
    if life is None and isinstance(asked, OfConnection):
        return Snapshot()
    device = _part(row, "de")
    certificate = _part(row, "ce")
    grant = _part(row, "gr")
    link = _part(row, "li")
    channel = _part(row, "ch")
    delivery = _part(row, "dl")
    # A certificate whose row is lost may be bound again to the life that it names, so that one's rows are read too.
    is_bound = certificate is not None or isinstance(asked, OfConnection)
    device_id = asked.device_id if isinstance(asked, Contact) else life and life.device_id
    return Snapshot(
        device=rows.device(device) if device else None,
        lives=_of_device(device_id, found.values()),
        certificate=rows.certificate(certificate) if certificate else None,
        bound=life if is_bound else None,
        named=None if is_bound else life,
        grant=rows.grant(grant) if grant else None,
        link=rows.link(link) if link else None,
        channel=rows.channel(channel, sealer) if channel else None,
        delivery=rows.delivery(delivery) if delivery else None,
        escrow=_escrow(row[1], row[6 : 6 + len(_KINDS)], sealer),
        breaker=Breaker(open=row[3] is not None, counted=frozenset(row[4])),
        topics=frozenset(row[5]),
    )


def _part(row: Row, alias: str) -> Row | None:
    """The columns of one table, None where there was no row; the first of each is its key."""
    part = row[_RANGES[alias]]
    return part if part[0] is not None else None


def _of_device(device_id: str | None, found: Iterable[tuple[int, Connection]]) -> tuple[Connection, ...]:
    """Every life of the device that is not over, and the latest that is; newest first."""
    mine = [(number, life) for number, life in found if life.device_id == device_id]
    mine.sort(key=lambda each: (-each[1].created_at, each[1].is_over, -each[0]))
    latest = next((life for _, life in mine if life.is_over), None)
    return tuple(life for _, life in mine if not life.is_over or life is latest)


def _escrow(connection_id: str | None, values: Sequence[Any], sealer: Sealer) -> dict[EscrowKind, bytes]:
    return {
        kind: sealer.open(value, rows.escrow_place(connection_id or "", kind))
        for kind, value in zip(_KINDS, values, strict=True)
        if value is not None
    }
