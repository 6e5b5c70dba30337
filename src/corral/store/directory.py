"""What people look up: devices with their lives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from corral.apple.platform import Platform
from corral.lifecycle.state import Certificate, Channel, Connection, Device, EnrollmentKind, Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSummary:
    device: Device
    connection: Connection | None
    """The latest life, the one that is not over if there is one."""
    last_seen: Instant | None
    open_commands: int
    way: str | None = None
    """How that life came: a kind of enrollment, or `restore`; None while nothing let it in."""
    supervised: bool | None = None
    """As it has said itself; None while it has not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDetail:
    device: Device
    connections: tuple[Connection, ...]
    channels: tuple[Channel, ...]
    certificates: tuple[Certificate, ...]
    """All newest first; a listing never shows token, magic or DER."""
    last_seen: Instant | None
    open_commands: int
    last_push: tuple[Instant, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandTarget:
    """What has to be known of a device before a command is queued for it.

    `connection_id` is the life that is connected or ending, `channel_id` the asked channel of it; None where there is
    none. `profile` is what was kept of the enrollment, one object for all that share it.
    """

    device_id: str
    platform: Platform | None
    os_version: str | None
    connection_id: str | None
    channel_id: str | None
    channel_kind: str | None
    profile: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What has been asked for and not done yet: open commands and when the oldest was queued; background work by kind
    and when the oldest of each was due.
    """

    commands: int
    oldest_command: Instant | None
    work: Mapping[str, int]
    oldest_work: Mapping[str, Instant]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is asked of devices in a listing: `os_version` as a whole or up to a dot (`17` is 17.5, and not 170),
    `model` as a product name or a model number. `contains` is text anywhere in an id, serial number, name, product
    name or model number, in either case of its ASCII letters. Of the life that is shown: last seen before, and not
    before; the way by which it came; whether it has said that it is supervised. What is not known fits nothing."""

    platform: str | None = None
    os_version: str | None = None
    model: str | None = None
    contains: str | None = None
    seen_before: Instant | None = None
    seen_after: Instant | None = None
    way: str | None = None
    supervised: bool | None = None


ANY = Facts()


class Directory(Protocol):
    async def devices(
        self, *, search: str | None, phase: str | None, after: str | None, limit: int, facts: Facts = ANY
    ) -> tuple[DeviceSummary, ...]:
        """By device id, ascending; `after` is the id of the last row of the page before.

        `search` matches the start of id, serial number or name. With `facts` all devices behind `after` may be looked
        at for a page, in an index that has these facts; where one of the others fits few devices, only those are.
        """
        ...

    async def device(self, device_id: str) -> DeviceDetail | None: ...

    async def resolve(self, name: str) -> str | None:
        """The device id for a device id, serial number or connection id; None if there is none or more than one.

        A device's id names that device, whatever serial number another one may claim.
        """
        ...

    async def targets(self, names: Sequence[str], user_id: str) -> Mapping[str, CommandTarget]:
        """Those of the names that `resolve` would find, with the channel of this user, or the device's for ''."""
        ...

    async def select(
        self, *, search: str | None, platform: str | None, after: str, limit: int
    ) -> tuple[tuple[str, str | None], ...]:
        """Ids and OS versions of connected devices, by id; `search` and `after` as for `devices`."""
        ...

    async def admitted(self, connection_ids: Sequence[str]) -> Mapping[str, EnrollmentKind]:
        """The way by which these lives came; those whose grant is forgotten are left out."""
        ...

    async def counts(self) -> dict[str, int]:
        """Connections by phase, and `topics:<topic>`: live channels that depend on each topic."""
        ...

    async def backlog(self) -> Backlog: ...

    async def issuers(self) -> Mapping[str, int]:
        """Lives that are not over and have been heard under a certificate of our own, by who issued it; a life counts
        for each of its authorities while a renewal is between two."""
        ...

    async def unrenewed(self) -> Mapping[int, int]:
        """Connected lives whose certificate was warned of and is still the one they have, by days (0: it is over)."""
        ...

    async def profiles(self) -> tuple[tuple[bytes, int], ...]:
        """What is kept of enrollment profiles of lives that are not over, and for how many of them each."""
        ...
