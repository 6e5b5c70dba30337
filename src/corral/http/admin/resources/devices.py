"""Devices listed, and looked at with all their lives; what happened with one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, ValidationError, convert

from corral.apple.platform import Platform
from corral.http.admin.endpoint import Call, Query, View
from corral.http.admin.resources.device_views import (
    CertificateView,
    ChannelView,
    ConnectionView,
    DeviceView,
    SummaryView,
    Way,
    certificate_view,
    channel_view,
    connection_view,
    device_view,
    summary_view,
)
from corral.http.admin.resources.waiting import Waiting, why_waiting
from corral.http.admin.times import Seconds, Time, instant_of, past, shown
from corral.lifecycle.state import FOREVER, DeliveryState, Phase
from corral.service.errors import NotFound, RequestRefused
from corral.store.directory import DeviceDetail, Facts
from corral.store.events import Place
from corral.store.timeline import read_place, write_place

OPEN_SHOWN = 500
"""Open commands that are looked at to tell why the next one waits."""


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


_Text = Annotated[str, Meta(min_length=1, max_length=255)]


class DeviceQuery(Query):
    """`search`: the start of an id, serial number or name; `contains`: text anywhere in these, the product name or the
    model number. `os_version`: as a whole, or up to a dot: `17` is 17.5 too. `model`: a product name (`iPhone16,1`) or
    a model number. When it was last seen: `seen_before` a time or `not_seen_for` so many seconds, `seen_after` a time
    (or then) or `seen_within` so many seconds. `way` is how its connection came; `supervised`: as it has said itself.
    What is not known fits nothing. More can be asked of the inventory."""

    search: Annotated[str, Meta(max_length=255)] | None = None
    contains: _Text | None = None
    phase: Phase | None = None
    platform: Platform | None = None
    os_version: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    model: _Text | None = None
    seen_before: Time | None = None
    not_seen_for: Seconds | None = None
    seen_after: Time | None = None
    seen_within: Seconds | None = None
    way: Way | None = None
    supervised: bool | None = None
    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class DevicePage(View):
    """By device id; `next` is the `after` of the following page."""

    devices: tuple[SummaryView, ...]
    next: str | None


class TimelineQuery(Query):
    """`before` is the `next` of the page before, or a time."""

    before: Annotated[str, Meta(min_length=1, max_length=400)] | None = None
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
    next: str | None


async def list_devices(call: Call, query: DeviceQuery) -> DevicePage:
    found = await call.services.directory.devices(
        search=query.search,
        phase=query.phase,
        after=query.after,
        limit=query.limit + 1,
        facts=Facts(
            platform=query.platform,
            os_version=query.os_version,
            model=query.model,
            contains=query.contains,
            seen_before=past("seen_before", query.seen_before, "not_seen_for", query.not_seen_for, call.now),
            seen_after=past("seen_after", query.seen_after, "seen_within", query.seen_within, call.now),
            way=query.way,
            supervised=query.supervised,
        ),
    )
    page = found[: query.limit]
    following = page[-1].device.id if len(found) > len(page) else None
    return DevicePage(devices=tuple(map(summary_view, page)), next=following)


async def show_device(call: Call, device: str) -> DetailView:
    detail = await find(call, device)
    push = detail.last_push
    return DetailView(
        device=device_view(detail.device),
        connections=tuple(map(connection_view, detail.connections)),
        channels=tuple(map(channel_view, detail.channels)),
        certificates=tuple(map(certificate_view, detail.certificates)),
        last_seen=shown(detail.last_seen),
        last_push=PushView(at=shown(push[0]), outcome=push[1]) if push else None,
        open_commands=detail.open_commands,
        waiting=await _waiting(call, detail),
        takeover=_newcomer(detail),
    )


async def show_timeline(call: Call, device: str, query: TimelineQuery) -> Timeline:
    """Also of a device (by its UDID) that was never let in, and of which only refusals are known."""
    device_id = await call.services.directory.resolve(device) or device
    found = await call.services.events.timeline(device_id, _place(query.before), query.limit + 1)
    entries = found[: query.limit]
    detail = await find(call, device) if not entries else await call.services.directory.device(device_id)
    return Timeline(
        device_id=device_id,
        waiting=await _waiting(call, detail) if detail is not None else (),
        entries=tuple(
            EntryView(at=shown(each.at), kind=each.kind, connection_id=each.connection_id, data=each.data)
            for each in entries
        ),
        next=write_place(entries[-1].place) if len(found) > len(entries) else None,
    )


def _place(before: str | None) -> Place:
    if before is None:
        return Place.of(FOREVER)
    place = read_place(before)
    if place is None:
        try:
            at = convert(before, type=Time)
        except ValidationError:
            raise RequestRefused("`before` is the `next` of the page before, or a time (RFC 3339).") from None
        place = Place.of(instant_of(at))
    return place


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
