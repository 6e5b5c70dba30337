"""Times in the API are RFC 3339 in UTC; a request may give a time, or seconds from now."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeAlias

from msgspec import Meta

from corral.lifecycle.state import FOREVER, Instant
from corral.service.clock import to_datetime
from corral.service.errors import RequestRefused

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Time: TypeAlias = Annotated[datetime, Meta(tz=True)]
Seconds: TypeAlias = Annotated[int, Meta(ge=0, le=315_360_000)]
"""From now, or until now; ten years at most."""


def shown(instant: Instant | None) -> datetime | None:
    """An instant as the API tells it; null where there is none, or never."""
    return None if instant is None or not 0 < instant < FOREVER else to_datetime(instant)


def due(name: str, at: datetime | None, seconds: int | None, now: Instant) -> Instant | None:
    """The instant that a request gives as `<name>` (or `<name>_at`) or as `<name>_in`; None if it gives neither."""
    if at is not None and seconds is not None:
        raise RequestRefused(f"Give {name} as a time or in seconds from now, not both.")
    if seconds is not None:
        return now + seconds * 1000
    return None if at is None else instant_of(at)


def instant_of(at: datetime) -> Instant:
    """In whole milliseconds, without a float between: a cursor that comes back must be the time that went out."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def past(name: str, at: datetime | None, other: str, seconds: int | None, now: Instant) -> Instant | None:
    """The instant that a question gives as a time (`name`) or as so many seconds ago (`other`)."""
    if at is not None and seconds is not None:
        raise RequestRefused(f"Give {name} or {other}, not both.")
    return due(name, at, None, now) if seconds is None else now - seconds * 1000
