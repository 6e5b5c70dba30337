"""What a receiver's answer, or its silence, means."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeAlias

from corral.lifecycle.state import HOUR, SECOND, Instant
from corral.outgoing import Reply
from corral.service.clock import to_instant

LONGEST_WAIT = HOUR
"""However long a receiver asks us to stay away."""


@dataclass(frozen=True, slots=True)
class Taken:
    pass


@dataclass(frozen=True, slots=True)
class Refused:
    """`until`: the receiver wants no call before; `gone`: it wants none ever again."""

    problem: str
    until: Instant = 0
    gone: bool = False


Outcome: TypeAlias = Taken | Refused


def outcome(reply: Reply, now: Instant) -> Outcome:
    """Any 2xx has taken it; a redirect has not, since none is followed."""
    if 200 <= reply.status < 300:
        return Taken()
    problem = f"answered {reply.status} {_phrase(reply.status)}".rstrip()
    if reply.status == 410:
        return Refused(problem, gone=True)
    until = _retry_after(reply.headers, now) if reply.status in (429, 503) else 0
    return Refused(problem, until)


def _retry_after(headers: Mapping[str, str], now: Instant) -> Instant:
    """RFC 9110 10.2.3: seconds, or a date; 0 where there is none that can be read."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return now + min(int(value[:9]) * SECOND, LONGEST_WAIT)
    try:
        found = parsedate_to_datetime(value)
        at = to_instant(found if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return 0
    return min(at, now + LONGEST_WAIT)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
