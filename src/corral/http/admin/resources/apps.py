"""In-house apps: kept with their manifests, put onto devices and taken off, and what devices say of them."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from corral.apple.app_manifest import MOST_CHUNKS, Manifest, Package
from corral.http.admin.endpoint import Body, Call, File, Query, View
from corral.http.admin.resources import targets
from corral.http.admin.resources.plist_json import from_json
from corral.http.admin.times import shown
from corral.service.apps.apps import NewApp, Options
from corral.service.commands.verdicts import How, Sent
from corral.service.errors import NotFound
from corral.store.apps import AppKind, StoredApp

Names = Annotated[str, Meta(max_length=255)]
Address = Annotated[str, Meta(max_length=4096)]
Digests = Annotated[tuple[str, ...], Meta(max_length=MOST_CHUNKS)]


class AppPackage(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Where you host the package (https), and what it is: its size and, in hex, digests of its chunks."""

    url: Address
    size: Annotated[int, Meta(ge=1, le=2**40)]
    chunk_size: Annotated[int, Meta(ge=1, le=2**40)] = 0
    sha256s: Digests = ()
    md5s: Digests = ()


class AddedApp(Body):
    """Of a `package` that you host the manifest is made here; a `manifest_url` leads to one of your own."""

    kind: AppKind
    bundle_id: Names
    version: Names
    title: Names
    minimum_os: Annotated[str, Meta(max_length=64)] = ""
    package: AppPackage | None = None
    manifest_url: Address = ""


class AppView(View):
    """`manifest_url` is what devices are told; nobody can guess it."""

    id: str
    kind: AppKind
    bundle_id: str
    version: str
    title: str
    minimum_os: str
    manifest_url: str
    created_at: datetime | None
    created_by: str


class AppPage(View):
    """By id; `next` is the `after` of the following page."""

    apps: tuple[AppView, ...]
    next: str | None


class AppQuery(Query):
    after: Names = ""
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class AppInstallation(Body):
    """`configuration` is what the app reads of its management. `managed` is for Macs; others always manage it."""

    devices: Annotated[tuple[str, ...], Meta(max_length=100_000)] = ()
    query: targets.TargetQuery | None = None
    managed: bool = True
    remove_with_enrollment: bool = True
    configuration: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    force: bool = False
    dry_run: bool = False


class AppRemoval(Body):
    devices: Annotated[tuple[str, ...], Meta(max_length=100_000)] = ()
    query: targets.TargetQuery | None = None
    force: bool = False
    dry_run: bool = False


class SentApp(View):
    command_uuid: str
    queued: int
    devices: tuple[targets.SentView, ...]


class ManagedAppView(View):
    """`status` is Apple's word: Managed, Installing, UserRejected, Failed ..."""

    bundle_id: str
    status: str
    flags: int | None
    has_configuration: bool | None


class DeviceApps(View):
    """`as_of` is when the device answered to ManagedApplicationList last, null if it never did."""

    device: str
    as_of: datetime | None
    apps: tuple[ManagedAppView, ...]


async def list_apps(call: Call, query: AppQuery) -> AppPage:
    found = await call.services.apps.page(query.after, query.limit + 1)
    page = found[: query.limit]
    return AppPage(apps=tuple(_view(call, each) for each in page), next=page[-1].id if len(found) > len(page) else None)


async def add_app(call: Call, body: AddedApp) -> AppView:
    manifest = None
    if body.package is not None:
        package = Package(
            url=body.package.url,
            size=body.package.size,
            chunk_size=body.package.chunk_size,
            sha256s=body.package.sha256s,
            md5s=body.package.md5s,
        )
        manifest = Manifest(bundle_id=body.bundle_id, version=body.version, title=body.title, package=package)
    new = NewApp(
        kind=body.kind,
        bundle_id=body.bundle_id,
        version=body.version,
        title=body.title,
        minimum_os=body.minimum_os,
        manifest=manifest,
        manifest_url=body.manifest_url,
    )
    return _view(call, await call.services.apps.add(new, call.by))


async def show_app(call: Call, app: str) -> AppView:
    return _view(call, await call.services.apps.find(app))


async def forget_app(call: Call, app: str) -> None:
    await call.services.apps.forget(await call.services.apps.find(app), call.by)


async def show_app_manifest(call: Call, app: str) -> Annotated[File, "application/xml"]:
    """The manifest that was made here."""
    found = await call.services.apps.find(app)
    if not found.manifest:
        raise NotFound(f"The manifest of {found.bundle_id} is not here but at {found.manifest_url}.")
    return File(found.manifest)


async def install_app(call: Call, app: str, body: AppInstallation) -> SentApp:
    options = Options(
        managed=body.managed,
        remove_with_enrollment=body.remove_with_enrollment,
        configuration={name: from_json(value) for name, value in body.configuration.items()},
    )
    how = How(force=body.force, only_ask=body.dry_run, by=call.caller)
    names = await targets.names(call, body.devices, body.query)
    return await _sent(await call.services.apps.install(await call.services.apps.find(app), options, names, how))


async def uninstall_app(call: Call, app: str, body: AppRemoval) -> SentApp:
    how = How(force=body.force, only_ask=body.dry_run, by=call.caller)
    names = await targets.names(call, body.devices, body.query)
    return await _sent(await call.services.apps.remove(await call.services.apps.find(app), names, how))


async def list_device_apps(call: Call, device: str) -> DeviceApps:
    device_id, as_of, found = await call.services.apps.device(device)
    return DeviceApps(
        device=device_id,
        as_of=shown(as_of),
        apps=tuple(
            ManagedAppView(
                bundle_id=each.bundle_id,
                status=each.status,
                flags=each.flags,
                has_configuration=each.has_configuration,
            )
            for each in found
        ),
    )


async def _sent(sent: list[Sent]) -> SentApp:
    return SentApp(
        command_uuid=sent[0].command_uuid,
        queued=sum(each.queued for each in sent),
        devices=await targets.sent_views(sent),
    )


def _view(call: Call, app: StoredApp) -> AppView:
    return AppView(
        id=app.id,
        kind=app.kind,
        bundle_id=app.bundle_id,
        version=app.version,
        title=app.title,
        minimum_os=app.minimum_os,
        manifest_url=call.services.apps.manifest_url(app),
        created_at=shown(app.created_at),
        created_by=app.created_by,
    )
