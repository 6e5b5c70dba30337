"""Events for those who wait for them: a bounded number of readers, each behind a number of its own.

Readers are woken by commits of this process at once, by those of others soon, and look by themselves every second.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from corral.service.errors import OverCapacity
from corral.store.events import EVENT, EventStore, StoredEvent

MOST_READERS = 64
"""In one process ..."""
MOST_OF_ONE = 16
"""... and of one and the same, so that no script that forgets its streams shuts others out."""
LOOK_AGAIN = 1.0
_READ_AT_ONCE = 1000
_MOST_LOOKED_AT = 10_000
"""Events that one page may pass over, where a filter wants few of them."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events somebody wants: `types` are patterns, none is all; of `hidden` ones they may not hear. `reader` is
    who that is."""

    types: tuple[str, ...] = ()
    device_id: str | None = None
    hidden: frozenset[str] = frozenset()
    reader: str = ""

    def has(self, stored: StoredEvent) -> bool:
        kind = stored.event.type
        if kind in self.hidden:
            return False
        return not self.types or any(fnmatchcase(kind, pattern) for pattern in self.types)


@dataclass(frozen=True, slots=True)
class Page:
    """`next`: what to read after, further on than the last event where others were passed over."""

    events: tuple[StoredEvent, ...]
    next: int


class EventFeed:
    def __init__(self, events: EventStore) -> None:
        self._events = events
        self._news = asyncio.Event()
        self._readers = Counter[str]()
        self.is_closed = False

    def wake(self, kind: str) -> None:
        """Called after a commit."""
        if kind == EVENT:
            self._tell()

    def close(self) -> None:
        """The service stops: nobody waits any longer."""
        self.is_closed = True
        self._tell()

    def check_room(self, reader: str) -> None:
        """Raises OverCapacity where `wait` and `follow` would."""
        if self._readers[reader] >= MOST_OF_ONE:
            raise OverCapacity(f"You wait for events {MOST_OF_ONE} times already; end one of these streams first.")
        if self._readers.total() >= MOST_READERS:
            raise OverCapacity("So many wait for events that nobody else can; ask again without `wait`, or later.")

    async def last(self) -> int:
        return await self._events.last()

    async def read(self, after: int, limit: int, selection: Selection) -> Page:
        """What is there now."""
        found = list[StoredEvent]()
        looked_at = 0
        while len(found) < limit and looked_at < _MOST_LOOKED_AT:
            at_once = _READ_AT_ONCE if selection.types else limit
            some = await self._events.read(after, at_once, selection.device_id)
            for each in some:
                if len(found) == limit:
                    return Page(tuple(found), after)
                after = each.sequence
                if selection.has(each):
                    found.append(each)
            looked_at += len(some)
            if len(some) < at_once:
                break
        return Page(tuple(found), after)

    async def wait(self, after: int, limit: int, selection: Selection, seconds: float) -> Page:
        """As `read`, but not empty if something comes within this time. Raises OverCapacity."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        with self._reading(selection.reader):
            while True:
                news = self._news
                page = await self.read(after, limit, selection)
                after = page.next
                left = ends - loop.time()
                if page.events or left <= 0 or self.is_closed:
                    return page
                await _until(news, min(left, LOOK_AGAIN))

    async def follow(self, after: int, selection: Selection, heartbeat: float) -> AsyncGenerator[Page]:
        """Page after page until the service stops; an empty one where nothing came for so many seconds.

        Raises OverCapacity at its first.
        """
        loop = asyncio.get_running_loop()
        with self._reading(selection.reader):
            silent_since = loop.time()
            while not self.is_closed:
                news = self._news
                page = await self.read(after, 100, selection)
                after = page.next
                if page.events or loop.time() - silent_since >= heartbeat:
                    yield page
                    silent_since = loop.time()
                if not page.events:
                    await _until(news, min(heartbeat, LOOK_AGAIN))

    @contextlib.contextmanager
    def _reading(self, reader: str) -> Generator[None]:
        self.check_room(reader)
        self._readers[reader] += 1
        try:
            yield
        finally:
            self._readers[reader] -= 1
            if not self._readers[reader]:
                del self._readers[reader]

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


async def _until(news: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await news.wait()
