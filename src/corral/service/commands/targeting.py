"""What a command is aimed at: which devices a query means, and what of each has to be known to say whether it would
take a command."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from corral.apple import catalog
from corral.apple.catalog import Target
from corral.apple.identifiers import Kind
from corral.apple.platform import Platform, is_older
from corral.apple.plist import PlistError, PlistValue, parse_dict
from corral.lifecycle.state import EnrollmentKind
from corral.service.errors import NotFound, RequestRefused
from corral.service.kept_profile import read_kept
from corral.store.directory import CommandTarget, Directory
from corral.store.queue import QueueStore, StoredResult

LARGEST = 100_000
"""Devices that one request may be about."""

_PAGE = 500
_ANSWERS = 4
"""So many answers to DeviceInformation are looked through: not each of them was asked for everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceQuery:
    """Connected devices that fit all of it: `search` is the start of an id, serial number or name, `os_below` a version
    that theirs is older than."""

    search: str | None = None
    platform: Platform | None = None
    os_below: str | None = None

    def takes(self, os_version: str | None) -> bool:
        if self.os_below is None:
            return True
        try:
            return is_older(os_version or "", self.os_below)
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Learned:
    """What a device has said of itself, and how it came; None: not known."""

    supervised: bool | None = None
    shared_ipad: bool | None = None
    automated: bool | None = None
    user_approved: bool | None = None


NOTHING = Learned()


class Aim(NamedTuple):
    """A name that was asked for, with what is known of it."""

    name: str
    known: CommandTarget | None
    learned: Learned | None = None
    """None where it was not asked for."""

    @property
    def alike(self) -> tuple[object, ...]:
        """The same for all targets that the catalog does not tell apart."""
        known = self.known
        assert known is not None
        return known.platform, known.os_version, known.channel_kind, known.profile, self.learned

    def target(self, user_id: str) -> Target:
        """As the catalog wants to know it, on the channel of this user or, for '', of the device."""
        known, learned = self.known, self.learned or NOTHING
        if known is None:
            return Target()
        kept = read_kept(known.profile)
        kind = Kind(known.channel_kind) if known.channel_kind is not None else None
        return Target(
            platform=known.platform,
            os_version=known.os_version,
            channel="user" if user_id else "device",
            kind=kind,
            # A personal device that its owner enrolled is never supervised.
            supervised=False if kind is not None and kind.is_user_enrollment else learned.supervised,
            access_rights=kept.facts.access_rights if kept else None,
            shared_ipad=True if kind is Kind.SHARED_IPAD_USER else learned.shared_ipad,
            automated=learned.automated,
            user_approved=True if learned.automated else learned.user_approved,
        )


class Targeting:
    def __init__(self, directory: Directory, queue: QueueStore) -> None:
        self._directory = directory
        self._queue = queue

    async def select(self, query: DeviceQuery) -> list[str]:
        """The ids of the devices that a query means; raises RequestRefused for too many."""
        if query.os_below is not None:
            try:
                is_older("1", query.os_below)
            except ValueError as error:
                raise RequestRefused(f"os_below: {error}.") from None
        found: list[str] = []
        after = ""
        while True:
            page = await self._directory.select(search=query.search, platform=query.platform, after=after, limit=_PAGE)
            found += [device for device, os_version in page if query.takes(os_version)]
            if len(found) > LARGEST:
                raise RequestRefused(f"The query means more than {LARGEST:,} devices; narrow it.")
            if len(page) < _PAGE:
                return found
            after = page[-1][0]

    async def aim(self, names: Sequence[str], user_id: str, *, supervision: bool) -> list[Aim]:
        """Each of a few hundred names; `supervision`: also how it came, and what it says of supervision, sharing and
        approval."""
        known = await self._directory.targets(names, user_id)
        lives = sorted({each.connection_id for each in known.values() if each.connection_id}) if supervision else []
        if not lives:
            return [Aim(name, known.get(name)) for name in names]
        information = await self._queue.recent("DeviceInformation", lives, _ANSWERS)
        security = await self._queue.recent("SecurityInfo", lives)
        learned = await asyncio.to_thread(_learn, information, security, await self._directory.admitted(lives))
        lived = {name: each.connection_id or "" for name, each in known.items()}
        return [Aim(name, known.get(name), learned.get(lived.get(name, ""))) for name in names]

    async def one(self, name: str, user_id: str) -> tuple[CommandTarget, Aim]:
        """A device and all that is known of it; raises NotFound."""
        (aim,) = await self.aim([name], user_id, supervision=True)
        if aim.known is None:
            raise NotFound(f"There is no device {name}, or more than one; name it by its id.")
        return aim.known, aim


def asks_supervision(request_type: str, keys: Mapping[str, Any]) -> bool:
    """Whether it depends on supervision, on how it came, or on being shared, that a device takes this command or one
    of its keys."""
    return any(
        catalog.check(request_type, keys, Target(each, supervised=False, automated=False, shared_ipad=False))
        != catalog.check(request_type, keys, Target(each, supervised=True, automated=True, shared_ipad=True))
        for each in Platform
    )


def _learn(
    information: Sequence[StoredResult], security: Sequence[StoredResult], admitted: Mapping[str, EnrollmentKind]
) -> dict[str, Learned]:
    """By the life; of its answers the newest that tells counts."""
    learned = {life: Learned(automated=kind is EnrollmentKind.AUTOMATED) for life, kind in admitted.items()}
    for answer in information:
        before = learned.get(answer.channel_id, NOTHING)
        if before.supervised is not None and before.shared_ipad is not None:
            continue
        told = _told(answer, "QueryResponses")
        learned[answer.channel_id] = replace(
            before,
            supervised=_either(before.supervised, told.get("IsSupervised")),
            shared_ipad=_either(before.shared_ipad, told.get("IsMultiUser")),
        )
    for answer in security:
        before = learned.get(answer.channel_id, NOTHING)
        status = _told(answer, "SecurityInfo").get("ManagementStatus")
        if isinstance(status, Mapping):
            approved = _either(before.user_approved, status.get("UserApprovedEnrollment"))
            learned[answer.channel_id] = replace(before, user_approved=approved)
    return learned


def _told(answer: StoredResult, name: str) -> Mapping[str, PlistValue]:
    """A dictionary of an answer; empty for what cannot be read."""
    try:
        found = parse_dict(answer.body).get(name)
    except PlistError:
        return {}
    return found if isinstance(found, Mapping) else {}


def _either(known: bool | None, told: object) -> bool | None:
    return known if known is not None else told if isinstance(told, bool) else None
