"""How a life ends: CheckOut, a removal that was obeyed, an unenrolling answer, or another life in its place."""

from dataclasses import replace

from corral.lifecycle.change import ACCEPTED, Change, Decision, Event
from corral.lifecycle.evidence import Moment
from corral.lifecycle.settle import settle
from corral.lifecycle.state import Connection, Device, EndReason, Phase, Snapshot


def end(life: Connection, device: Device, reason: EndReason, moment: Moment, *, proof: str) -> Change:
    """The change that ends this life: its queue is dropped and its channels fall silent."""
    over = settle(
        replace(
            life,
            phase=Phase.ENDED,
            ended_at=moment.now,
            end_reason=reason,
            proof=proof,
            renewal=None,
            reauthenticated_at=None,
            awaiting_since=None,
        ),
        device,
    )
    event = Event(
        type="connection.ended",
        at=moment.now,
        device_id=device.id,
        connection_id=life.id,
        data={"reason": reason.value, "proof": proof},
    )
    return Change(
        device_id=device.id,
        expects=device.version,
        connections=(over,),
        silence=(life.id,),
        events=(event,),
        at=moment.now,
    )


def decide_check_out(snapshot: Snapshot, moment: Moment) -> Decision:
    """CheckOut is sent once and never repeated, so it is always accepted (Apple: Check-out)."""
    life, device = snapshot.bound, snapshot.device
    if life is None or device is None:
        return Decision(ACCEPTED)
    if life.is_over:
        late = Event(type="connection.checked-out", at=moment.now, device_id=device.id, connection_id=life.id)
        return Decision(ACCEPTED, Change(events=(late,), at=moment.now))
    reason = EndReason.REMOVED if life.end_request else EndReason.CHECKED_OUT
    return Decision(ACCEPTED, end(life, device, reason, moment, proof="CheckOut"))
