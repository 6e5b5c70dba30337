"""Configuration profiles that are kept here, in versions, and which of them is wanted in which channel.

What a channel really has is told by the device alone, in its answers to ProfileList.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from corral.lifecycle.change import Event
from corral.lifecycle.state import DeliveryState, Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredProfile:
    """`identifier` is its PayloadIdentifier, by which a device replaces one version by another; `latest` the number of
    the newest version."""

    id: str
    identifier: str
    name: str
    created_at: Instant
    latest: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileVersion:
    """`payload_uuid` tells the versions of a profile apart on a device; `digest` is the SHA-256 of the body, which is
    the unsigned property list and may hold passwords."""

    number: int
    payload_uuid: str
    digest: bytes
    size: int
    created_at: Instant
    created_by: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    payload_uuid: str
    digest: bytes
    body: bytes = field(repr=False)
    created_at: Instant
    created_by: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedProfile:
    """What was last asked for in a channel. `number` None: that the profile be removed. `delivery` is what became of
    the command that asked for it, None if it was never queued."""

    channel_id: str
    device_id: str
    profile_id: str
    identifier: str
    number: int | None
    payload_uuid: str
    command_uuid: str
    at: Instant
    by: str
    delivery: DeliveryState | None = None
    finished_at: Instant | None = None


class ProfileStore(Protocol):
    async def add(self, profile: StoredProfile, version: NewVersion, event: Event) -> StoredProfile:
        """A new version of the profile with this identifier, which is made if there is none; returns it as it is then.

        The id and the time of one that is there stay, its name becomes the given one. The event gets `version` and
        `profile`.
        """
        ...

    async def profiles(self, after: str, limit: int) -> tuple[StoredProfile, ...]:
        """By identifier, after this one."""
        ...

    async def find(self, name: str) -> StoredProfile | None:
        """By id or identifier."""
        ...

    async def versions(self, profile_id: str) -> tuple[ProfileVersion, ...]:
        """Newest first."""
        ...

    async def body(self, profile_id: str, number: int) -> bytes | None: ...

    async def remove(self, profile_id: str, event: Event) -> None:
        """With its versions, and with what is wanted of it anywhere."""
        ...

    async def want(
        self,
        profile_id: str,
        number: int | None,
        command_uuid: str,
        channel_ids: Sequence[str],
        at: Instant,
        by: str,
    ) -> None: ...

    async def wanted(self, channel_id: str) -> tuple[WantedProfile, ...]:
        """All that is wanted in a channel, by identifier."""
        ...

    async def wanting(self, profile_id: str, after: str, limit: int) -> tuple[WantedProfile, ...]:
        """In which channels that have not ended this profile is wanted, by their ids."""
        ...

    async def count(self, profile_id: str) -> int:
        """In how many of them it is to be installed."""
        ...
