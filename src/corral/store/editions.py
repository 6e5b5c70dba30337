"""How often something was edited in each room (lifecycle/edition.py); every commit that does counts its own up."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from corral.lifecycle.change import Event
from corral.lifecycle.edition import room_of


class EditionStore(Protocol):
    async def read(self) -> Mapping[str, int]:
        """Rooms that are not named are at 0."""
        ...


def expected(events: Iterable[Event]) -> list[tuple[str, int | None]]:
    """The rooms that these events change something in, with the edition that whoever caused them has seen of it."""
    found: dict[str, int | None] = {}
    for event in events:
        room = room_of(event.type)
        if room is not None:
            seen = event.actor.seen if event.actor is not None else None
            found[room] = found.get(room) if seen is None else dict(seen).get(room, 0)
    return sorted(found.items())
