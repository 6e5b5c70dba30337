"""The time and fresh identifiers, as parameters of everything that decides."""

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from corral.lifecycle.evidence import Moment
from corral.lifecycle.state import Instant

Clock: TypeAlias = Callable[[], Instant]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def system_clock() -> Instant:
    return time.time_ns() // 1_000_000


def moment(clock: Clock, objection: str = "") -> Moment:
    return Moment(now=clock(), fresh_id=fresh_id, objection=objection)


def fresh_id() -> str:
    return str(uuid.uuid4())


def to_datetime(instant: Instant) -> datetime:
    return datetime.fromtimestamp(instant / 1000, UTC)


def to_instant(when: datetime) -> Instant:
    return (when - _EPOCH) // timedelta(milliseconds=1)
