"""What the API shows of a device, its lives, channels and certificates."""

from datetime import datetime
from typing import Literal, TypeAlias, cast

from corral.http.admin.endpoint import View
from corral.http.admin.times import shown
from corral.lifecycle.state import Certificate, Channel, Connection, Device, Phase
from corral.pki.attestation import HardwareProperties
from corral.store.directory import DeviceSummary


class DeviceView(View):
    id: str
    user_enrollment: bool
    name: str | None
    serial_number: str | None
    platform: str | None
    os_version: str | None
    build_version: str | None
    product_name: str | None
    model: str | None
    model_name: str | None
    imei: str | None
    meid: str | None
    created_at: datetime | None
    blocked_at: datetime | None
    blocked_reason: str


class ConnectionView(View):
    """One life of the device with this service."""

    id: str
    phase: Phase
    origin: str
    topic: str
    admitted_by: str
    created_at: datetime | None
    connected_at: datetime | None
    awaiting_configuration_since: datetime | None
    renewing_since: datetime | None
    erasing_since: datetime | None
    ending_since: datetime | None
    ending_deadline: datetime | None
    ending_by: str | None
    ended_at: datetime | None
    end_reason: str | None
    proof: str


class ChannelView(View):
    """The device channel (`user_id` empty) or a user channel. `unreachable` says why no push can reach it."""

    id: str
    connection_id: str
    user_id: str
    kind: str
    short_name: str | None
    long_name: str | None
    has_token: bool
    token_updated_at: datetime | None
    unreachable: str
    awaiting_configuration_since: datetime | None
    """A user of a Shared iPad waits for UserConfigured."""
    ended_at: datetime | None


class CertificateView(View):
    """`fingerprint`: SHA-256 in hex. `authority` is empty for our own, of which `issuer` is the id. `attested` is what
    Apple vouched for of the device when it was issued; None where nothing was."""

    fingerprint: str
    connection_id: str
    authority: str
    issuer: str
    purpose: str
    status: str
    issued_at: datetime | None
    not_after: datetime | None
    heard_at: datetime | None
    attested: HardwareProperties | None


Way: TypeAlias = Literal[
    "link",
    "over-the-air",
    "automated",
    "account-user",
    "account-device",
    "return-to-service",
    "trusted-identity",
    "restore",
]
"""How a connection came: a kind of enrollment, or taken up again by a device that was restored after its end."""


class SummaryView(View):
    """A device with its latest life: the one that is not over, if there is one. `way` is how that came, `restore` where
    it was taken up again after its end; `supervised` is what the device says, null while it has said nothing."""

    device: DeviceView
    connection: ConnectionView | None
    way: Way | None
    last_seen: datetime | None
    open_commands: int
    supervised: bool | None


def summary_view(found: DeviceSummary) -> SummaryView:
    return SummaryView(
        device=device_view(found.device),
        connection=connection_view(found.connection) if found.connection else None,
        way=cast("Way | None", found.way),
        last_seen=shown(found.last_seen),
        open_commands=found.open_commands,
        supervised=found.supervised,
    )


def device_view(device: Device) -> DeviceView:
    return DeviceView(
        id=device.id,
        user_enrollment=device.user_enrollment,
        name=device.name,
        serial_number=device.serial_number,
        platform=device.platform,
        os_version=device.os_version,
        build_version=device.build_version,
        product_name=device.product_name,
        model=device.model,
        model_name=device.model_name,
        imei=device.imei,
        meid=device.meid,
        created_at=shown(device.created_at),
        blocked_at=shown(device.blocked_at),
        blocked_reason=device.blocked_reason,
    )


def connection_view(life: Connection) -> ConnectionView:
    ending = life.end_request
    return ConnectionView(
        id=life.id,
        phase=life.phase,
        origin=life.origin,
        topic=life.topic,
        admitted_by=life.admitted_by,
        created_at=shown(life.created_at),
        connected_at=shown(life.connected_at),
        awaiting_configuration_since=shown(life.awaiting_since),
        renewing_since=shown(life.renewal.asked_at) if life.renewal else None,
        erasing_since=shown(life.erasing_at),
        ending_since=shown(ending.at) if ending else None,
        ending_deadline=shown(ending.deadline) if ending else None,
        ending_by=ending.by if ending else None,
        ended_at=shown(life.ended_at),
        end_reason=life.end_reason,
        proof=life.proof,
    )


def channel_view(channel: Channel) -> ChannelView:
    return ChannelView(
        id=channel.id,
        connection_id=channel.connection_id,
        user_id=channel.user_id,
        kind=channel.kind,
        short_name=channel.short_name,
        long_name=channel.long_name,
        has_token=channel.token_updated_at is not None,
        token_updated_at=shown(channel.token_updated_at),
        unreachable=channel.unreachable,
        awaiting_configuration_since=shown(channel.awaiting_since),
        ended_at=shown(channel.ended_at),
    )


def certificate_view(certificate: Certificate) -> CertificateView:
    return CertificateView(
        fingerprint=certificate.fingerprint.hex(),
        connection_id=certificate.connection_id,
        authority=certificate.authority,
        issuer=certificate.issuer,
        purpose=certificate.purpose,
        status=certificate.status,
        issued_at=shown(certificate.issued_at),
        not_after=shown(certificate.not_after),
        heard_at=shown(certificate.heard_at),
        attested=certificate.attested,
    )
