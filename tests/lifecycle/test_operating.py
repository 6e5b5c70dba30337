"""What a person decides: end, block, unblock, renew."""

from dataclasses import replace
from typing import Any

import pytest

from corral.apple import plist
from corral.lifecycle import operating
from corral.lifecycle.change import Change, Work
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.policy import Policy
from corral.lifecycle.state import (
    DAY,
    HOUR,
    Breaker,
    Connection,
    Consequence,
    EndReason,
    EndRequest,
    Grant,
    Phase,
    Snapshot,
)
from lifecycle import arrange as a

DEADLINE = a.NOW + 7 * HOUR
REQUEST = EndRequest(by="ann", at=a.NOW, deadline=DEADLINE)
PUSHED = (Work(kind="push", key="life", due_at=a.NOW),)


def end(snapshot: Snapshot, identifier: str = "org.example.mdm", policy: Policy | None = None) -> Change:
    return operating.end_connection(snapshot, "ann", identifier, DEADLINE, policy or Policy(), a.moment())


# End


def test_end_sends_remove_profile_before_everything_else() -> None:
    change = end(a.seen(a.life(renewal=a.renewal(authenticated_at=a.NOW))))
    assert a.row(change) == a.life(phase=Phase.ENDING, end_request=REQUEST)
    assert a.row(change).recheck_at == DEADLINE
    assert a.row(change).open
    (queued,) = change.enqueue
    assert (queued.channel_id, queued.request_type, queued.priority) == ("life", "RemoveProfile", operating.FIRST)
    assert queued.consequence is Consequence.REMOVE_PROFILE
    body = plist.parse_dict(queued.body)
    assert body["CommandUUID"] == queued.command_uuid
    assert body["Command"] == {"RequestType": "RemoveProfile", "Identifier": "org.example.mdm"}
    assert change.work == PUSHED
    assert change.unenrolling == "life", "it counts before the breaker"
    assert a.event(change, "connection.ending").data == {"by": "ann"}
    assert (change.device_id, change.expects) == (a.UDID, 7)
    assert change.silence == ()


def test_end_without_a_known_profile_waits_for_the_next_contact() -> None:
    change = end(a.seen(), identifier="")
    assert a.row(change).end_request == replace(REQUEST, deadline=a.NOW)
    assert a.row(change).phase is Phase.ENDING
    assert change.unenrolling == "life"
    assert (change.enqueue, change.work) == ((), ())


def test_end_of_an_attempt_is_at_once() -> None:
    change = end(a.seen(a.life(phase=Phase.AUTHENTICATING)))
    over = a.row(change)
    assert (over.phase, over.end_reason, over.proof) == (Phase.ENDED, EndReason.REFUSED, "ended by ann")
    assert over.ended_by_decision
    assert change.enqueue == ()
    assert change.unenrolling is None


def test_end_of_a_life_ends_the_attempt_too_that_would_take_its_place() -> None:
    attempt = a.life("attempt", Phase.AUTHENTICATING)
    change = end(a.seen(lives=(attempt, a.life())))
    assert a.row(change, "attempt").end_reason is EndReason.REFUSED
    assert a.row(change, "attempt").ended_by_decision
    assert a.row(change).phase is Phase.ENDING
    assert change.silence == ("attempt",)
    assert len(change.enqueue) == 1
    assert (change.device_id, change.expects) == (a.UDID, 7)


def test_end_of_a_life_that_is_being_erased_says_that_it_was() -> None:
    change = end(a.seen(a.life(erasing_at=a.NOW - HOUR)), policy=Policy(breaker_limit=0))
    over = a.row(change)
    assert (over.phase, over.end_reason) == (Phase.ENDED, EndReason.ERASED)
    assert over.proof == "EraseDevice acknowledged, and ended by ann"
    assert over.ended_by_decision
    assert change.silence == ("life",)
    assert change.enqueue == ()


@pytest.mark.parametrize(("deadline", "sooner"), [(DEADLINE + 1, DEADLINE), (DEADLINE - 1, DEADLINE - 1)])
def test_end_again_can_only_bring_the_deadline_forward(deadline: int, sooner: int) -> None:
    life = a.life(phase=Phase.ENDING, end_request=replace(REQUEST, by="bob", deadline=deadline))
    change = end(a.seen(life, breaker=Breaker(open=True)))
    assert a.row(change).end_request == replace(REQUEST, by="bob", deadline=sooner)
    assert a.row(change).recheck_at == sooner
    assert change.enqueue == ()
    assert change.unenrolling is None


@pytest.mark.parametrize(
    ("breaker", "policy"),
    [
        (Breaker(open=True), Policy()),
        (Breaker(counted=frozenset({"x"})), Policy(breaker_limit=1)),
        (Breaker(), Policy(breaker_limit=0)),
    ],
)
def test_end_is_refused_where_the_breaker_would_hold_it_back(breaker: Breaker, policy: Policy) -> None:
    with pytest.raises(OperationRefused, match=r"breaker|devices told to leave within 60 minutes"):
        end(a.seen(breaker=breaker), policy=policy)


def test_end_counts_a_life_once() -> None:
    assert end(a.seen(breaker=Breaker(counted=frozenset({"life"}))), policy=Policy(breaker_limit=1)).enqueue


@pytest.mark.parametrize("snapshot", [Snapshot(), a.seen(lives=()), a.seen(a.life(phase=Phase.ENDED))])
def test_end_needs_a_connection(snapshot: Snapshot) -> None:
    with pytest.raises(OperationRefused, match="no"):
        end(snapshot)


# Block and unblock


def test_block_closes_every_life_to_ordinary_traffic_and_ends_none() -> None:
    attempt = a.life("attempt", Phase.AUTHENTICATING)
    over = a.life("over", Phase.ENDED)
    change = operating.block(a.seen(lives=(attempt, a.life(), over)), "ann", "stolen", a.moment())
    assert change.device == a.device(blocked_at=a.NOW, blocked_reason="stolen")
    assert [row.id for row in change.connections] == ["attempt", "life"]
    assert a.row(change) == replace(a.life(), open=False)
    assert [e.connection_id for e in change.events] == ["attempt", "life"]
    assert {e.type for e in change.events} == {"device.blocked"}
    assert change.events[0].data == {"by": "ann", "reason": "stolen"}
    assert (change.device_id, change.expects) == (a.UDID, 7)


def test_block_of_a_device_without_a_life_is_told_too() -> None:
    change = operating.block(a.seen(lives=()), "ann", "", a.moment())
    (told,) = change.events
    assert (told.type, told.device_id, told.connection_id, told.data) == (
        "device.blocked",
        a.UDID,
        None,
        {"by": "ann"},
    )


def test_unblock_lets_a_life_that_is_left_go_on() -> None:
    blocked = a.device(blocked_at=a.NOW - 1, blocked_reason="stolen")
    life = replace(a.life(), open=False)
    change = operating.unblock(a.seen(life, device=blocked), "ann", a.moment())
    assert change.device == a.device()
    assert a.row(change) == a.life()
    assert a.kinds(change) == ["device.unblocked"]


def test_who_is_not_known_is_not_blocked_and_who_is_not_blocked_not_unblocked() -> None:
    with pytest.raises(OperationRefused):
        operating.block(Snapshot(), "ann", "", a.moment())
    for snapshot in (Snapshot(), a.seen()):
        with pytest.raises(OperationRefused):
            operating.unblock(snapshot, "ann", a.moment())


# Renew


def renew(snapshot: Snapshot, grant: Grant | None = None) -> Change:
    return operating.begin_renewal(snapshot, grant or a.renew_grant(version=0), b"body", "ann", a.moment())


def test_renew_sends_the_profile_again_under_a_grant_of_its_own() -> None:
    change = renew(a.seen(a.life(renewal=a.renewal(grant_id="older", authenticated_at=a.NOW - 1))))
    assert a.row(change) == a.life(renewal=a.renewal(asked_at=a.NOW))
    assert change.grant == a.renew_grant(version=0)
    (queued,) = change.enqueue
    assert (queued.command_uuid, queued.request_type, queued.body) == ("renewal", "InstallProfile", b"body")
    assert (queued.consequence, queued.priority) == (Consequence.RENEWAL, operating.FIRST)
    assert change.work == PUSHED
    assert a.event(change, "connection.renewal-asked").data == {"by": "ann"}
    assert (change.device_id, change.expects) == (a.UDID, 7)


def test_a_renewal_by_request_sends_nothing() -> None:
    change = operating.renewal_by_request(a.seen(), a.renew_grant(), a.moment())
    assert a.row(change) == a.life(renewal=a.renewal(asked_at=a.NOW))
    assert (change.enqueue, change.grant) == ((), None)
    assert a.event(change, "connection.renewal-asked").data == {"by": "device"}


@pytest.mark.parametrize("phase", [Phase.AUTHENTICATING, Phase.ENDING, Phase.ENDED])
def test_only_a_connected_life_is_renewed(phase: Phase) -> None:
    life: Connection = a.life(phase=phase)
    with pytest.raises(OperationRefused, match="connected"):
        renew(a.seen(life))
    with pytest.raises(OperationRefused, match="connected"):
        operating.renewal_by_request(a.seen(life), a.renew_grant(), a.moment())
    with pytest.raises(OperationRefused):
        renew(Snapshot())


@pytest.mark.parametrize("grant", [a.grant(), a.renew_grant(connection_id="another")])
def test_a_grant_of_another_purpose_or_life_renews_nothing(grant: Any) -> None:
    with pytest.raises(OperationRefused, match="grant"):
        renew(a.seen(), grant)


def test_an_end_that_comes_near_is_told_and_kept_with_the_certificate() -> None:
    certificate = a.certificate(not_after=a.NOW + 2 * DAY)
    change = operating.warn_of_expiry(a.seen(certificate=certificate), certificate, 7, "because", a.moment())
    assert change.certificates == (replace(certificate, warned_days=7),)
    assert a.event(change, "identity.expiring").data["days_left"] == 2
    assert not change.connections
    over = operating.warn_of_expiry(a.seen(certificate=certificate), certificate, 0, "because", a.moment())
    assert a.kinds(over) == ["identity.expired"]
    with pytest.raises(OperationRefused):
        operating.warn_of_expiry(a.seen(a.life(phase=Phase.ENDING)), certificate, 7, "because", a.moment())
