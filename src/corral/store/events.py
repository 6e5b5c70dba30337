"""The outbox: what happened, in order a device, readable after a cursor."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant

EVENT = "event"
"""Workers and readers that wait are woken by this name after a commit that has written events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    sequence: int
    event: Event


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a timeline an entry stands: at equal times by what tells of it, then by the key that it has there."""

    at: Instant
    source: int
    key: int | str

    @classmethod
    def of(cls, at: Instant) -> Self:
        """Before all that happened at this time."""
        return cls(at, _ALL_SOURCES, 0)


_ALL_SOURCES = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One line of a device's timeline: an event, a push, a delivery, a result, or an hour's contacts."""

    at: Instant
    kind: str
    """`event`, `push`, `delivery`, `result` or `contacts`."""
    connection_id: str | None
    data: Mapping[str, Any]
    place: Place


class EventStore(Protocol):
    async def append(self, events: tuple[Event, ...]) -> None: ...

    async def read(self, after: int, limit: int, device_id: str | None = None) -> tuple[StoredEvent, ...]:
        """Oldest first, of one device or all. Never skips an event that commits later than one with a higher number."""
        ...

    async def some(self, sequences: Sequence[int]) -> Mapping[int, StoredEvent]:
        """Those of these numbers that are still kept."""
        ...

    async def last(self) -> int:
        """Nearly the highest number there is: every event that commits from now on has a higher one."""
        ...

    async def last_before(self, at: Instant) -> int:
        """The number behind which to read for all that happened at this time or later; 0 for everything.

        Times are not strictly in the order of the numbers: it is a minute early rather than late.
        """
        ...

    async def timeline(self, device_id: str, before: Place, limit: int) -> tuple[TimelineEntry, ...]:
        """At most `limit` entries, newest first, of all lives of the device."""
        ...


_EARLY = 60_000


async def search(look: Callable[[int], Awaitable[tuple[int, Instant] | None]], last: int, at: Instant) -> int:
    """`EventStore.last_before`, by halves. `look` gives the first event at a number or after it, and its time."""
    low, high = 0, last  # nothing up to `low` is wanted; everything behind `high` is
    while low < high:
        middle = (low + high + 1) // 2
        found = await look(middle)
        if found is None or found[1] >= at - _EARLY:
            high = middle - 1
        else:
            low = found[0]
    return low
