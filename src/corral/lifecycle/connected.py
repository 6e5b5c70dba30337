"""The moment at which a life becomes its device's connected one."""

from dataclasses import replace

from corral.lifecycle.admitting import change_of, life_event
from corral.lifecycle.change import Change, Work, merge
from corral.lifecycle.collecting import COLLECT
from corral.lifecycle.evidence import Moment
from corral.lifecycle.leaving import end
from corral.lifecycle.policy import Policy
from corral.lifecycle.state import Connection, Device, EndReason, Grant, Origin, Phase, Purpose, Snapshot

PUSH = "push"
"""The kind of work that wakes a channel."""


def become_connected(snapshot: Snapshot, life: Connection, device: Device, moment: Moment) -> Change:
    """An older life is superseded in the same commit, and the grant is spent. Tokens are the caller's to put."""
    connected = replace(life, phase=Phase.CONNECTED, connected_at=moment.now)
    change = Change()
    for former in snapshot.lives:
        if former.id != life.id and not former.is_over:
            reason = EndReason.SUPERSEDED if former.erasing_at is None else EndReason.ERASED
            change = merge(change, end(former, device, reason, moment, proof=f"connected as {life.id}"))
    kind = "connection.restored" if life.origin is Origin.RESTORED else "connection.connected"
    event = life_event(kind, connected, moment, origin=life.origin.value, admitted_by=life.admitted_by)
    change = merge(change, change_of(device, connected, moment=moment, events=(event,)))
    spent = _spend(snapshot, moment)
    return change if spent is None else replace(change, grant=spent[0], link_used=spent[1])


def ask_for_reports(life: Connection, policy: Policy, moment: Moment) -> tuple[Work, ...]:
    """What a new life is and has is asked for at once."""
    return (Work(kind=COLLECT, key=life.id, due_at=moment.now),) if policy.collect_inventory else ()


def _spend(snapshot: Snapshot, moment: Moment) -> tuple[Grant, str | None] | None:
    grant = snapshot.grant
    if grant is None or grant.spent_at is not None or grant.purpose is not Purpose.ENROLL:
        return None
    return replace(grant, spent_at=moment.now), snapshot.link.id if snapshot.link else None
