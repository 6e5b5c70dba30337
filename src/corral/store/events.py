"""The outbox: what happened, in order a device, readable after a cursor."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    sequence: int
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One line of a device's timeline: an event, a push, a delivery, a result, or an hour's contacts."""

    at: Instant
    kind: str
    """`event`, `push`, `delivery`, `result` or `contacts`."""
    connection_id: str | None
    data: Mapping[str, Any]


class EventStore(Protocol):
    async def append(self, events: tuple[Event, ...]) -> None: ...

    async def read(self, after: int, limit: int) -> tuple[StoredEvent, ...]:
        """Oldest first. Never skips an event that commits later than one with a higher number."""
        ...

    async def timeline(self, device_id: str, before: Instant, limit: int) -> tuple[TimelineEntry, ...]:
        """Newest first, of all lives of the device.

        A page ends between two times, since the next one begins by time: it may be longer than `limit`.
        """
        ...
