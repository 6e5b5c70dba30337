"""Rows to the lines of a timeline; the first columns of each are its time, its key and its connection.

Where a page ends is a `Place`: what one source tells is read behind a time and a key, which follow from the place.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from corral.lifecycle.state import Instant
from corral.store.events import Place, TimelineEntry
from corral.store.rows import Row

ReadData: TypeAlias = Callable[[Row], dict[str, Any]]


def event_data(row: Row) -> dict[str, Any]:
    """Of `type, data`."""
    return {**msgspec.json.decode(row[4]), "type": row[3]}


def push_data(row: Row) -> dict[str, Any]:
    """Of `channel, outcome`."""
    return {"channel": row[3], "outcome": row[4]}


def delivery_data(row: Row) -> dict[str, Any]:
    """Of `channel, command, request type, step, attempts`."""
    return {"channel": row[3], "command": row[4], "request_type": row[5], "step": row[6], "attempts": row[7]}


def result_data(row: Row) -> dict[str, Any]:
    """Of `channel, command, request type, status, unreadable`."""
    return {
        "channel": row[3],
        "command": row[4],
        "request_type": row[5],
        "status": row[6],
        "unreadable": bool(row[7]),
    }


def contacts_data(row: Row) -> dict[str, Any]:
    """Of `channel, count`."""
    return {"channel": row[3], "count": row[4]}


@dataclass(frozen=True, slots=True)
class Source:
    """What tells of one kind of entry; `name` is what a back-end calls its statement."""

    name: str
    kind: str
    read: ReadData


SOURCES = (
    Source("events", "event", event_data),
    Source("results", "result", result_data),
    Source("closed", "delivery", delivery_data),
    Source("delivered", "delivery", delivery_data),
    Source("pushes", "push", push_data),
    Source("queued", "delivery", delivery_data),
    Source("contacts", "contacts", contacts_data),
)
"""Where times are equal the later cause stands first."""

DELIVERIES = {
    "closed": ("d.state", "finished_at", " AND d.state IN ('cancelled', 'expired', 'superseded', 'dropped')"),
    "delivered": ("'delivered'", "delivered_at", ""),
    "queued": ("'queued'", "queued_at", ""),
}
"""What the sources of deliveries `d` tell: the step, the column of its time, and which of them, in SQL."""

_ALL, _NONE = 2**62, -1
_ALL_CHANNELS, _NO_CHANNEL = "", "\U0010ffff"


def behind(number: int, place: Place) -> tuple[Instant, int | str]:
    """The time and the key behind which this one of the sources has what follows. Keys of contacts are channels, in
    ascending order; those of the others numbers, the newest first."""
    if number == place.source:
        return place.at, place.key
    if _has_channels(number):
        return place.at, _ALL_CHANNELS if number > place.source else _NO_CHANNEL
    return place.at, _ALL if number > place.source else _NONE


def entries(number: int, found: Iterable[Row]) -> list[TimelineEntry]:
    source = SOURCES[number]
    return [
        TimelineEntry(
            at=row[0],
            kind=source.kind,
            connection_id=row[2],
            data=source.read(row),
            place=Place(row[0], number, row[1]),
        )
        for row in found
    ]


def newest_first(found: Iterable[TimelineEntry]) -> list[TimelineEntry]:
    """Where times are equal the order in which the sources were given stays."""
    return sorted(found, key=lambda entry: -entry.at)


def write_place(place: Place) -> str:
    return f"{place.at}.{place.source}.{place.key}"


def read_place(text: str) -> Place | None:
    """What `write_place` has written; None for anything else."""
    found = re.fullmatch(r"(\d{1,18})\.(\d)\.([^\0]{1,300})", text, re.ASCII)
    if found is None or int(found[2]) >= len(SOURCES):
        return None
    at, number, key = int(found[1]), int(found[2]), found[3]
    if _has_channels(number):
        return Place(at, number, key)
    return Place(at, number, int(key)) if re.fullmatch(r"\d{1,18}", key, re.ASCII) else None


def _has_channels(number: int) -> bool:
    return SOURCES[number].kind == "contacts"
