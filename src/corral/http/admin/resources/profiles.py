"""Configuration profiles: kept in versions, put onto devices and taken off, compared with what devices have."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from corral.apple.catalog import Target
from corral.apple.platform import Platform
from corral.apple.profile import CONTENT_TYPE
from corral.http.admin.endpoint import Body, Call, File, Number, Query, View
from corral.http.admin.resources import targets
from corral.http.admin.times import shown
from corral.service.commands.verdicts import How
from corral.service.errors import RequestRefused
from corral.service.profiles.comparing import ALL, DRIFT, STANDINGS, Compared, Standing
from corral.store.profiles import ProfileVersion, StoredProfile

MAX_BODY = 8 * 1024 * 1024
"""A profile of 4 MiB, in base64."""

Names = Annotated[str, Meta(max_length=255)]


class StoredProfileView(View):
    """`identifier` is its PayloadIdentifier; `latest` the number of its newest version."""

    id: str
    identifier: str
    name: str
    created_at: datetime | None
    latest: int


class ProfileVersionView(View):
    """Never with its content, which may hold passwords. `digest` is the SHA-256 of that, in hex."""

    number: int
    payload_uuid: str
    digest: str
    size: int
    created_at: datetime | None
    created_by: str
    note: str


class ProfileDetail(View):
    """Versions newest first; `wanted_on`: so many channels are to have it."""

    VOLATILE = frozenset({"wanted_on"})

    profile: StoredProfileView
    versions: tuple[ProfileVersionView, ...]
    wanted_on: int


class ProfilePage(View):
    """By identifier; `next` is the `after` of the following page."""

    profiles: tuple[StoredProfileView, ...]
    next: str | None


class ProfileQuery(Query):
    after: Names = ""
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class ProfileDevicesQuery(ProfileQuery):
    """`standing`: only devices of these standings, with commas between; `drift` means all that are drift."""

    standing: Annotated[str, Meta(max_length=255)] | None = None


class LintedProfile(Body):
    """`content` is the profile in base64, signed or not; for `device`, or for what is said of one."""

    content: bytes
    device: Names | None = None
    user: Names = ""
    platform: Platform | None = None
    os_version: Annotated[str, Meta(max_length=64)] | None = None
    supervised: bool | None = None


class LintView(View):
    identifier: str
    errors: int
    warnings: int
    findings: tuple[targets.FindingView, ...]


class UploadedProfile(Body):
    """`content` is the profile in base64, signed or not. What devices would refuse is kept only with `force`."""

    content: bytes
    name: Names = ""
    note: Annotated[str, Meta(max_length=1000)] = ""
    force: bool = False


class KeptProfileView(View):
    """`is_new` false: this content was the newest version already. `uuid_changed`: it came with the PayloadUUID of an
    earlier version and got one of its own."""

    profile: StoredProfileView
    version: ProfileVersionView
    is_new: bool
    uuid_changed: bool
    findings: tuple[targets.FindingView, ...]


class ContentQuery(Query):
    version: Number | None = None


class RemovalQuery(Query):
    force: bool = False


class ProfileInstallation(Body):
    """`devices` by name, or those that a `query` means, or both; `version`: the newest without it."""

    devices: Annotated[tuple[str, ...], Meta(max_length=100_000)] = ()
    query: targets.TargetQuery | None = None
    version: Number | None = None
    user: Names = ""
    force: bool = False
    dry_run: bool = False


class ProfileRemoval(Body):
    devices: Annotated[tuple[str, ...], Meta(max_length=100_000)] = ()
    query: targets.TargetQuery | None = None
    user: Names = ""
    force: bool = False
    dry_run: bool = False


class SentProfile(View):
    """`version` is null where it is removed."""

    command_uuid: str
    version: int | None
    queued: int
    devices: tuple[targets.SentView, ...]


class ComparedView(View):
    """A profile in one channel: `standing` is how what the device lists compares with what was asked for, `drift` that
    these differ. `wanted_version` is null where it is to be gone or nothing was asked for."""

    device: str
    user: str
    identifier: str
    standing: Standing
    drift: bool
    wanted_version: int | None
    asked_at: datetime | None
    asked_by: str
    command_uuid: str
    present_uuid: str | None
    present_name: str
    managed: bool | None


class DeviceProfiles(View):
    """`as_of` is when the device listed what it has, null if it never did."""

    device: str
    as_of: datetime | None
    profiles: tuple[ComparedView, ...]


class DeviceProfilesQuery(Query):
    user: Names = ""


class ProfileDevices(View):
    """In the order of their channels; `next` is the `after` of the following page, which may be there although this one
    is not full."""

    devices: tuple[ComparedView, ...]
    next: str | None


async def list_stored_profiles(call: Call, query: ProfileQuery) -> ProfilePage:
    found = await call.services.profiles.keeping.list(query.after, query.limit + 1)
    page = found[: query.limit]
    following = page[-1].identifier if len(found) > len(page) else None
    return ProfilePage(profiles=tuple(map(_profile, page)), next=following)


async def lint_profile(call: Call, body: LintedProfile) -> LintView:
    target = Target(body.platform, body.os_version, "user" if body.user else "device", supervised=body.supervised)
    if body.device is not None:
        target, _ = await call.services.commanding.judge(body.device, "InstallProfile", user_id=body.user)
    read, findings = await call.services.profiles.keeping.lint(body.content, target)
    errors = sum(each.severity == "error" for each in findings)
    return LintView(
        identifier=read.identifier,
        errors=errors,
        warnings=len(findings) - errors,
        findings=targets.finding_views(findings),
    )


async def add_stored_profile(call: Call, body: UploadedProfile) -> KeptProfileView:
    return await _keep(call, body, None)


async def put_profile_version(call: Call, profile: str, body: UploadedProfile) -> KeptProfileView:
    """Its PayloadIdentifier stays: another one is another profile."""
    return await _keep(call, body, await call.services.profiles.keeping.find(profile))


async def _keep(call: Call, body: UploadedProfile, of: StoredProfile | None) -> KeptProfileView:
    kept = await call.services.profiles.keeping.add(
        body.content, name=body.name, note=body.note, force=body.force, by=call.by, of=of
    )
    return KeptProfileView(
        profile=_profile(kept.profile),
        version=_version(kept.version),
        is_new=kept.is_new,
        uuid_changed=kept.uuid_changed,
        findings=targets.finding_views(kept.findings),
    )


async def show_stored_profile(call: Call, profile: str) -> ProfileDetail:
    found = await call.services.profiles.keeping.find(profile)
    return ProfileDetail(
        profile=_profile(found),
        versions=tuple(map(_version, await call.services.profiles.keeping.versions(found))),
        wanted_on=await call.services.profiles.keeping.count(found),
    )


async def show_profile_content(call: Call, profile: str, query: ContentQuery) -> Annotated[File, CONTENT_TYPE]:
    """The property list of one version with all that is secret in it; an event tells who got it."""
    keeping = call.services.profiles.keeping
    return File(await keeping.show(await keeping.find(profile), query.version, call.by))


async def remove_stored_profile(call: Call, profile: str, query: RemovalQuery) -> None:
    keeping = call.services.profiles.keeping
    await keeping.remove(await keeping.find(profile), force=query.force, by=call.by)


async def install_profile(call: Call, profile: str, body: ProfileInstallation) -> SentProfile:
    found = await call.services.profiles.keeping.find(profile)
    how = How(user_id=body.user, force=body.force, only_ask=body.dry_run, by=call.caller)
    names = await targets.names(call, body.devices, body.query)
    version, sent = await call.services.profiles.installing.install(found, body.version, names, how)
    return SentProfile(
        command_uuid=sent[0].command_uuid,
        version=version,
        queued=sum(each.queued for each in sent),
        devices=await targets.sent_views(sent),
    )


async def uninstall_profile(call: Call, profile: str, body: ProfileRemoval) -> SentProfile:
    found = await call.services.profiles.keeping.find(profile)
    how = How(user_id=body.user, force=body.force, only_ask=body.dry_run, by=call.caller)
    names = await targets.names(call, body.devices, body.query)
    sent = await call.services.profiles.installing.remove(found, names, how)
    return SentProfile(
        command_uuid=sent[0].command_uuid,
        version=None,
        queued=sum(each.queued for each in sent),
        devices=await targets.sent_views(sent),
    )


async def list_profile_devices(call: Call, profile: str, query: ProfileDevicesQuery) -> ProfileDevices:
    services = call.services.profiles
    found = await services.keeping.find(profile)
    page = await services.comparing.profile(found, query.after, query.limit, _standings(query.standing))
    return ProfileDevices(devices=tuple(_compared("", each) for each in page.compared), next=page.after)


def _standings(named: str | None) -> frozenset[Standing]:
    if named is None:
        return ALL
    found = frozenset[Standing]()
    for name in named.split(","):
        meant = STANDINGS.get(name.strip())
        if meant is None:
            raise RequestRefused(f"{name.strip()!r} is no standing; there are {', '.join(sorted(STANDINGS))}.")
        found |= meant
    return found


async def list_device_profiles(call: Call, device: str, query: DeviceProfilesQuery) -> DeviceProfiles:
    listing = await call.services.profiles.comparing.device(device, query.user)
    return DeviceProfiles(
        device=listing.device_id,
        as_of=shown(listing.as_of),
        profiles=tuple(_compared(listing.device_id, each) for each in listing.profiles),
    )


def _profile(found: StoredProfile) -> StoredProfileView:
    return StoredProfileView(
        id=found.id,
        identifier=found.identifier,
        name=found.name,
        created_at=shown(found.created_at),
        latest=found.latest,
    )


def _version(found: ProfileVersion) -> ProfileVersionView:
    return ProfileVersionView(
        number=found.number,
        payload_uuid=found.payload_uuid,
        digest=found.digest.hex(),
        size=found.size,
        created_at=shown(found.created_at),
        created_by=found.created_by,
        note=found.note,
    )


def _compared(device: str, found: Compared) -> ComparedView:
    wanted, present = found.wanted, found.present
    return ComparedView(
        device=wanted.device_id if wanted is not None else device,
        user=wanted.channel_id.partition("/")[2] if wanted is not None else "",
        identifier=found.identifier,
        standing=found.standing,
        drift=found.standing in DRIFT,
        wanted_version=wanted.number if wanted is not None else None,
        asked_at=shown(wanted.at) if wanted is not None else None,
        asked_by=wanted.by if wanted is not None else "",
        command_uuid=wanted.command_uuid if wanted is not None else "",
        present_uuid=present.uuid if present is not None else None,
        present_name=present.name if present is not None else "",
        managed=present.managed if present is not None else None,
    )
