"""A newcomer says that it is a device which is connected already, and nothing but its word says so.

Whoever holds a link that is not bound to a device can claim any UDID. So can the device itself, which has been erased
and has nothing left of its former identity. Nobody can tell them apart by what they send. Under `on_takeover = confirm`
the newcomer is held: it stays enrolled and gets no command, the former connection goes on, until something tells: a
person does, or Apple says that the push token of the former is dead, as it is once a device has been erased.
"""

from dataclasses import replace

from corral.lifecycle.admitting import refusal_of_enrollment
from corral.lifecycle.change import Change, Event, Work, merge
from corral.lifecycle.connected import PUSH, become_connected
from corral.lifecycle.evidence import Moment
from corral.lifecycle.leaving import end
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.state import (
    Connection,
    EndReason,
    EndRequest,
    Grant,
    Link,
    Phase,
    Snapshot,
)


def held(change: Change, life: Connection, former: Connection, moment: Moment) -> Change:
    """The change that has stored the newcomer's tokens, with nothing that wakes it; the former is woken instead, and
    Apple says whether it can be."""
    event = Event(
        type="connection.takeover-held",
        at=moment.now,
        device_id=life.device_id,
        connection_id=life.id,
        data={"would_replace": former.id, "admitted_by": life.admitted_by},
    )
    work = tuple(each for each in change.work if each.key != life.id)
    wake = Work(kind=PUSH, key=former.id, due_at=moment.now)
    return replace(change, events=(*change.events, event), work=(*work, wake))


def is_held(snapshot: Snapshot) -> bool:
    """Whether the connection that was read waits for a decision: only one that is held has a token before its time."""
    life, channel = snapshot.bound, snapshot.channel
    return life is not None and life.phase is Phase.AUTHENTICATING and channel is not None and channel.token is not None


def let_in(snapshot: Snapshot, grant: Grant | None, link: Link | None, by: str, moment: Moment) -> Change:
    """The newcomer takes the place of the former connection, as it would have at once."""
    life, device = snapshot.bound, snapshot.device
    if life is None or device is None or not is_held(snapshot):
        raise OperationRefused("There is no connection that waits to take the place of this device's.")
    decided = Event(
        type="connection.takeover-accepted",
        at=moment.now,
        device_id=device.id,
        connection_id=life.id,
        data={"by": by},
    )
    change = become_connected(replace(snapshot, grant=grant, link=link), life, device, moment)
    woken = Work(kind=PUSH, key=life.id, due_at=moment.now)
    return replace(change, events=(decided, *change.events), work=(*change.work, woken))


def let_in_by_itself(snapshot: Snapshot, grant: Grant | None, link: Link | None, by: str, moment: Moment) -> Change:
    """The same without a person: not by what was withdrawn, used or is over meanwhile, since whoever waits for long
    enough, for a device to be sold or erased, would come in by a link that nobody believes any more."""
    refusal = refusal_of_enrollment(replace(snapshot, grant=grant, link=link), moment.now)
    if refusal:
        raise OperationRefused(f"Nobody takes the place of this connection by himself: {refusal}.")
    return let_in(snapshot, grant, link, by, moment)


def turn_away(snapshot: Snapshot, by: str, moment: Moment) -> Change:
    """The newcomer is told to leave at its next contact; the connection of the device goes on as it was."""
    life, device = snapshot.bound, snapshot.device
    if life is None or device is None or not is_held(snapshot):
        raise OperationRefused("There is no connection that waits to take the place of this device's.")
    request = EndRequest(by=by, at=moment.now, deadline=moment.now)
    told = Event(
        type="connection.takeover-refused",
        at=moment.now,
        device_id=device.id,
        connection_id=life.id,
        data={"by": by},
    )
    over = end(replace(life, end_request=request), device, EndReason.REFUSED, moment, proof=f"refused by {by}")
    return merge(Change(events=(told,), at=moment.now), over)
