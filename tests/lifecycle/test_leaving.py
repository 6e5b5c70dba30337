"""CheckOut and how a life ends: row 14."""

from dataclasses import replace

import pytest

from corral.lifecycle.change import ACCEPTED, Change
from corral.lifecycle.decide import decide
from corral.lifecycle.leaving import end
from corral.lifecycle.policy import Policy
from corral.lifecycle.state import HOUR, EndReason, Phase, Snapshot
from lifecycle import arrange as a


def check_out(snapshot: Snapshot) -> Change:
    decision = decide(snapshot, a.check_out(), a.identity(), Policy(), a.moment())
    assert decision.answer == ACCEPTED
    return decision.change


@pytest.mark.parametrize(
    ("phase", "reason"),
    [
        (Phase.CONNECTED, EndReason.CHECKED_OUT),
        (Phase.AUTHENTICATING, EndReason.CHECKED_OUT),
        (Phase.ENDING, EndReason.REMOVED),
    ],
)
def test_row_14_check_out_ends_the_life_with_its_channels(phase: Phase, reason: EndReason) -> None:
    change = check_out(a.seen(a.life(phase=phase)))
    over = a.row(change)
    assert (over.phase, over.end_reason, over.proof, over.ended_at) == (Phase.ENDED, reason, "CheckOut", a.NOW)
    assert not over.open
    assert change.silence == ("life",)
    assert a.event(change, "connection.ended").data == {"reason": reason.value, "proof": "CheckOut"}
    assert (change.device_id, change.expects) == (a.UDID, 7)


@pytest.mark.parametrize("deadline", [a.NOW - HOUR, a.NOW + HOUR])
def test_row_14_check_out_is_the_proof_of_an_ending_whatever_its_deadline(deadline: int) -> None:
    ending = a.life(phase=Phase.ENDING, end_request=a.end_request(deadline))
    assert a.row(check_out(a.seen(ending))).end_reason is EndReason.REMOVED


def test_row_14_a_blocked_device_may_check_out() -> None:
    change = check_out(a.seen(device=a.device(blocked_at=a.NOW)))
    assert a.row(change).end_reason is EndReason.CHECKED_OUT
    assert change.unenrolling is None


def test_row_14_a_check_out_that_comes_late_changes_nothing() -> None:
    change = check_out(a.seen(a.life(phase=Phase.ENDED)))
    assert a.kinds(change) == ["connection.checked-out"]
    assert a.quietly(change).is_empty


def test_row_14_a_check_out_of_nobody_is_accepted() -> None:
    assert check_out(a.seen(bound=None)) == Change()
    assert check_out(a.seen(device=None)) == Change()


def test_what_was_half_done_is_over_with_the_life() -> None:
    busy = a.life(
        renewal=a.renewal(), reauthenticated_at=a.NOW, awaiting_since=a.NOW, erasing_at=a.NOW, admitted_by="x"
    )
    change = end(busy, a.device(), EndReason.ERASED, a.moment(), proof="why")
    over = a.row(change)
    assert (over.renewal, over.reauthenticated_at, over.awaiting_since) == (None, None, None)
    assert replace(over, proof="").admitted_by == "x"
    assert over.erasing_at == a.NOW
