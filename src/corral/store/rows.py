"""Values to rows and back.

Enumerations are their words, times are integers. A channel's token and magic and every escrowed value are sealed,
each for its own place; so are the bodies of commands and results (see bodies.py).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from corral.apple.platform import Platform
from corral.lifecycle.change import Event
from corral.lifecycle.state import (
    Certificate,
    CertificateStatus,
    Channel,
    Connection,
    Consequence,
    Delivery,
    DeliveryState,
    Device,
    EndReason,
    EndRequest,
    EnrollmentKind,
    Grant,
    IdentityKind,
    Link,
    Origin,
    Phase,
    Purpose,
    Renewal,
)
from corral.pki.attestation import HardwareProperties
from corral.sealing import Sealer
from corral.store.directory import Backlog, CommandTarget

Row: TypeAlias = tuple[Any, ...]

DEVICE = (
    "id version created_at user_enrollment blocked_at blocked_reason serial_number platform os_version"
    " build_version product_name model model_name name imei meid"
)

LIFE = (
    "id device_id phase origin topic created_at admitted_by connected_at reauthenticated_at awaiting_since"
    " erasing_at ended_at end_reason proof open recheck_at renewal_grant_id renewal_asked_at"
    " renewal_authenticated_at end_by end_asked_at end_deadline end_note profile"
)
"""Of the view `life`; the table `connection` has a key of `profile` in the place of profile."""

CHANNEL = (
    "connection_id user_id kind short_name long_name topic token magic token_updated_at unreachable"
    " awaiting_since ended_at"
)

CERTIFICATE = (
    "fingerprint authority purpose status connection_id device_id grant_id request_digest issued_at not_after"
    " heard_at attested issuer warned_days der"
)

GRANT = (
    "id version purpose connection_id link_id device_id serial_number created_at expires_at keys_issued spent_at"
    " revoked_at kind account evidence profile"
)
"""Of the view `granted`; the table `enroll_grant` has a key of `profile` in the place of profile."""

LINK = "id created_at created_by note uses used expires_at device_id serial_number revoked_at identity"

DELIVERY = (
    "channel_id command_uuid request_type consequence state sequence priority not_before expires_at deferred_at"
    " not_now_count trace"
)

EVENT = "type at device_id connection_id data trace"

_DEVICE = DEVICE.split()
_CERTIFICATE = CERTIFICATE.split()
_ATTESTED = _CERTIFICATE.index("attested")
_GRANT = GRANT.split()
_LINK = LINK.split()
_DELIVERY = DELIVERY.split()


def device(row: Row) -> Device:
    values = dict(zip(_DEVICE, row, strict=True))
    values["user_enrollment"] = bool(values["user_enrollment"])
    return Device(**values)


def device_row(value: Device) -> Row:
    return tuple(getattr(value, name) for name in _DEVICE)


def life(row: Row) -> Connection:
    (id_, device_id, phase, origin, topic, created_at, admitted_by, connected_at, reauthenticated_at) = row[:9]
    (awaiting_since, erasing_at, ended_at, end_reason, proof, is_open, recheck_at) = row[9:16]
    grant_id, asked_at, authenticated_at, end_by, end_asked_at, end_deadline, end_note, profile = row[16:]
    return Connection(
        id=id_,
        device_id=device_id,
        phase=Phase(phase),
        origin=Origin(origin),
        topic=topic,
        created_at=created_at,
        admitted_by=admitted_by,
        profile=profile,
        connected_at=connected_at,
        reauthenticated_at=reauthenticated_at,
        awaiting_since=awaiting_since,
        erasing_at=erasing_at,
        renewal=Renewal(grant_id=grant_id, asked_at=asked_at, authenticated_at=authenticated_at)
        if grant_id is not None
        else None,
        end_request=EndRequest(by=end_by, at=end_asked_at, deadline=end_deadline, note=end_note)
        if end_by is not None
        else None,
        ended_at=ended_at,
        end_reason=EndReason(end_reason) if end_reason is not None else None,
        proof=proof,
        open=bool(is_open),
        recheck_at=recheck_at,
    )


def life_row(value: Connection, profile_key: int | bytes | None) -> Row:
    renewal, end = value.renewal, value.end_request
    return (
        value.id,
        value.device_id,
        value.phase.value,
        value.origin.value,
        value.topic,
        value.created_at,
        value.admitted_by,
        value.connected_at,
        value.reauthenticated_at,
        value.awaiting_since,
        value.erasing_at,
        value.ended_at,
        value.end_reason.value if value.end_reason else None,
        value.proof,
        value.open,
        value.recheck_at,
        *((renewal.grant_id, renewal.asked_at, renewal.authenticated_at) if renewal else (None, None, None)),
        *((end.by, end.at, end.deadline, end.note) if end else (None, None, None, None)),
        profile_key,
    )


def channel(row: Row, sealer: Sealer) -> Channel:
    """With token and magic opened; raises SealError."""
    connection_id, user_id, kind, short_name, long_name, topic, token, magic, *rest = row
    bare = Channel(connection_id=connection_id, user_id=user_id)
    opened = None if magic is None else sealer.open(magic, _place(bare.id, "magic")).decode()
    return _channel(
        (connection_id, user_id, kind, short_name, long_name, topic),
        None if token is None else sealer.open(token, _place(bare.id, "token")),
        opened,
        rest,
    )


def listed_channel(row: Row) -> Channel:
    """For listings, which show neither token nor magic."""
    return _channel(row[:6], None, None, row[8:])


def _channel(head: Row, token: bytes | None, magic: str | None, rest: Any) -> Channel:
    connection_id, user_id, kind, short_name, long_name, topic = head
    token_updated_at, unreachable, awaiting_since, ended_at = rest
    return Channel(
        connection_id=connection_id,
        user_id=user_id,
        kind=kind,
        short_name=short_name,
        long_name=long_name,
        topic=topic,
        token=token,
        magic=magic,
        token_updated_at=token_updated_at,
        unreachable=unreachable,
        awaiting_since=awaiting_since,
        ended_at=ended_at,
    )


def channel_row(value: Channel, sealer: Sealer) -> Row:
    return (
        value.connection_id,
        value.user_id,
        value.kind,
        value.short_name,
        value.long_name,
        value.topic,
        None if value.token is None else sealer.seal(value.token, _place(value.id, "token")),
        None if value.magic is None else sealer.seal(value.magic.encode(), _place(value.id, "magic")),
        value.token_updated_at,
        value.unreachable,
        value.awaiting_since,
        value.ended_at,
    )


def open_token(sealed: bytes, channel_id: str, sealer: Sealer) -> bytes:
    return sealer.open(sealed, _place(channel_id, "token"))


def open_magic(sealed: bytes, channel_id: str, sealer: Sealer) -> str:
    return sealer.open(sealed, _place(channel_id, "magic")).decode()


def _place(channel_id: str, column: str) -> str:
    return f"channel/{column}/{channel_id}"


def escrow_place(connection_id: str, kind: str) -> str:
    return f"escrow/{kind}/{connection_id}"


def certificate(row: Row) -> Certificate:
    values = dict(zip(_CERTIFICATE, row, strict=True))
    values["purpose"] = Purpose(values["purpose"])
    values["status"] = CertificateStatus(values["status"])
    values["attested"] = _properties(values["attested"])
    return Certificate(**values)


def listed_certificate(row: Row) -> Certificate:
    """For listings, which do not show the DER."""
    return certificate((*row[:-1], b""))


def certificate_row(value: Certificate) -> Row:
    row = [getattr(value, name) for name in _CERTIFICATE]
    row[_ATTESTED] = None if value.attested is None else msgspec.json.encode(value.attested).decode()
    return tuple(row)


def _properties(text: str | None) -> HardwareProperties | None:
    return None if text is None else msgspec.json.decode(text, type=HardwareProperties)


def grant(row: Row) -> Grant:
    values = dict(zip(_GRANT, row, strict=True))
    values["purpose"] = Purpose(values["purpose"])
    values["kind"] = EnrollmentKind(values["kind"])
    return Grant(**values)


def grant_row(value: Grant, profile_key: int | bytes | None) -> Row:
    return (*(getattr(value, name) for name in _GRANT[:-1]), profile_key)


def link(row: Row) -> Link:
    values = dict(zip(_LINK, row, strict=True))
    values["identity"] = IdentityKind(values["identity"]) if values["identity"] else None
    return Link(**values)


def link_row(value: Link) -> Row:
    return tuple(getattr(value, name) for name in _LINK)


def delivery(row: Row) -> Delivery:
    values = dict(zip(_DELIVERY, row, strict=True))
    values["consequence"] = Consequence(values["consequence"])
    values["state"] = DeliveryState(values["state"])
    return Delivery(**values)


def event(row: Row) -> Event:
    kind, at, device_id, connection_id, data, trace = row
    return Event(
        type=kind,
        at=at,
        device_id=device_id,
        connection_id=connection_id,
        data=msgspec.json.decode(data),
        actor=None,
        trace=trace,
    )


def event_row(value: Event) -> Row:
    data = msgspec.json.encode(value.data).decode()
    return value.type, value.at, value.device_id, value.connection_id, data, value.trace


def connection_of(channel_id: str) -> str:
    """The connection in a channel's key (`lifecycle.state.channel_id` made it)."""
    return channel_id.partition("/")[0]


def resolved(name: str, found: Sequence[Row]) -> str | None:
    """The device of this name, of the ids that answer to it. An id is its device's own, whatever serial number another
    device may claim; other names must be of one device only.
    """
    ids = [row[0] for row in found]
    return name if name in ids else ids[0] if len(ids) == 1 else None


def command_targets(found: Sequence[Row], profiles: Mapping[Any, bytes]) -> dict[str, CommandTarget]:
    """By the name that was asked for, of rows name, device, platform, OS version, life, channel, its kind, and the key
    of the profile; a name that two devices answer to names none.
    """
    targets = {
        name: CommandTarget(
            device_id=device_id,
            platform=Platform(platform) if platform else None,
            os_version=os_version,
            connection_id=life,
            channel_id=channel,
            channel_kind=kind,
            profile=profiles.get(profile, b""),
        )
        for name, device_id, platform, os_version, life, channel, kind, profile in found
    }
    if len(targets) < len(found):
        seen = Counter(row[0] for row in found)
        targets = {name: target for name, target in targets.items() if seen[name] == 1}
    return targets


def backlog(commands: Sequence[Row], work: Sequence[Row]) -> Backlog:
    """Of one row with the count and the oldest of the commands, and a row for each kind of work."""
    ((count, oldest),) = commands
    return Backlog(
        commands=count,
        oldest_command=oldest,
        work={kind: waiting for kind, waiting, _ in work},
        oldest_work={kind: due_at for kind, _, due_at in work},
    )
