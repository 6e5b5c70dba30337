"""What a person decides about a device: end, block, unblock, renew. Each is a transition like any message."""

from collections.abc import Sequence
from dataclasses import replace

from corral.apple import command
from corral.lifecycle.change import Change, Enqueue, Event, Work, merge
from corral.lifecycle.connected import PUSH
from corral.lifecycle.evidence import Moment
from corral.lifecycle.leaving import end
from corral.lifecycle.policy import Policy
from corral.lifecycle.settle import settle
from corral.lifecycle.state import (
    DAY,
    Certificate,
    CertificateStatus,
    Connection,
    Consequence,
    Device,
    EndReason,
    EndRequest,
    Grant,
    Instant,
    Phase,
    Purpose,
    Renewal,
    Snapshot,
)
from corral.lifecycle.unenroll import room, would_trip

FIRST = 1000
"""The priority of RemoveProfile and of a renewal: before everything that people queue."""


class OperationRefused(ValueError):
    """The state of the device does not allow this; the message says why and what to do."""


def end_connection(
    snapshot: Snapshot, by: str, profile_identifier: str, deadline: Instant, policy: Policy, moment: Moment
) -> Change:
    """Ask the device to leave: RemoveProfile first in its queue, and past the deadline an unenrolling answer.

    An `authenticating` life gets no command, so it is over at once; so is one whose device has acknowledged
    EraseDevice, since it has gone unless it is heard again. Without a known profile identifier (an imported
    connection) nothing can be removed by name, so the next contact is answered by unenrolling.
    """
    device = snapshot.device
    if device is None:
        raise OperationRefused("There is no such device.")
    life, attempt = snapshot.current, snapshot.life(Phase.AUTHENTICATING)
    request = EndRequest(by=by, at=moment.now, deadline=deadline)
    change = Change()
    if attempt is not None:
        change = end(replace(attempt, end_request=request), device, EndReason.REFUSED, moment, proof=f"ended by {by}")
    if life is not None:
        return merge(change, _end_current(snapshot, life, device, request, profile_identifier, policy, moment))
    if attempt is None:
        raise OperationRefused(f"Device {device.id} has no connection that could be ended.")
    return change


def _end_current(
    snapshot: Snapshot,
    life: Connection,
    device: Device,
    request: EndRequest,
    profile_identifier: str,
    policy: Policy,
    moment: Moment,
) -> Change:
    by = request.by
    if life.end_request is not None:
        sooner = min(request.deadline, life.end_request.deadline)
        return _put(replace(life, end_request=replace(life.end_request, deadline=sooner)), device, by, moment)
    if life.erasing_at is not None:
        proof = f"EraseDevice acknowledged, and ended by {by}"
        return end(replace(life, end_request=request), device, EndReason.ERASED, moment, proof=proof)
    if snapshot.breaker.open:
        raise OperationRefused("The breaker against mass unenrollment is open; look why, then close it.")
    if would_trip(snapshot.breaker, life.id, policy):
        raise OperationRefused(
            f"This would be more than {policy.breaker_limit} devices told to leave within "
            f"{policy.breaker_window // 60_000} minutes; raise breaker_limit or wait."
        )
    if not profile_identifier:
        request = replace(request, deadline=moment.now)
    change = _put(replace(life, phase=Phase.ENDING, end_request=request, renewal=None), device, by, moment)
    if not profile_identifier:
        return replace(change, unenrolling=life.id, room=room(policy, moment.now))
    remove = command.build(moment.fresh_id().upper(), "RemoveProfile", {"Identifier": profile_identifier})
    queued = Enqueue(
        channel_id=life.id,
        command_uuid=remove.uuid,
        request_type="RemoveProfile",
        body=remove.body,
        consequence=Consequence.REMOVE_PROFILE,
        priority=FIRST,
    )
    return replace(
        change,
        unenrolling=life.id,
        room=room(policy, moment.now),
        enqueue=(queued,),
        work=(Work(kind=PUSH, key=life.id, due_at=moment.now),),
    )


def block(snapshot: Snapshot, by: str, reason: str, moment: Moment) -> Change:
    """From now on every contact of this device but CheckOut is answered by unenrolling; it cannot enroll."""
    device = snapshot.device
    if device is None:
        raise OperationRefused("There is no such device.")
    blocked = replace(device, blocked_at=moment.now, blocked_reason=reason)
    lives = tuple(settle(life, blocked) for life in snapshot.lives if not life.is_over)
    return _device_change(blocked, lives, "device.blocked", by, moment, reason)


def unblock(snapshot: Snapshot, by: str, moment: Moment) -> Change:
    """The device may enroll again; a life that it still has goes on."""
    device = snapshot.device
    if device is None or device.blocked_at is None:
        raise OperationRefused("This device is not blocked.")
    free = replace(device, blocked_at=None, blocked_reason="")
    lives = tuple(settle(life, free) for life in snapshot.lives if not life.is_over)
    return _device_change(free, lives, "device.unblocked", by, moment, "")


def begin_renewal(snapshot: Snapshot, grant: Grant, body: bytes, by: str, moment: Moment) -> Change:
    """Send the enrollment profile again with a new challenge: the device gets a new key and checks in anew.

    The grant's id is the CommandUUID of the InstallProfile (`body`), so that its failure ends this renewal only.
    """
    device, life = snapshot.device, snapshot.life(Phase.CONNECTED)
    if device is None or life is None:
        raise OperationRefused("Only a connected device can renew its identity.")
    if grant.purpose is not Purpose.RENEW or grant.connection_id != life.id:
        raise OperationRefused("This grant is not one to renew that connection.")
    after = replace(life, renewal=Renewal(grant_id=grant.id, asked_at=moment.now))
    change = _device_change(device, (settle(after, device),), "connection.renewal-asked", by, moment, "")
    queued = Enqueue(
        channel_id=life.id,
        command_uuid=grant.id,
        request_type="InstallProfile",
        body=body,
        consequence=Consequence.RENEWAL,
        priority=FIRST,
        # With its challenge: later it would only fail on the device.
        expires_at=grant.expires_at,
    )
    return replace(
        change,
        grant=grant,
        enqueue=(queued,),
        work=(Work(kind=PUSH, key=life.id, due_at=moment.now),),
    )


def renewal_by_request(snapshot: Snapshot, grant: Grant, moment: Moment) -> Change:
    """A client renews by SCEP RenewalReq on its own: its grant becomes the open renewal of the life."""
    device, life = snapshot.device, snapshot.life(Phase.CONNECTED)
    if device is None or life is None:
        raise OperationRefused("Only a connected device can renew its identity.")
    after = replace(life, renewal=Renewal(grant_id=grant.id, asked_at=moment.now))
    return _device_change(device, (settle(after, device),), "connection.renewal-asked", "device", moment, "")


def warn_of_expiry(snapshot: Snapshot, certificate: Certificate, days: int, why: str, moment: Moment) -> Change:
    """Tell, once, that a connected device's identity comes within so many days of its end and nothing replaces it."""
    device, life = snapshot.device, snapshot.bound
    if device is None or life is None or life.phase is not Phase.CONNECTED:
        raise OperationRefused("Only a connected device's identity matters.")
    data: dict[str, object] = {
        "fingerprint": certificate.fingerprint.hex(),
        "not_after": certificate.not_after,
        "days_left": (certificate.not_after - moment.now) // DAY,
        "why": why,
    }
    kind = "identity.expired" if days == 0 else "identity.expiring"
    event = Event(type=kind, at=moment.now, device_id=device.id, connection_id=life.id, data=data)
    return Change(
        device_id=device.id,
        expects=device.version,
        device=device,
        certificates=(replace(certificate, warned_days=days),),
        events=(event,),
        at=moment.now,
    )


def revoke(snapshot: Snapshot, certificates: Sequence[Certificate], by: str, reason: str, moment: Moment) -> Change:
    """Believe these certificates of the device no longer; its lives stay as they are.

    Whoever comes with one gets a plain 403, which takes no profile off a device: it may be a thief who comes.
    """
    device = snapshot.device
    if device is None or not certificates:
        raise OperationRefused("There is no certificate that could be revoked.")
    events = tuple(
        Event(
            type="certificate.revoked",
            at=moment.now,
            device_id=device.id,
            connection_id=each.connection_id,
            data={"fingerprint": each.fingerprint.hex(), "by": by, "why": reason},
        )
        for each in certificates
    )
    return Change(
        device_id=device.id,
        expects=device.version,
        device=device,
        certificates=tuple(replace(each, status=CertificateStatus.REVOKED) for each in certificates),
        events=events,
        at=moment.now,
    )


def _put(life: Connection, device: Device, by: str, moment: Moment) -> Change:
    return _device_change(device, (settle(life, device),), "connection.ending", by, moment, "")


def _device_change(
    device: Device, lives: tuple[Connection, ...], kind: str, by: str, moment: Moment, reason: str
) -> Change:
    data = {"by": by, "reason": reason} if reason else {"by": by}
    events = tuple(
        Event(type=kind, at=moment.now, device_id=device.id, connection_id=life.id, data=data)
        for life in (lives or (None,))
        if life is not None
    ) or (Event(type=kind, at=moment.now, device_id=device.id, data=data),)
    return Change(
        device_id=device.id,
        expects=device.version,
        device=device,
        connections=lives,
        events=events,
        at=moment.now,
    )
