"""Devices as Apple lists them, and the profile that each of them gets."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated

from msgspec import Meta

from corral.http.admin.endpoint import Body, Call, Query, View
from corral.http.admin.times import shown
from corral.service.errors import NotFound
from corral.store.ade import Listed

Serial = Annotated[str, Meta(min_length=1, max_length=64)]
Serials = Annotated[tuple[Serial, ...], Meta(min_length=1, max_length=1000)]


class AdeDeviceQuery(Query):
    """`after` is the `next` of the page before; `deleted`: those that Apple lists no more as well."""

    server: str | None = None
    after: Annotated[str, Meta(max_length=200)] = ""
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    deleted: bool = False


class AdeDevices(Body):
    devices: Serials


class NewAdeAssignment(Body):
    devices: Serials
    profile: Annotated[str, Meta(min_length=1, max_length=125)]


class AdeDisowning(Body):
    """`confirm` must be the name of the organization: the devices leave it for ever."""

    devices: Serials
    confirm: str = ""


class AdeLock(Body):
    """`escrow_key` is what Apple calls so: the derived form of a bypass code, which can lift the lock again."""

    device: Serial
    escrow_key: Annotated[str, Meta(max_length=200)] = ""
    lost_message: Annotated[str, Meta(max_length=1000)] = ""


class AdeAssignmentView(View):
    """`profile` empty: it shall have none. `due_at`: when Apple is told (again); null: nothing is to be done."""

    profile: str
    assigned_by: str
    assigned_at: datetime | None
    outcome: str
    due_at: datetime | None


class AdeDeviceView(View):
    """`profile_status` is Apple's: empty, assigned, pushed, removed; `profile` is the name here of what it has."""

    server: str
    serial_number: str
    model: str
    description: str
    color: str
    asset_tag: str
    device_family: str
    os: str
    profile_status: str
    profile_uuid: str
    profile: str
    seen_at: datetime | None
    deleted_at: datetime | None
    assignment: AdeAssignmentView | None


class AdeDevicePage(View):
    devices: tuple[AdeDeviceView, ...]
    next: str | None


class AdeDeviceList(View):
    devices: tuple[AdeDeviceView, ...]


class AdeReleased(View):
    """How many devices get another profile now."""

    reassigned: int


class AdeWords(View):
    """Apple's word for each device."""

    devices: Mapping[str, str]


async def list_ade_devices(call: Call, query: AdeDeviceQuery) -> AdeDevicePage:
    server, _, serial = query.after.partition("/")
    ade = call.services.ade
    found = await ade.store.devices(query.server, query.limit + 1, (server, serial), deleted=query.deleted)
    page = found[: query.limit]
    last = page[-1].device if len(found) > len(page) else None
    following = None if last is None else f"{last.server}/{last.serial_number}"
    return AdeDevicePage(devices=await _views(call, page), next=following)


async def show_ade_device(call: Call, device: str) -> AdeDeviceList:
    found = await call.services.ade.store.find(device)
    if not found:
        raise NotFound(f"Apple has listed no device {device} here; `corral ade sync` asks anew.")
    return AdeDeviceList(devices=await _views(call, found))


async def assign_ade_devices(call: Call, server: str, body: NewAdeAssignment) -> AdeDeviceList:
    found = await call.services.ade.assigning.assign(server, body.devices, body.profile, call.by)
    return AdeDeviceList(devices=await _views(call, found))


async def unassign_ade_devices(call: Call, server: str, body: AdeDevices) -> AdeDeviceList:
    found = await call.services.ade.assigning.unassign(server, body.devices, call.by)
    return AdeDeviceList(devices=await _views(call, found))


async def release_ade_devices(call: Call, server: str, body: AdeDevices) -> AdeReleased:
    return AdeReleased(reassigned=await call.services.ade.assigning.release(server, body.devices, call.by))


async def disown_ade_devices(call: Call, server: str, body: AdeDisowning) -> AdeWords:
    return AdeWords(devices=await call.services.ade.assigning.disown(server, body.devices, body.confirm, call.by))


async def lock_ade_device(call: Call, server: str, body: AdeLock) -> AdeWords:
    assigning = call.services.ade.assigning
    word = await assigning.lock(server, body.device, body.escrow_key, body.lost_message, call.by)
    return AdeWords(devices={body.device: word})


async def _views(call: Call, listed: Iterable[Listed]) -> tuple[AdeDeviceView, ...]:
    names: dict[str, dict[str, str]] = {}
    views: list[AdeDeviceView] = []
    for each in listed:
        server = each.device.server
        if server not in names:
            names[server] = {one.uuid: one.name for one in await call.services.ade.store.profiles(server)}
        views.append(_view(each, names[server]))
    return tuple(views)


def _view(listed: Listed, names: Mapping[str, str]) -> AdeDeviceView:
    device, assignment = listed.device, listed.assignment
    return AdeDeviceView(
        server=device.server,
        serial_number=device.serial_number,
        model=device.model,
        description=device.description,
        color=device.color,
        asset_tag=device.asset_tag,
        device_family=device.device_family,
        os=device.os,
        profile_status=device.profile_status,
        profile_uuid=device.profile_uuid,
        profile=names.get(device.profile_uuid, ""),
        seen_at=shown(device.seen_at),
        deleted_at=shown(device.deleted_at),
        assignment=AdeAssignmentView(
            profile=assignment.profile,
            assigned_by=assignment.assigned_by,
            assigned_at=shown(assignment.assigned_at),
            outcome=assignment.outcome,
            due_at=shown(assignment.due_at),
        )
        if assignment is not None
        else None,
    )
