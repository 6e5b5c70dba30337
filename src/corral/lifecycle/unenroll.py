"""The one place from which a device is told to leave, and the breaker in front of it.

A bare 401, and 403 with Apple's unrecognized-device document, make a device remove its management at once
(Apple: "Managing connections"; ErrorUnrecognizedDevice). A mistake here would empty a fleet, so no other code
makes either answer, and a test walks the routes and the source for it.
"""

from collections.abc import Sequence

from corral.apple.enrollment_error import JSON_TYPE, UnrecognizedDevice, understands_unrecognized
from corral.apple.platform import Platform
from corral.lifecycle.change import ACCEPTED, Answer, Change, Decision, Event, Room
from corral.lifecycle.policy import Policy
from corral.lifecycle.state import Breaker, Connection, Device, Instant, Snapshot

BUSY = Answer(503, reason="Corral holds back this answer until a person has looked at it; try again later.")


def unenroll(
    connection: Connection | None,
    snapshot: Snapshot,
    policy: Policy,
    now: Instant,
    *,
    why: str,
    is_poll: bool,
) -> Decision:
    """Tell a device to leave, unless that would be one too many.

    The answer is the document where this device has told of a system that obeys it, else 401, which all obey. With
    the breaker open, or opened by this very contact, a poll is answered 200 empty and a check-in 503, and nothing is
    recorded but the alarm. The returned change names no device version: callers add what they record to it.
    """
    device, breaker = snapshot.device, snapshot.breaker
    key = connection.id if connection else device.id if device else ""
    device_id = device.id if device else connection.device_id if connection else None
    connection_id = connection.id if connection else None
    held_back = ACCEPTED if is_poll else BUSY
    if breaker.open:
        return Decision(held_back)
    if would_trip(breaker, key, policy):
        alarm = Event(
            type="breaker.opened",
            at=now,
            device_id=device_id,
            connection_id=connection_id,
            data={"limit": policy.breaker_limit, "window_seconds": policy.breaker_window // 1000},
        )
        return Decision(held_back, Change(trip_breaker=True, events=(alarm,)))
    by_document = device is not None and _tells_of(connection, snapshot.lives) and _understands(device)
    served = Event(
        type="connection.unenroll-answered",
        at=now,
        device_id=device_id,
        connection_id=connection_id,
        data={"answer": "403 com.apple.unrecognized.device" if by_document else "401", "why": why},
    )
    return Decision(_leave(by_document, why), Change(unenrolling=key, room=room(policy, now), events=(served,)))


def _tells_of(connection: Connection | None, lives: Sequence[Connection]) -> bool:
    """Whether what is stored of a device is true of who asks: a newcomer that was never let in, beside a life that was,
    may be another device, on an older system."""
    if connection is None or connection.connected_at is not None:
        return True
    return all(life.connected_at is None for life in lives if life.id != connection.id)


def _understands(device: Device) -> bool:
    return understands_unrecognized(device.platform, device.os_version)


def unrecognized_document(
    platform: Platform | None, os_version: str | None, why: str, message: str
) -> UnrecognizedDevice | None:
    """For a device that asks to be enrolled and is none of ours; None where its system would not know the document."""
    if understands_unrecognized(platform, os_version):
        return UnrecognizedDevice(description=why, message=message)
    return None


def would_trip(breaker: Breaker, key: str, policy: Policy) -> bool:
    """Whether one more connection told to leave is more than the policy allows within its window."""
    return key not in breaker.counted and len(breaker.counted) >= policy.breaker_limit


def room(policy: Policy, now: Instant) -> Room:
    """The same for the commit, which counts again: others may have told others to leave since the snapshot."""
    return Room(now - policy.breaker_window, policy.breaker_limit)


def _leave(by_document: bool, why: str) -> Answer:
    if by_document:
        document = UnrecognizedDevice(description=why)
        return Answer(403, document.json(), JSON_TYPE, why)
    return Answer(401, reason=why)
