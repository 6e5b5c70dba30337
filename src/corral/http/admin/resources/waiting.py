"""Why the next command of a device waits, in words: what support asks most."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from corral.http.admin.endpoint import View
from corral.http.admin.times import shown
from corral.lifecycle.queue import next_delivery
from corral.lifecycle.state import Channel, Connection, Delivery, DeliveryState, Device, Instant, Phase
from corral.service.clock import to_datetime
from corral.store.directory import DeviceDetail


class Waiting(View):
    """The command that is next on a channel, and what it waits for."""

    channel_id: str
    command_uuid: str
    request_type: str
    why: str
    until: datetime | None = None


def why_waiting(detail: DeviceDetail, deliveries: Iterable[Delivery], now: Instant) -> tuple[Waiting, ...]:
    """One line for each channel that has an open command, the device channel first."""
    channels = {each.id: each for each in detail.channels}
    lives = {each.id: each for each in detail.connections}
    queues: dict[str, list[Delivery]] = {}
    for delivery in deliveries:
        if delivery.state is DeliveryState.OPEN:
            queues.setdefault(delivery.channel_id, []).append(delivery)
    found: list[Waiting] = []
    for key in sorted(queues):
        channel = channels.get(key)
        life = lives.get(channel.connection_id) if channel else None
        if channel is None or life is None:
            continue
        following = _following(queues[key], now)
        why, until = _why(detail, life, channel, following, now)
        found.append(
            Waiting(
                channel_id=key,
                command_uuid=following.command_uuid,
                request_type=following.request_type,
                why=why,
                until=shown(until),
            )
        )
    return tuple(found)


def _following(queue: Sequence[Delivery], now: Instant) -> Delivery:
    """The delivery that is next, or will be when its time has come."""
    return next_delivery(queue, now, after_idle=True) or min(queue, key=lambda each: (each.not_before, each.sequence))


def _why(
    detail: DeviceDetail, life: Connection, channel: Channel, delivery: Delivery, now: Instant
) -> tuple[str, Instant | None]:
    closed = _closed(detail.device, life)
    if closed:
        return closed, None
    if now < delivery.not_before:
        return "it is not to be sent earlier", delivery.not_before
    if now >= delivery.expires_at:
        return "its time is over; it will be taken out of the queue", None
    if channel.token_updated_at is None:
        return "the device has not sent a push token yet", None
    if channel.unreachable:
        return f"no push can reach the device: {channel.unreachable}", None
    if delivery.deferred_at is not None:
        times = f", {delivery.not_now_count} times so far" if delivery.not_now_count > 1 else ""
        return f"the device said NotNow at {_clock(delivery.deferred_at)}{times}; it is offered again", None
    return _silence(detail, channel), None


def _closed(device: Device, life: Connection) -> str:
    if device.blocked_at is not None:
        return "the device is blocked"
    if life.phase is Phase.AUTHENTICATING:
        return "the device has authenticated but sent no token yet: its installation is not finished"
    if life.renewal is not None and life.renewal.authenticated_at is not None:
        return "a renewal is half done; its TokenUpdate is awaited"
    if life.reauthenticated_at is not None:
        return "the device enrolls anew; its TokenUpdate is awaited"
    return ""


def _silence(detail: DeviceDetail, channel: Channel) -> str:
    push = detail.last_push
    if channel.user_id or push is None:
        return "the device is asked to call and has not done so yet"
    at, outcome = push
    heard = f", and was last heard at {_clock(detail.last_seen)}" if detail.last_seen else ""
    if outcome != "accepted":
        return f"the push of {_clock(at)} was not accepted ({outcome}){heard}"
    return f"Apple took a push at {_clock(at)}; the device has not called since{heard}"


def _clock(instant: Instant) -> str:
    return f"{to_datetime(instant):%Y-%m-%d %H:%M:%S} UTC"
