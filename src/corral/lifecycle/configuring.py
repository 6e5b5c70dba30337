"""Setup Assistant waits for DeviceConfigured, and a user of a Shared iPad for UserConfigured: it is queued in the
commit that tells of the waiting.

A device that never gets it cannot be set up (Apple: Device Configured command), so it does not depend on any
other command, event or worker. It has the lowest priority: setup commands queued meanwhile go first.
"""

from dataclasses import replace

from corral.apple import command
from corral.lifecycle.change import Change, Enqueue, Event, Work
from corral.lifecycle.evidence import Moment
from corral.lifecycle.policy import Policy
from corral.lifecycle.settle import settle
from corral.lifecycle.state import Channel, Connection, Consequence, Device

LOWEST = -1000


def await_configuration(
    change: Change, life: Connection, device: Device, *, awaiting: bool, policy: Policy, moment: Moment
) -> Change:
    """The change with the await period of the device channel begun, ended or left as it is."""
    if not awaiting:
        if life.awaiting_since is None:
            return change
        return _with_life(change, settle(replace(life, awaiting_since=None), device))
    if life.awaiting_since is not None:
        return change
    waiting = settle(replace(life, awaiting_since=moment.now), device)
    change = _with_life(change, waiting)
    due = moment.now + policy.setup_time
    event = Event(type="configuration.awaited", at=moment.now, device_id=life.device_id, connection_id=life.id)
    return replace(
        change,
        enqueue=(*change.enqueue, configured(life.id, Consequence.DEVICE_CONFIGURED, due, moment)),
        events=(*change.events, event),
        work=(*change.work, Work(kind="push-later", key=life.id, due_at=due)),
    )


def await_user_configuration(
    change: Change, channel: Channel, device_id: str, *, awaiting: bool, policy: Policy, moment: Moment
) -> Change:
    """The change with this channel in it, and the await period of its user begun, ended or left as it is.

    A user of a Shared iPad waits for UserConfigured (iOS 17, AwaitUserConfiguration of SharedDeviceConfiguration).
    """
    if not awaiting or channel.awaiting_since is not None:
        since = channel.awaiting_since if awaiting else None
        return replace(change, channels=(replace(channel, awaiting_since=since),))
    due = moment.now + policy.setup_time
    event = Event(
        type="configuration.awaited",
        at=moment.now,
        device_id=device_id,
        connection_id=channel.connection_id,
        data={"user_id": channel.user_id},
    )
    return replace(
        change,
        channels=(replace(channel, awaiting_since=moment.now),),
        enqueue=(configured(channel.id, Consequence.USER_CONFIGURED, due, moment),),
        events=(*change.events, event),
        work=(*change.work, Work(kind="push-later", key=channel.id, due_at=due)),
    )


def configured(channel_id: str, consequence: Consequence, not_before: int, moment: Moment) -> Enqueue:
    """DeviceConfigured or UserConfigured for this channel, behind everything else in its queue."""
    request_type = "DeviceConfigured" if consequence is Consequence.DEVICE_CONFIGURED else "UserConfigured"
    built = command.build(moment.fresh_id().upper(), request_type, {})
    return Enqueue(
        channel_id=channel_id,
        command_uuid=built.uuid,
        request_type=request_type,
        body=built.body,
        consequence=consequence,
        priority=LOWEST,
        not_before=not_before,
    )


def _with_life(change: Change, life: Connection) -> Change:
    others = tuple(row for row in change.connections if row.id != life.id)
    return replace(change, connections=(*others, life))
