"""Secrets that come with results are kept: per life, every version, and never deleted by a message."""

from corral.apple.given import may_give, read_given
from corral.apple.report import Status
from corral.lifecycle.change import Change, Escrow, Event
from corral.lifecycle.evidence import Moment
from corral.lifecycle.message import Reported
from corral.lifecycle.policy import Policy
from corral.lifecycle.state import Connection, DeliveryState, EscrowKind, Snapshot
from corral.pki.cms import CmsError

LONGEST_KEY = 1024


def keep_given(snapshot: Snapshot, message: Reported, life: Connection, policy: Policy, moment: Moment) -> Change:
    """What the answer to an open command of ours gives into keeping; a late repetition must not pass for the newest."""
    delivery = snapshot.delivery
    if delivery is None or delivery.state is not DeliveryState.OPEN or message.report.status is not Status.ACKNOWLEDGED:
        return Change()
    if not may_give(message.body):
        return Change()
    given = read_given(message.body)
    escrow: list[Escrow] = []
    events: list[Event] = []
    if given.bypass_code is not None:
        kind = EscrowKind.ACTIVATION_LOCK_BYPASS_CODE
        escrow.append(Escrow(connection_id=life.id, kind=kind, value=given.bypass_code.encode(), at=moment.now))
    if given.recovery_key is not None:
        kind = EscrowKind.FILEVAULT_RECOVERY_KEY
        opened = _open(given.recovery_key, policy)
        if opened is None:
            events.append(_event("escrow.unreadable", life, kind, moment))
        else:
            escrow.append(Escrow(connection_id=life.id, kind=kind, value=opened, at=moment.now))
    new = tuple(each for each in escrow if snapshot.escrow.get(each.kind) != each.value)
    events += [_event("escrow.stored", life, each.kind, moment) for each in new]
    return Change(escrow=new, events=tuple(events), at=moment.now)


def _open(enclosed: bytes, policy: Policy) -> bytes | None:
    """None where it was enclosed for somebody else, or is no key that a person could type in."""
    if policy.escrow_key is None:
        return None
    try:
        key = policy.escrow_key.open(enclosed).strip(b"\0 \r\n")
    except CmsError:
        return None
    return key if 0 < len(key) <= LONGEST_KEY else None


def _event(kind: str, life: Connection, secret: EscrowKind, moment: Moment) -> Event:
    data = {"kind": secret.value}
    return Event(type=kind, at=moment.now, device_id=life.device_id, connection_id=life.id, data=data)
