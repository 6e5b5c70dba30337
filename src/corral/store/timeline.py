"""Rows to the lines of a timeline; the first two columns of each are its time and its connection."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import msgspec

from corral.store.events import TimelineEntry
from corral.store.rows import Row

ReadData: TypeAlias = Callable[[Row], dict[str, Any]]


def event_data(row: Row) -> dict[str, Any]:
    """Of `type, data`."""
    return {**msgspec.json.decode(row[3]), "type": row[2]}


def push_data(row: Row) -> dict[str, Any]:
    """Of `channel, outcome`."""
    return {"channel": row[2], "outcome": row[3]}


def delivery_data(row: Row) -> dict[str, Any]:
    """Of `channel, command, request type, step, attempts`."""
    return {"channel": row[2], "command": row[3], "request_type": row[4], "step": row[5], "attempts": row[6]}


def result_data(row: Row) -> dict[str, Any]:
    """Of `channel, command, request type, status, unreadable`."""
    return {
        "channel": row[2],
        "command": row[3],
        "request_type": row[4],
        "status": row[5],
        "unreadable": bool(row[6]),
    }


def contacts_data(row: Row) -> dict[str, Any]:
    """Of `channel, count`."""
    return {"channel": row[2], "count": row[3]}


def entries(kind: str, read: ReadData, found: Iterable[Row]) -> list[TimelineEntry]:
    return [TimelineEntry(at=row[0], kind=kind, connection_id=row[1], data=read(row)) for row in found]


def newest_first(found: Iterable[TimelineEntry]) -> list[TimelineEntry]:
    """Where times are equal the order in which the sources were given stays: the later cause first."""
    return sorted(found, key=lambda entry: -entry.at)
