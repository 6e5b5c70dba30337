"""One push to one channel of a device, and what Apple's answer to it means.

Source: Apple, "Sending notification requests to APNs" and "Handling notification responses from APNs".
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, cast

# Longer waits than this are not believed: a push for a device matters again well before.
LONGEST_RETRY_AFTER: Final = 24 * 3600.0

# Reasons that condemn the certificate, whichever way they arrive (403, or the debug data of a GOAWAY).
CERTIFICATE_REASONS: Final = frozenset({"BadCertificate", "BadCertificateEnvironment", "Forbidden"})

_REASON = re.compile(r"[A-Za-z0-9]{1,64}")
_LARGEST_ANSWER = 4096


@dataclass(frozen=True, slots=True)
class Push:
    """Ask a device to connect: sent to the channel that has something queued.

    `token` and `magic` come from the channel's TokenUpdate, `topic` names the push certificate to use.
    `expiration` is in unix seconds; Apple keeps a device's last push until then (0: deliver now or drop).
    `push_id` is a UUID that Apple echoes as `apns-id`.
    """

    token: bytes = field(repr=False)
    topic: str
    magic: str = field(repr=False)
    expiration: int
    push_id: str
    priority: int = 10


@dataclass(frozen=True, slots=True)
class Accepted:
    """Apple took the push. It says nothing about its delivery."""

    apns_id: str


@dataclass(frozen=True, slots=True)
class Unregistered:
    """410, and only 410: the token is dead since `timestamp` (compare it with the age of the token)."""

    timestamp: datetime | None
    reason: str = "Unregistered"


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """The request is wrong for ever (topic, environment, token of another topic): alarm, keep the token."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class CertificateRefused:
    """The push certificate is not accepted: stop the topic and alarm.

    `status` is None when it was not an HTTP answer that said so: TLS, a GOAWAY, or no certificate is loaded.
    """

    status: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Nothing is wrong with this push: send it again, not before `after_seconds` where that is known."""

    after_seconds: float | None
    reason: str
    status: int = field(default=0, compare=False)
    """Of the answer; 0 where none came."""


@dataclass(frozen=True, slots=True)
class Broken:
    """An answer that only a fault of this program, or a server that is not Apple's, can bring about.

    `status` is 0 when the push could not even be written.
    """

    status: int
    reason: str


Outcome = Accepted | Unregistered | Misconfigured | CertificateRefused | RetryLater | Broken


def classify(status: int, headers: Mapping[bytes, bytes], body: bytes) -> Outcome:
    """What an HTTP answer of Apple's push service means. Total: any input has an outcome.

    `headers` are keyed by lower-case name. Only 410 ends a token: a 400 is as often a wrong certificate, and
    must not cost a fleet its tokens.
    """
    if status == 200:
        return Accepted(_text(headers.get(b"apns-id", b"")))
    answer = _read(body)
    reason = read_reason(answer)
    match status:
        case 400 if reason == "IdleTimeout":
            return RetryLater(None, reason, status)
        case 400:
            return Misconfigured(status, reason)
        case 403:
            return CertificateRefused(status, reason)
        case 410:
            return Unregistered(_timestamp(answer.get("timestamp")), reason)
        case 429:
            return RetryLater(retry_after(headers), reason, status)
        case _ if 500 <= status <= 599:
            return RetryLater(retry_after(headers), reason, status)
        case _:
            return Broken(status, reason)


def read_reason(answer: Mapping[str, object] | bytes) -> str:
    """Apple's word for what happened, in an answer's body or the debug data of a GOAWAY; else `unknown`."""
    if isinstance(answer, bytes):
        answer = _read(answer)
    reason = answer.get("reason")
    # It goes into logs and events, so only a word is taken, as all of Apple's reasons are.
    return reason if isinstance(reason, str) and _REASON.fullmatch(reason) else "unknown"


def retry_after(headers: Mapping[bytes, bytes]) -> float | None:
    """Seconds to wait by Retry-After (RFC 9110, 10.2.3): a number, or a date, against the answer's own."""
    value = _text(headers.get(b"retry-after", b"")).strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), LONGEST_RETRY_AFTER)
    until, now = _date(value), _date(_text(headers.get(b"date", b"")))
    if until is None or now is None:
        return None
    return min(max((until - now).total_seconds(), 0.0), LONGEST_RETRY_AFTER)


def _read(body: bytes) -> Mapping[str, object]:
    if len(body) > _LARGEST_ANSWER:
        return {}
    try:
        answer: object = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, object]", answer) if isinstance(answer, dict) else {}


def _timestamp(milliseconds: object) -> datetime | None:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def _text(value: bytes) -> str:
    """Header bytes as printable ASCII of a sane length."""
    return "".join(chr(byte) for byte in value[:64] if 0x20 <= byte < 0x7F)
