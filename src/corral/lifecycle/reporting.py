"""What a report means where it cannot pass as ordinary traffic: closed lives, and results with a consequence."""

from dataclasses import replace

from corral.apple.report import Status
from corral.lifecycle.change import ACCEPTED, Answer, Change, Decision, Event, NextCommand, Result, merge
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
    key = channel_id(life.id, message.report.speaker.user_id)
    after_idle = message.report.status is Status.IDLE
    if moment.now >= identity.not_after:
        if policy.on_expired_identity is OnExpiredIdentity.REFUSE:
            return Decision(EXPIRED)
        change = merge(kept, _consequence(snapshot, message, life, device, moment))
        return Decision(NextCommand(key, after_idle, REPAIRS), change)
    change = merge(kept, _consequence(snapshot, message, life, device, moment))
    if not settle(life, device).open:
        return Decision(ACCEPTED, change)
    if any(row.id == life.id and not row.open for row in change.connections):
        return Decision(ACCEPTED, change)
    return Decision(NextCommand(key, after_idle), change)


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


def _consequence(snapshot: Snapshot, message: Reported, life: Connection, device: Device, moment: Moment) -> Change:
    delivery, status = snapshot.delivery, message.report.status
    if delivery is None or status in (Status.IDLE, Status.NOT_NOW):
        return Change()
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
        case Consequence.USER_CONFIGURED if done and snapshot.channel is not None:
            return _put_channel(replace(snapshot.channel, awaiting_since=None), life, moment)
        case Consequence.RENEWAL if not done:
            return _put(replace(life, renewal=None), device, "connection.renewal-failed", moment)
        case _:
            return _told(life, delivery.consequence, status, moment)


def _put(life: Connection, device: Device, kind: str, moment: Moment) -> Change:
    event = Event(type=kind, at=moment.now, device_id=device.id, connection_id=life.id)
    return Change(
        device_id=device.id,
        expects=device.version,
        connections=(settle(life, device),),
        events=(event,),
        at=moment.now,
    )


def _put_channel(channel: Channel, life: Connection, moment: Moment) -> Change:
    event = Event(
        type="configuration.done",
        at=moment.now,
        device_id=life.device_id,
        connection_id=life.id,
        data={"user_id": channel.user_id},
    )
    return Change(channels=(channel,), events=(event,), at=moment.now)


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
