"""In-house apps: kept with their manifests, put onto devices and taken off, and what devices say of them."""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from corral.apple.app_manifest import Manifest, ManifestError, write_manifest
from corral.apple.catalog import Finding, Target
from corral.apple.platform import Platform, is_older
from corral.apple.plist import PlistError, PlistValue, parse_dict
from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant
from corral.service.clock import Clock
from corral.service.collecting.refreshing import Refreshing
from corral.service.commands.commanding import Commanding
from corral.service.commands.targeting import Targeting
from corral.service.commands.verdicts import How, Sent
from corral.service.errors import NotFound, RequestRefused
from corral.store.apps import AppKind, AppStore, StoredApp
from corral.store.queue import QueueStore

_LONGEST = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApp:
    """`package` is a manifest to be made, or `manifest_url` leads to one that is hosted elsewhere."""

    kind: AppKind
    bundle_id: str
    version: str
    title: str
    minimum_os: str = ""
    manifest: Manifest | None = None
    manifest_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`managed`: a Mac takes the app under management too, as all others do; `remove_with_enrollment`: it leaves with
    the enrollment; `configuration` is what the app reads of its management."""

    managed: bool = True
    remove_with_enrollment: bool = True
    configuration: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedApp:
    """An entry of a device's answer to ManagedApplicationList."""

    bundle_id: str
    status: str
    flags: int | None
    has_configuration: bool | None


class Apps:
    def __init__(
        self,
        apps: AppStore,
        commanding: Commanding,
        refreshing: Refreshing,
        queue: QueueStore,
        targeting: Targeting,
        public_url: str,
        secret: bytes,
        clock: Clock,
    ) -> None:
        """`secret` makes the addresses of manifests, which nobody can guess."""
        self._apps = apps
        self._commanding = commanding
        self._refreshing = refreshing
        self._queue = queue
        self._targeting = targeting
        self._url = public_url.rstrip("/")
        self._secret = secret
        self._clock = clock

    async def add(self, new: NewApp, by: str) -> StoredApp:
        """Raises RequestRefused."""
        for name, value in (("bundle_id", new.bundle_id), ("version", new.version), ("title", new.title)):
            if not 0 < len(value) <= _LONGEST or not value.isprintable():
                raise RequestRefused(f"{name} must be text of 1 to {_LONGEST} characters.")
        if (new.manifest is None) == (not new.manifest_url):
            raise RequestRefused("Give either a package with its URL, or the URL of a manifest.")
        if new.manifest_url and not new.manifest_url.startswith("https://"):
            raise RequestRefused("Devices get a manifest over https only.")
        try:
            manifest = write_manifest(new.manifest) if new.manifest is not None else b""
        except ManifestError as error:
            raise RequestRefused(f"{error}.") from None
        now = self._clock()
        app = StoredApp(
            id=secrets.token_hex(6),
            kind=new.kind,
            bundle_id=new.bundle_id,
            version=new.version,
            title=new.title,
            minimum_os=new.minimum_os,
            manifest_url=new.manifest_url,
            manifest=manifest,
            created_at=now,
            created_by=by,
        )
        await self._apps.add(app, self._event("app.added", app, by))
        return app

    async def page(self, after: str, limit: int) -> tuple[StoredApp, ...]:
        return await self._apps.apps(after, limit)

    async def find(self, name: str) -> StoredApp:
        """By id, or the newest of a bundle id; raises NotFound."""
        found = await self._apps.find(name)
        if found is None:
            raise NotFound(f"There is no app {name}; `corral app list` tells which there are.")
        return found

    async def forget(self, app: StoredApp, by: str) -> None:
        await self._apps.remove(app.id, self._event("app.removed", app, by))

    def manifest_url(self, app: StoredApp) -> str:
        return app.manifest_url or f"{self._url}/apps/{app.id}/{self._proof(app.id)}/manifest.plist"

    async def manifest(self, app_id: str, proof: str) -> bytes | None:
        """What is at the address of a manifest; None for one that was guessed, or is not hosted here."""
        if not hmac.compare_digest(proof.encode(), self._proof(app_id).encode()):
            return None
        app = await self._apps.find(app_id)
        return app.manifest or None if app is not None and app.id == app_id else None

    async def install(self, app: StoredApp, options: Options, devices: Sequence[str], how: How) -> list[Sent]:
        """Raises RequestRefused."""
        keys: dict[str, Any] = {}
        if options.remove_with_enrollment and (options.managed or app.kind is AppKind.MOBILE):
            keys["ManagementFlags"] = 1
        if options.configuration:
            keys["Configuration"] = dict(options.configuration)
        if app.kind is AppKind.MAC:
            request_type = "InstallEnterpriseApplication"
            if app.manifest:
                keys["Manifest"] = parse_dict(app.manifest)
            else:
                keys["ManifestURL"] = app.manifest_url
            if options.managed:
                keys["InstallAsManaged"] = True
        else:
            request_type = "InstallApplication"
            keys["ManifestURL"] = self.manifest_url(app)
        return await self._send(request_type, keys, app, devices, how)

    async def remove(self, app: StoredApp, devices: Sequence[str], how: How) -> list[Sent]:
        """Raises RequestRefused."""
        return await self._send("RemoveApplication", {"Identifier": app.bundle_id}, app, devices, how)

    async def device(self, name: str) -> tuple[str, Instant | None, tuple[ManagedApp, ...]]:
        """A device's id, when it told last, and the apps under management then; raises NotFound."""
        known, _ = await self._targeting.one(name, "")
        channels = [known.channel_id] if known.channel_id is not None else []
        answers = await self._queue.recent("ManagedApplicationList", channels)
        if not answers:
            return known.device_id, None, ()
        return known.device_id, answers[0].received_at, await asyncio.to_thread(_read_list, answers[0].body)

    async def _send(
        self, request_type: str, keys: Mapping[str, Any], app: StoredApp, devices: Sequence[str], how: How
    ) -> list[Sent]:
        sent = await self._commanding.send(
            devices,
            request_type=request_type,
            keys=keys,
            force=how.force,
            only_ask=how.only_ask,
            by=how.by,
            against=lambda target: _against(app, target),
        )
        queued = [each.device for each in sent if each.queued]
        await self._refreshing.refresh(queued, how.by.name, ("ManagedApplicationList",), told=False)
        return sent

    def _proof(self, app_id: str) -> str:
        return hmac.new(self._secret, b"app manifest " + app_id.encode(), hashlib.sha256).hexdigest()[:40]

    def _event(self, kind: str, app: StoredApp, by: str) -> Event:
        data = {"by": by, "app": app.id, "bundle_id": app.bundle_id, "version": app.version}
        return Event(type=kind, at=self._clock(), data=data)


def _against(app: StoredApp, target: Target) -> Sequence[Finding]:
    """The wrong kind of system, or too old a one."""
    where = f"{app.bundle_id} {app.version}"
    if target.platform is None:
        return ()
    if (target.platform is Platform.MACOS) != (app.kind is AppKind.MAC):
        what = "is a package for Macs" if app.kind is AppKind.MAC else "is an archive that no Mac takes by a manifest"
        return (Finding("error", where, what),)
    try:
        if app.minimum_os and target.os_version and is_older(target.os_version, app.minimum_os):
            return (Finding("error", where, f"needs version {app.minimum_os}, the target has {target.os_version}"),)
    except ValueError:
        pass
    return ()


def _read_list(body: bytes) -> tuple[ManagedApp, ...]:
    """By bundle id; nothing of what cannot be read."""
    try:
        listed = parse_dict(body).get("ManagedApplicationList")
    except PlistError:
        return ()
    entries = listed.items() if isinstance(listed, Mapping) else ()
    found = (_managed(bundle_id, entry) for bundle_id, entry in entries if isinstance(entry, Mapping))
    return tuple(sorted(found, key=lambda each: each.bundle_id))


def _managed(bundle_id: str, entry: Mapping[str, PlistValue]) -> ManagedApp:
    flags, configured = entry.get("ManagementFlags"), entry.get("HasConfiguration")
    return ManagedApp(
        bundle_id=bundle_id,
        status=str(entry.get("Status") or "Unknown"),
        flags=flags if isinstance(flags, int) and not isinstance(flags, bool) else None,
        has_configuration=configured if isinstance(configured, bool) else None,
    )
