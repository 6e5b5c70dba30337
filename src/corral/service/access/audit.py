"""The audit trail, as people look at it and as it is linked: see store/audit.py for what an entry is."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from corral.store.audit import Audited, AuditEntry, AuditQuery, AuditStore, End, Ends, Linked

AT_ONCE = 500
BREAKS_TOLD = 100


@dataclass(frozen=True, slots=True)
class Break:
    """Where the chain does not hold, and how."""

    place: int
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`entries` were looked at, from behind `anchor` up to `head`; `waiting` have no place in the chain yet."""

    anchor: End | None
    head: End | None
    entries: int
    waiting: int
    breaks: tuple[Break, ...]


class Walk:
    """Follows the links from a known end on, entry by entry. Goes on behind a break, so that it finds the others."""

    def __init__(self, start: End) -> None:
        self.at = start
        self.entries = 0
        self.breaks: list[Break] = []

    def take(self, entries: Iterable[Linked]) -> None:
        for each in entries:
            expected = self.at.place + 1
            if each.place != expected:
                self.tell(expected, f"{each.place - expected} entries are missing")
            elif not each.follows(self.at.link):
                self.tell(each.place, "this entry, or the one before it, is not what was linked")
            self.at = End(each.place, each.link)
            self.entries += 1

    def arrive(self, head: End | None) -> None:
        """Compare with what is known of the end."""
        if head is None:
            self.tell(self.at.place, "the end of the trail does not open: it was not sealed here")
        elif head.place > self.at.place:
            self.tell(self.at.place + 1, f"the last {head.place - self.at.place} entries are missing")
        elif head != self.at:
            self.tell(self.at.place, "the trail does not end as it was left: it was linked anew")

    def tell(self, place: int, why: str) -> None:
        if len(self.breaks) < BREAKS_TOLD:
            self.breaks.append(Break(place, why))


class AuditTrail:
    def __init__(self, store: AuditStore) -> None:
        self._store = store

    async def note(self, entry: AuditEntry) -> None:
        await self._store.note(entry)

    async def read(self, query: AuditQuery) -> tuple[Audited, ...]:
        return await self._store.read(query)

    async def linked(self, after: int, limit: int) -> tuple[Linked, ...]:
        return await self._store.linked(after, limit)

    async def ends(self) -> Ends:
        return await self._store.ends()

    async def round(self) -> None:
        """Link what waits; by one process at a time."""
        while await self._store.chain(AT_ONCE) == AT_ONCE:
            pass

    async def verify(self) -> Verdict:
        """Every link, from the anchor to the head. What comes meanwhile is for the next time."""
        ends = await self._store.ends()
        if ends.anchor is None or ends.head is None:
            walk = Walk(End(0, b""))
            walk.arrive(None)
            return Verdict(ends.anchor, ends.head, 0, ends.waiting, tuple(walk.breaks))
        walk = Walk(ends.anchor)
        async for entries in self._up_to(ends.anchor.place, ends.head.place):
            walk.take(entries)
        walk.arrive(ends.head)
        after = await self._store.ends()
        if after.head is not None and await self._store.linked(after.head.place, 1):
            walk.tell(after.head.place + 1, "there are entries behind the end that were never linked here")
        # What retention has deleted meanwhile is not missing.
        gone = after.anchor.place if after.anchor is not None else 0
        breaks = tuple(each for each in walk.breaks if each.place > gone or gone == ends.anchor.place)
        return Verdict(ends.anchor, ends.head, walk.entries, ends.waiting, breaks)

    async def _up_to(self, after: int, last: int) -> AsyncIterator[list[Linked]]:
        while after < last:
            found = await self._store.linked(after, AT_ONCE)
            entries = [each for each in found if each.place <= last]
            if entries:
                yield entries
            if not found or len(entries) < len(found):
                return
            after = entries[-1].place
