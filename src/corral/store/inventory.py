"""The inventory: what devices have said of themselves, what has changed of it, and which devices fit a question.

It belongs to the connection life that said it. Of a device the latest life's is kept; what has changed stays until it
is forgotten by age, or with the device.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from corral.inventory.merging import Change, Freshness, KeptItem, Report
from corral.inventory.question import Question
from corral.lifecycle.state import Device, Instant, Phase

TAKEN_IN = (
    *("AvailableOSUpdates", "CertificateList", "DeviceInformation", "InstalledApplicationList"),
    *("ManagedApplicationList", "OSUpdateStatus", "ProfileList", "ProvisioningProfileList", "Restrictions"),
    *("SecurityInfo", "UserList"),
)
"""Commands whose answers are taken in. The databases' index of what has not been taken in names the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A life that has begun, and of which nothing is known but what its device said at its enrollment."""

    connection_id: str
    device: Device


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An acknowledged command whose answer has not been taken in. `body` is None where it cannot be read."""

    sequence: int
    connection_id: str
    user_id: str
    request_type: str
    command_uuid: str
    asked_at: Instant
    received_at: Instant
    command: bytes = field(repr=False)
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one answer, or (without `sequence`) an arrival, comes to; no report: nothing could be read of it."""

    connection_id: str
    sequence: int | None
    report: Report | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRecord:
    """What is known of a device. `values` are written values by field, its own fields too."""

    device_id: str
    connection_id: str
    phase: Phase
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedItem:
    """`user_id` is empty for what the device itself has."""

    user_id: str
    item: KeptItem


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceInventory:
    record: DeviceRecord
    items: tuple[OwnedItem, ...]
    reports: Mapping[tuple[str, str], Freshness]
    """By name and user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChange:
    number: int
    device_id: str
    connection_id: str
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemCount:
    """One state of an item, and how many devices have it. `number` is where a page goes on behind it."""

    number: int
    item: KeptItem
    devices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Answers that are not taken in yet, and when the oldest of them came."""

    answers: int
    oldest: Instant | None


class InventoryStore(Protocol):
    async def arrivals(self, limit: int) -> tuple[Arrival, ...]:
        """Connected lives of which nothing was taken in yet."""
        ...

    async def answers(self, limit: int) -> tuple[Answer, ...]:
        """Answers that were not taken in yet, in the order of their commands."""
        ...

    async def take(self, taken: Sequence[Taken], now: Instant) -> int:
        """Take them in, in their order, in one commit; returns how many changes that made.

        What somebody else has taken in meanwhile, or what has ended, is passed over.
        """
        ...

    async def waiting(self) -> Waiting: ...

    async def select(
        self, question: Question, now: Instant, *, after: str, limit: int, ended: bool = False
    ) -> tuple[str, ...]:
        """The ids of devices that fit, ascending, behind `after`; with `ended` also those whose connection is over.

        Raises TakesTooLong.
        """
        ...

    async def count(self, question: Question, now: Instant, *, ended: bool = False) -> int:
        """Raises TakesTooLong."""
        ...

    async def records(self, device_ids: Sequence[str]) -> tuple[DeviceRecord, ...]:
        """Of those of the devices that something is known of, in the order of their ids."""
        ...

    async def show(self, device_id: str) -> DeviceInventory | None: ...

    async def history(self, device_id: str | None, before: int | None, limit: int) -> tuple[StoredChange, ...]:
        """Newest first; of all devices for None."""
        ...

    async def items(self, kind: str, identifier: str | None, after: int, limit: int) -> tuple[ItemCount, ...]:
        """States of items of this kind (and with this identifier) that devices have which are not over, by number
        behind `after`."""
        ...

    async def freshness(self, connection_ids: Sequence[str]) -> Mapping[str, Mapping[str, Freshness]]:
        """Of the device channels of these lives, by life and report."""
        ...

    async def forget_unused(self, now: Instant, limit: int) -> int:
        """Delete so many items that no device has any more; returns how many."""
        ...
