"""Devices with their lives: listed, looked at, ended, blocked, renewed, forgotten."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from corral.http.admin.endpoint import Body, Call, Query, View
from corral.http.admin.resources.waiting import Waiting, why_waiting
from corral.http.admin.times import Seconds, Time, due, shown
from corral.lifecycle.state import FOREVER, Certificate, Channel, Connection, DeliveryState, Device, Phase
from corral.pki.attestation import HardwareProperties
from corral.service.errors import NotFound
from corral.store.directory import DeviceDetail, DeviceSummary

OPEN_SHOWN = 500
"""Open commands that are looked at to tell why the next one waits."""


_GOES_ON = "The device has another certificate and goes on under that."
_UNHEARD = (
    "The device is refused from now on, keeps its profile, and is not heard again until it enrolls anew: "
    "give it an enrollment link."
)


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


class SummaryView(View):
    """A device with its latest life: the one that is not over, if there is one."""

    device: DeviceView
    connection: ConnectionView | None
    last_seen: datetime | None
    open_commands: int


class PushView(View):
    at: datetime | None
    outcome: str


class DetailView(View):
    """All that is known of a device, newest first. `waiting` tells what its next command waits for; `takeover` is the
    connection of a newcomer, if one waits to take the place of this device's."""

    device: DeviceView
    connections: tuple[ConnectionView, ...]
    channels: tuple[ChannelView, ...]
    certificates: tuple[CertificateView, ...]
    last_seen: datetime | None
    last_push: PushView | None
    open_commands: int
    waiting: tuple[Waiting, ...]
    takeover: str | None


class DeviceQuery(Query):
    """`search`: the start of an id, serial number or name."""

    search: Annotated[str, Meta(max_length=255)] | None = None
    phase: Phase | None = None
    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class DevicePage(View):
    """By device id; `next` is the `after` of the following page."""

    devices: tuple[SummaryView, ...]
    next: str | None


class TimelineQuery(Query):
    before: Time | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class EntryView(View):
    at: datetime | None
    kind: str
    connection_id: str | None
    data: Mapping[str, Any]


class Timeline(View):
    """Newest first; `next` is the `before` of the following page."""

    device_id: str
    waiting: tuple[Waiting, ...]
    entries: tuple[EntryView, ...]
    next: datetime | None


class Ending(Body):
    """The deadline past which a contact is answered by unenrolling: a time, or seconds from now (0: at once)."""

    deadline: Time | None = None
    deadline_in: Seconds | None = None


class Blocking(Body):
    reason: Annotated[str, Meta(max_length=1000)] = ""


class Renewing(View):
    command_uuid: str


class Takeover(Body):
    """Whether the newcomer that waits to take the place of this device's connection is the device."""

    accept: bool


class ReturningToService(Body):
    """`wifi_profile`: base64 of a configuration profile, for a device that has no other network."""

    wifi_profile: bytes | None = None


class Returning(View):
    """The EraseDevice that brings it back."""

    command_uuid: str


class Revoking(Body):
    """`fingerprint`: SHA-256 in hex of one certificate; without it all of the device are meant."""

    reason: Annotated[str, Meta(min_length=1, max_length=1000)]
    fingerprint: Annotated[str, Meta(pattern="^[0-9a-fA-F]{64}$")] | None = None


class RevokedView(View):
    """`what_follows` says in words what it means for the device."""

    revoked: tuple[str, ...]
    what_follows: str


class Woken(View):
    """So many channels are pushed to."""

    pushes: int


async def list_devices(call: Call, query: DeviceQuery) -> DevicePage:
    found = await call.services.directory.devices(
        search=query.search, phase=query.phase, after=query.after, limit=query.limit + 1
    )
    page = found[: query.limit]
    following = page[-1].device.id if len(found) > len(page) else None
    return DevicePage(devices=tuple(map(_summary, page)), next=following)


async def show_device(call: Call, device: str) -> DetailView:
    detail = await find(call, device)
    push = detail.last_push
    return DetailView(
        device=_device(detail.device),
        connections=tuple(map(_connection, detail.connections)),
        channels=tuple(map(_channel, detail.channels)),
        certificates=tuple(map(_certificate, detail.certificates)),
        last_seen=shown(detail.last_seen),
        last_push=PushView(at=shown(push[0]), outcome=push[1]) if push else None,
        open_commands=detail.open_commands,
        waiting=await _waiting(call, detail),
        takeover=_newcomer(detail),
    )


async def show_timeline(call: Call, device: str, query: TimelineQuery) -> Timeline:
    """Also of a device (by its UDID) that was never let in, and of which only refusals are known."""
    before = due("before", query.before, None, call.now)
    device_id = await call.services.directory.resolve(device) or device
    entries = await call.services.events.timeline(device_id, FOREVER if before is None else before, query.limit)
    detail = await find(call, device) if not entries else await call.services.directory.device(device_id)
    return Timeline(
        device_id=device_id,
        waiting=await _waiting(call, detail) if detail is not None else (),
        entries=tuple(
            EntryView(at=shown(each.at), kind=each.kind, connection_id=each.connection_id, data=each.data)
            for each in entries
        ),
        next=shown(entries[-1].at) if len(entries) >= query.limit else None,
    )


async def end_device(call: Call, device: str, body: Ending) -> DetailView:
    deadline = due("deadline", body.deadline, body.deadline_in, call.now)
    await call.services.operating.end(device, call.by, deadline)
    return await show_device(call, device)


async def block_device(call: Call, device: str, body: Blocking) -> DetailView:
    await call.services.operating.block(device, call.by, body.reason)
    return await show_device(call, device)


async def unblock_device(call: Call, device: str) -> DetailView:
    await call.services.operating.unblock(device, call.by)
    return await show_device(call, device)


async def wake_device(call: Call, device: str) -> Woken:
    return Woken(pushes=await call.services.waking.wake(device, call.by))


async def renew_device(call: Call, device: str) -> Renewing:
    return Renewing(command_uuid=await call.services.operating.renew(device, call.by))


async def decide_takeover(call: Call, device: str, body: Takeover) -> DetailView:
    await call.services.takeovers.decide(device, accept=body.accept, by=call.by)
    return await show_device(call, device)


async def return_to_service(call: Call, device: str, body: ReturningToService) -> Returning:
    sent = await call.services.returning.erase(device, body.wifi_profile, call.caller)
    return Returning(command_uuid=sent.command_uuid)


async def revoke_certificate(call: Call, device: str, body: Revoking) -> RevokedView:
    fingerprint = bytes.fromhex(body.fingerprint) if body.fingerprint else None
    revoked = await call.services.operating.revoke(device, fingerprint, call.by, body.reason)
    return RevokedView(
        revoked=tuple(each.hex() for each in revoked.fingerprints),
        what_follows=_GOES_ON if revoked.may_speak else _UNHEARD,
    )


async def forget_device(call: Call, device: str) -> None:
    await call.services.operating.forget(device, call.by)


async def find(call: Call, name: str) -> DeviceDetail:
    """The device of an id, serial number or connection id; raises NotFound."""
    device_id = await call.services.directory.resolve(name)
    detail = await call.services.directory.device(device_id) if device_id is not None else None
    if detail is None:
        raise NotFound(f"There is no device {name}, or more than one; name it by its id.")
    return detail


async def _waiting(call: Call, detail: DeviceDetail) -> tuple[Waiting, ...]:
    records = await call.services.queue.list(
        device_id=detail.device.id, command_uuid=None, state=DeliveryState.OPEN, before=None, limit=OPEN_SHOWN
    )
    return why_waiting(detail, [each.delivery for each in records], call.now)


def _newcomer(detail: DeviceDetail) -> str | None:
    """Only one that is held has a token before its time."""
    told = {channel.connection_id for channel in detail.channels if channel.token_updated_at is not None}
    held = (life.id for life in detail.connections if life.phase is Phase.AUTHENTICATING and life.id in told)
    return next(held, None)


def _summary(found: DeviceSummary) -> SummaryView:
    return SummaryView(
        device=_device(found.device),
        connection=_connection(found.connection) if found.connection else None,
        last_seen=shown(found.last_seen),
        open_commands=found.open_commands,
    )


def _device(device: Device) -> DeviceView:
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


def _connection(life: Connection) -> ConnectionView:
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


def _channel(channel: Channel) -> ChannelView:
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


def _certificate(certificate: Certificate) -> CertificateView:
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
