"""Profiles kept in versions: what was installed once can be told, and installed again."""

import asyncio
import hashlib
import secrets
import uuid
from dataclasses import dataclass

from corral.apple.catalog import Finding, Target, lint
from corral.lifecycle.change import Event
from corral.service.clock import Clock
from corral.service.errors import NotFound, RequestRefused
from corral.service.uploaded_profile import ReadProfile, read_profile
from corral.store.events import EventStore
from corral.store.profiles import NewVersion, ProfileStore, ProfileVersion, StoredProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """`is_new`: false where the newest version is this one already, and nothing was written. `uuid_changed`: it had the
    PayloadUUID of an earlier version, which a device could not tell it from, and got one of its own."""

    profile: StoredProfile
    version: ProfileVersion
    findings: tuple[Finding, ...]
    is_new: bool
    uuid_changed: bool = False


class Keeping:
    def __init__(self, profiles: ProfileStore, events: EventStore, clock: Clock) -> None:
        self._profiles = profiles
        self._events = events
        self._clock = clock

    async def lint(self, raw: bytes, target: Target) -> tuple[ReadProfile, tuple[Finding, ...]]:
        """Raises RequestRefused for what is no profile at all."""
        return await asyncio.to_thread(_read, raw, target)

    async def add(
        self, raw: bytes, *, name: str, note: str, force: bool, by: str, of: StoredProfile | None = None
    ) -> Kept:
        """Keep a profile as the next version of its identifier, which must be that of the profile `of` if it is given.
        Raises RequestRefused, for errors unless `force`."""
        read, findings = await self.lint(raw, Target())
        if of is not None and read.identifier != of.identifier:
            raise RequestRefused(
                f"This is a profile {read.identifier}, and no version of {of.identifier}; keep it as one of its own."
            )
        errors = [each for each in findings if each.severity == "error"]
        if errors and not force:
            more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
            raise RequestRefused(f"Devices would refuse this profile: {errors[0].where} {errors[0].what}{more}.")
        found = await self._profiles.find(read.identifier)
        before = await self._profiles.versions(found.id) if found is not None else ()
        digest = hashlib.sha256(read.content).digest()
        if found is not None and before and before[0].digest == digest:
            return Kept(profile=found, version=before[0], findings=findings, is_new=False)
        changed = read.uuid in {each.payload_uuid for each in before}
        if changed:
            read = read.with_uuid(str(uuid.uuid4()).upper())
        now = self._clock()
        stored = await self._profiles.add(
            StoredProfile(
                id=secrets.token_hex(6),
                identifier=read.identifier,
                name=name or (found.name if found else "") or read.display_name or read.identifier,
                created_at=now,
            ),
            NewVersion(
                payload_uuid=read.uuid, digest=digest, body=read.content, created_at=now, created_by=by, note=note
            ),
            Event(type="profile.added", at=now, data={"by": by, "identifier": read.identifier}),
        )
        version = next(each for each in await self._profiles.versions(stored.id) if each.number == stored.latest)
        return Kept(profile=stored, version=version, findings=findings, is_new=True, uuid_changed=changed)

    async def find(self, name: str) -> StoredProfile:
        """By id or PayloadIdentifier; raises NotFound."""
        found = await self._profiles.find(name)
        if found is None:
            raise NotFound(f"There is no profile {name}; `corral profile list` tells which there are.")
        return found

    async def versions(self, profile: StoredProfile) -> tuple[ProfileVersion, ...]:
        """Newest first."""
        return await self._profiles.versions(profile.id)

    async def content(self, profile: StoredProfile, number: int | None) -> tuple[int, ReadProfile]:
        """One version, the newest without a number; raises NotFound."""
        number = profile.latest if number is None else number
        body = await self._profiles.body(profile.id, number)
        if body is None:
            raise NotFound(f"Profile {profile.identifier} has no version {number}.")
        return number, read_profile(body)

    async def show(self, profile: StoredProfile, number: int | None, by: str) -> bytes:
        """The property list, passwords and all; the event is durable before it is given out. Raises NotFound."""
        number, read = await self.content(profile, number)
        data = {"by": by, "profile": profile.id, "version": number, "identifier": profile.identifier}
        await self._events.append((Event(type="profile.shown", at=self._clock(), data=data),))
        return read.content

    async def list(self, after: str, limit: int) -> tuple[StoredProfile, ...]:
        """By identifier."""
        return await self._profiles.profiles(after, limit)

    async def count(self, profile: StoredProfile) -> int:
        """On how many channels it is to be installed."""
        return await self._profiles.count(profile.id)

    async def remove(self, profile: StoredProfile, *, force: bool, by: str) -> None:
        """Forget it. Refused while it is wanted on devices, which would keep it unknown to anybody, unless `force`."""
        wanted = await self._profiles.count(profile.id)
        if wanted and not force:
            devices = "a device" if wanted == 1 else f"{wanted:,} devices"
            raise RequestRefused(
                f"Profile {profile.identifier} is wanted on {devices}: remove it there first, or forget it with force."
            )
        data = {"by": by, "profile": profile.id, "identifier": profile.identifier}
        await self._profiles.remove(profile.id, Event(type="profile.removed", at=self._clock(), data=data))


def _read(raw: bytes, target: Target) -> tuple[ReadProfile, tuple[Finding, ...]]:
    read = read_profile(raw)
    return read, tuple(lint(read.keys, target))
