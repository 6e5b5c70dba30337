"""What a report means where it cannot pass as ordinary traffic: closed lives, and results with a consequence."""

from dataclasses import replace

from corral.apple.report import Status
from corral.lifecycle.admitting import belongs_to_renewal
from corral.lifecycle.change import ACCEPTED, Answer, Change, Decision, Event, NextCommand, Result, Work, merge
from corral.lifecycle.escrowing import keep_given
from corral.lifecycle.evidence import Identity, Moment
from corral.lifecycle.leaving import end
from corral.lifecycle.message import Reported
from corral.lifecycle.policy import OnExpiredIdentity, Policy
from corral.lifecycle.settle import settle
from corral.lifecycle.state import (
    Channel,
    Connection,
    Consequence,
    Device,
    EndReason,
    Phase,
    Snapshot,
    channel_id,
)

REPAIRS = frozenset({Consequence.RENEWAL, Consequence.REMOVE_PROFILE})
"""All that a device with an expired identity may still get."""

EXPIRED = Answer(400, reason="The identity certificate has expired; enroll the device again.")


def decide_report(
    snapshot: Snapshot, message: Reported, identity: Identity, policy: Policy, moment: Moment
) -> Decision:
    """Rows 11 and 12, and what RemoveProfile, EraseDevice, DeviceConfigured and a renewal bring about."""
    life, device = snapshot.bound, snapshot.device
    if life is None or device is None:
        return Decision(Answer(400, reason="No connection is known for this identity; enroll the device again."))
    kept = keep(message, life, moment)
    if life.is_over:
        return Decision(ACCEPTED, merge(kept, _still_here(life, moment)))
    if life.phase is Phase.AUTHENTICATING:
        return Decision(ACCEPTED, kept)
    expired = moment.now >= identity.not_after
    if expired and policy.on_expired_identity is OnExpiredIdentity.REFUSE:
        return Decision(EXPIRED)
    change = merge(kept, keep_given(snapshot, message, life, policy, moment))
    change = merge(change, _consequence(snapshot, message, life, device, policy, moment))
    change = merge(change, _resume(snapshot, message, life, device, policy, moment))
    after = next((row for row in change.connections if row.id == life.id), settle(life, device))
    if not after.open or moment.now >= after.recheck_at:
        return Decision(ACCEPTED, change)
    key = channel_id(life.id, message.report.speaker.user_id)
    after_idle = message.report.status is Status.IDLE
    return Decision(NextCommand(key, after_idle, REPAIRS if expired else None), change)


def keep(message: Reported, life: Connection, moment: Moment) -> Change:
    """The result, stored with the raw bytes; nothing for Idle."""
    report = message.report
    if report.status is Status.IDLE or report.command_uuid is None:
        return Change(at=moment.now)
    return Change(
        result=Result(
            channel_id=channel_id(life.id, report.speaker.user_id),
            command_uuid=report.command_uuid,
            status=report.status,
            body=message.body,
            received_at=moment.now,
            unreadable=message.unreadable,
        ),
        at=moment.now,
    )


def _still_here(life: Connection, moment: Moment) -> Change:
    kind = "connection.old-life-heard" if life.end_reason is EndReason.SUPERSEDED else "connection.still-here"
    event = Event(type=kind, at=moment.now, device_id=life.device_id, connection_id=life.id)
    return Change(events=(event,), at=moment.now)


def _consequence(
    snapshot: Snapshot, message: Reported, life: Connection, device: Device, policy: Policy, moment: Moment
) -> Change:
    delivery, status = snapshot.delivery, message.report.status
    if delivery is None or status is Status.IDLE:
        return Change()
    if status is Status.NOT_NOW:
        # It polls by itself only if NotNow was the last that it said, so it is pushed again in any case.
        later = Work(kind="push-later", key=delivery.channel_id, due_at=moment.now + policy.not_now_push)
        return Change(work=(later,), at=moment.now)
    done = status is Status.ACKNOWLEDGED
    match delivery.consequence:
        case Consequence.PLAIN:
            return Change()
        case Consequence.REMOVE_PROFILE if done:
            return end(life, device, EndReason.REMOVED, moment, proof="RemoveProfile acknowledged")
        case Consequence.REMOVE_PROFILE:
            return _removal_failed(life, device, status, moment)
        case Consequence.ERASE_DEVICE if done:
            erasing = replace(life, erasing_at=moment.now)
            return _put(erasing, device, "device.erasing", moment)
        case Consequence.DEVICE_CONFIGURED if done:
            return _put(replace(life, awaiting_since=None), device, "configuration.done", moment)
        case Consequence.DEVICE_CONFIGURED if life.awaiting_since is not None:
            # Counted from now, so that the next try comes after a while and not at once.
            return _put(replace(life, awaiting_since=moment.now), device, "configuration.failed", moment)
        case Consequence.USER_CONFIGURED if done and snapshot.channel is not None:
            released = replace(snapshot.channel, awaiting_since=None)
            return _put_channel(released, life, device, "configuration.done", moment)
        case Consequence.USER_CONFIGURED if snapshot.channel is not None and snapshot.channel.awaiting_since:
            again = replace(snapshot.channel, awaiting_since=moment.now)
            return _put_channel(again, life, device, "configuration.failed", moment)
        case Consequence.RENEWAL if not done and life.renewal and life.renewal.grant_id == delivery.command_uuid:
            return _put(replace(life, renewal=None), device, "connection.renewal-failed", moment)
        case _:
            return _told(life, delivery.consequence, status, moment)


def _resume(
    snapshot: Snapshot, message: Reported, life: Connection, device: Device, policy: Policy, moment: Moment
) -> Change:
    """Deliveries go on where an Authenticate was not followed by its TokenUpdate: the installation has failed.

    That is so when the device asks for commands under the identity that a renewal would have replaced, and, whatever
    the identity, when it has taken longer than any installation does.
    """
    renewal = life.renewal
    since = max(life.reauthenticated_at or 0, (renewal.authenticated_at or 0) if renewal else 0)
    if not since or message.report.status is not Status.IDLE or message.report.speaker.user_id:
        return Change()
    certificate = snapshot.certificate
    as_before = (
        life.reauthenticated_at is None
        and renewal is not None
        and certificate is not None
        and not belongs_to_renewal(certificate, renewal)
    )
    if not as_before and moment.now < since + policy.installation_time:
        return Change()
    whole = replace(life, reauthenticated_at=None, renewal=replace(renewal, authenticated_at=None) if renewal else None)
    return _put(whole, device, "connection.installation-failed", moment)


def _put(life: Connection, device: Device, kind: str, moment: Moment) -> Change:
    event = Event(type=kind, at=moment.now, device_id=device.id, connection_id=life.id)
    return Change(
        device_id=device.id,
        expects=device.version,
        connections=(settle(life, device),),
        events=(event,),
        at=moment.now,
    )


def _put_channel(channel: Channel, life: Connection, device: Device, kind: str, moment: Moment) -> Change:
    event = Event(
        type=kind,
        at=moment.now,
        device_id=life.device_id,
        connection_id=life.id,
        data={"user_id": channel.user_id},
    )
    return Change(device_id=device.id, expects=device.version, channels=(channel,), events=(event,), at=moment.now)


def _removal_failed(life: Connection, device: Device, status: Status, moment: Moment) -> Change:
    """A device that cannot remove the profile is told to leave at its next contact."""
    if life.end_request is None:
        return _told(life, Consequence.REMOVE_PROFILE, status, moment)
    overdue = replace(life, end_request=replace(life.end_request, deadline=moment.now))
    return _put(overdue, device, "connection.removal-failed", moment)


def _told(life: Connection, consequence: Consequence, status: Status, moment: Moment) -> Change:
    """Worth a line in the history and nothing else: a failed erase, a renewal that was taken."""
    event = Event(
        type=f"command.{consequence.value}",
        at=moment.now,
        device_id=life.device_id,
        connection_id=life.id,
        data={"status": status.value},
    )
    return Change(events=(event,), at=moment.now)
