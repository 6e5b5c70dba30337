"""Reports that are no ordinary traffic: rows 11, 12 and 14, expired identities, and installations that failed."""

from dataclasses import replace
from typing import Any

import pytest

from corral.apple.report import Status
from corral.lifecycle.change import ACCEPTED, Answer, Decision, NextCommand, Result
from corral.lifecycle.decide import decide
from corral.lifecycle.message import Message, Reported
from corral.lifecycle.policy import OnExpiredIdentity, Policy
from corral.lifecycle.reporting import REPAIRS
from corral.lifecycle.state import (
    DAY,
    HOUR,
    MINUTE,
    Connection,
    Consequence,
    EndReason,
    Phase,
    Snapshot,
)
from lifecycle import arrange as a

FAILURES = (Status.ERROR, Status.COMMAND_FORMAT_ERROR)


def answer(snapshot: Snapshot, message: Message, policy: Policy | None = None, now: int = a.NOW) -> Decision:
    return decide(snapshot, message, a.identity(), policy or Policy(), a.moment(now))


def after(status: Status, consequence: Consequence, life: Connection | None = None, **fields: Any) -> Decision:
    """What a report about a delivery with this consequence brings about."""
    return answer(a.seen(life, delivery=a.delivery(consequence), **fields), a.reported(status))


RESULT = Result(
    channel_id="life",
    command_uuid="command",
    status=Status.ACKNOWLEDGED,
    body=b"body of a report",
    received_at=a.NOW,
)


# Rows 11 and 12


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (EndReason.CHECKED_OUT, "connection.still-here"),
        (EndReason.ERASED, "connection.still-here"),
        (EndReason.SUPERSEDED, "connection.old-life-heard"),
    ],
)
def test_row_11_a_life_that_is_over_gets_nothing_and_leaves_a_trace(reason: EndReason, kind: str) -> None:
    over = a.life(phase=Phase.ENDED, end_reason=reason)
    decision = answer(a.seen(over), a.IDLE)
    assert decision.answer == ACCEPTED
    assert a.kinds(decision.change) == [kind]
    assert a.event(decision.change, kind).connection_id == "life"
    assert a.quietly(decision.change).is_empty


def test_row_11_a_result_of_a_life_that_is_over_is_kept() -> None:
    decision = answer(a.seen(a.life(phase=Phase.ENDED)), a.reported(Status.ACKNOWLEDGED))
    assert decision.change.result == RESULT


def test_row_11_a_consequence_comes_too_late_for_a_life_that_is_over() -> None:
    decision = after(Status.ACKNOWLEDGED, Consequence.ERASE_DEVICE, a.life(phase=Phase.ENDED))
    assert not decision.change.connections


def test_row_12_an_authenticating_life_gets_no_command() -> None:
    attempt = a.life(phase=Phase.AUTHENTICATING)
    idle = answer(a.seen(attempt), a.IDLE)
    assert idle.answer == ACCEPTED
    assert idle.change.is_empty
    assert answer(a.seen(attempt), a.reported(Status.ACKNOWLEDGED)).change.result == RESULT


# A connected life


def test_what_could_have_passed_as_ordinary_traffic_gets_the_next_command() -> None:
    idle = answer(a.seen(), a.IDLE)
    assert idle.answer == NextCommand("life", after_idle=True)
    assert idle.change.is_empty, "a poll writes nothing"
    report = answer(a.seen(delivery=a.delivery(Consequence.PLAIN)), a.reported(Status.ACKNOWLEDGED))
    assert report.answer == NextCommand("life", after_idle=False)
    assert a.quietly(report.change) == report.change
    assert report.change.result == RESULT


def test_a_report_for_a_command_that_nobody_knows_is_kept() -> None:
    decision = answer(a.seen(), a.reported(Status.ERROR))
    assert decision.change.result == replace(RESULT, status=Status.ERROR)
    assert decision.change.events == ()


def test_an_unreadable_report_is_kept_as_such() -> None:
    report = replace(a.reported(Status.ACKNOWLEDGED), unreadable=True)
    assert answer(a.seen(), report).change.result == replace(RESULT, unreadable=True)


def test_a_not_now_is_kept_for_its_delivery_and_has_no_consequence() -> None:
    for consequence in Consequence:
        decision = after(Status.NOT_NOW, consequence)
        assert decision.change.result == replace(RESULT, status=Status.NOT_NOW)
        (later,) = decision.change.work
        assert (later.kind, later.due_at) == ("push-later", a.NOW + Policy().not_now_push)
        assert not decision.change.connections
        assert decision.change.events == ()


def test_a_report_of_nobody_is_400() -> None:
    for snapshot in (a.seen(bound=None), a.seen(device=None)):
        decision = answer(snapshot, a.IDLE)
        assert isinstance(decision.answer, Answer)
        assert decision.answer.status == 400


# Row 14 and the other consequences


def test_row_14_remove_profile_acknowledged_ends_the_life_with_proof() -> None:
    ending = a.life(phase=Phase.ENDING)
    decision = after(Status.ACKNOWLEDGED, Consequence.REMOVE_PROFILE, ending)
    assert decision.answer == ACCEPTED
    over = a.row(decision.change)
    assert (over.phase, over.end_reason, over.proof) == (
        Phase.ENDED,
        EndReason.REMOVED,
        "RemoveProfile acknowledged",
    )
    assert over.end_request == a.end_request()
    assert decision.change.silence == ("life",)
    assert decision.change.result == RESULT
    assert decision.change.expects == 7


@pytest.mark.parametrize("status", FAILURES)
def test_a_device_that_cannot_remove_the_profile_is_told_to_leave_next_time(status: Status) -> None:
    decision = after(status, Consequence.REMOVE_PROFILE, a.life(phase=Phase.ENDING))
    assert decision.answer == ACCEPTED, "no other command any more"
    life = a.row(decision.change)
    assert life.end_request is not None
    assert (life.end_request.deadline, life.recheck_at) == (a.NOW, a.NOW)
    assert a.kinds(decision.change) == ["connection.removal-failed"]
    following = answer(a.seen(life), a.IDLE)
    assert isinstance(following.answer, Answer)
    assert following.answer.status == 401


def test_a_removal_that_failed_where_nobody_wants_the_life_over_is_only_told() -> None:
    decision = after(Status.ERROR, Consequence.REMOVE_PROFILE)
    assert not decision.change.connections
    assert a.event(decision.change, "command.remove-profile").data == {"status": "Error"}


def test_row_14_an_erase_that_was_acknowledged_marks_the_life_and_does_not_end_it() -> None:
    decision = after(Status.ACKNOWLEDGED, Consequence.ERASE_DEVICE)
    assert a.row(decision.change) == a.life(erasing_at=a.NOW)
    assert a.kinds(decision.change) == ["device.erasing"]
    assert decision.answer == NextCommand("life", after_idle=False)


@pytest.mark.parametrize("status", FAILURES)
def test_row_14_an_erase_that_failed_changes_nothing(status: Status) -> None:
    decision = after(status, Consequence.ERASE_DEVICE)
    assert not decision.change.connections
    assert a.event(decision.change, "command.erase-device").data == {"status": status.value}


def test_device_configured_ends_the_await_period() -> None:
    decision = after(Status.ACKNOWLEDGED, Consequence.DEVICE_CONFIGURED, a.life(awaiting_since=a.NOW - HOUR))
    assert a.row(decision.change).awaiting_since is None
    assert a.kinds(decision.change) == ["configuration.done"]


@pytest.mark.parametrize("status", FAILURES)
def test_device_configured_that_failed_is_tried_again_after_a_while_and_not_at_once(status: Status) -> None:
    decision = after(status, Consequence.DEVICE_CONFIGURED, a.life(awaiting_since=a.NOW - HOUR))
    assert a.row(decision.change).awaiting_since == a.NOW
    assert a.kinds(decision.change) == ["configuration.failed"]


def test_device_configured_that_failed_after_the_await_period_begins_none() -> None:
    decision = after(Status.ERROR, Consequence.DEVICE_CONFIGURED)
    assert not decision.change.connections
    assert a.kinds(decision.change) == ["command.device-configured"]


@pytest.mark.parametrize(
    ("status", "kind", "since"),
    [(Status.ACKNOWLEDGED, "configuration.done", None), (Status.ERROR, "configuration.failed", a.NOW)],
)
def test_user_configured_ends_the_wait_of_the_user_and_a_failed_one_comes_again(
    status: Status, kind: str, since: int | None
) -> None:
    channel = a.channel(user_id="ANN", awaiting_since=a.NOW - HOUR)
    snapshot = a.seen(channel=channel, delivery=a.delivery(Consequence.USER_CONFIGURED, channel_id="life/ANN"))
    decision = answer(snapshot, a.reported(status, a.ANN))
    assert decision.change.channels == (replace(channel, awaiting_since=since),)
    assert a.event(decision.change, kind).data == {"user_id": "ANN"}
    assert (decision.change.device_id, decision.change.expects) == (a.UDID, 7), "a token may change meanwhile"


@pytest.mark.parametrize("status", FAILURES)
def test_a_renewal_whose_profile_was_refused_is_over_and_the_life_goes_on(status: Status) -> None:
    life = a.life(renewal=a.renewal(grant_id="command", authenticated_at=a.NOW - 1))
    decision = after(status, Consequence.RENEWAL, life)
    assert a.row(decision.change) == a.life()
    assert a.kinds(decision.change) == ["connection.renewal-failed"]
    assert decision.answer == NextCommand("life", after_idle=False)


def test_an_older_renewal_that_fails_does_not_end_the_one_that_replaced_it() -> None:
    decision = after(Status.ERROR, Consequence.RENEWAL, a.life(renewal=a.renewal(grant_id="later")))
    assert not decision.change.connections
    assert a.kinds(decision.change) == ["command.renewal"]


def test_a_renewal_that_fails_when_none_is_under_way_is_only_told() -> None:
    assert a.kinds(after(Status.ERROR, Consequence.RENEWAL).change) == ["command.renewal"]


def test_a_renewal_profile_that_was_taken_is_told_and_changes_nothing() -> None:
    decision = after(Status.ACKNOWLEDGED, Consequence.RENEWAL, a.life(renewal=a.renewal(grant_id="command")))
    assert not decision.change.connections
    assert a.event(decision.change, "command.renewal").data == {"status": "Acknowledged"}


# Half of a re-check-in


@pytest.mark.parametrize(
    "life",
    [a.life(reauthenticated_at=a.NOW - MINUTE), a.life(renewal=a.renewal(authenticated_at=a.NOW - MINUTE))],
    ids=["row 5", "row 6"],
)
@pytest.mark.parametrize("message", [a.IDLE, a.reported(Status.ACKNOWLEDGED)], ids=["Idle", "Acknowledged"])
def test_no_command_before_the_token_update_tells_what_it_is(life: Connection, message: Reported) -> None:
    certificate = a.renewed() if life.renewal else a.certificate()
    decision = answer(a.seen(life, certificate=certificate), message)
    assert decision.answer == ACCEPTED
    assert not decision.change.connections


def test_a_poll_under_the_old_identity_shows_that_the_renewal_was_not_installed() -> None:
    life = a.life(renewal=a.renewal(authenticated_at=a.NOW - 1))
    decision = answer(a.seen(life), a.IDLE)
    assert decision.answer == NextCommand("life", after_idle=True)
    assert a.row(decision.change) == a.life(renewal=a.renewal())
    assert a.kinds(decision.change) == ["connection.installation-failed"]


@pytest.mark.parametrize("message", [a.reported(Status.ACKNOWLEDGED), a.reported(Status.NOT_NOW)])
def test_a_report_during_the_installation_shows_nothing(message: Reported) -> None:
    life = a.life(renewal=a.renewal(authenticated_at=a.NOW - 1))
    decision = answer(a.seen(life), message)
    assert decision.answer == ACCEPTED
    assert not decision.change.connections


def test_an_authenticate_of_the_old_identity_itself_is_waited_for() -> None:
    life = a.life(reauthenticated_at=a.NOW - 1, renewal=a.renewal(authenticated_at=a.NOW - 1))
    decision = answer(a.seen(life), a.IDLE)
    assert decision.answer == ACCEPTED
    assert not decision.change.connections


def test_a_user_who_polls_during_the_installation_shows_nothing() -> None:
    life = a.life(renewal=a.renewal(authenticated_at=a.NOW - DAY))
    poll = Reported(replace(a.IDLE.report, speaker=a.ANN), b"")
    decision = answer(a.seen(life, channel=a.channel(user_id="ANN")), poll)
    assert decision.answer == ACCEPTED
    assert not decision.change.connections


@pytest.mark.parametrize("waited", [15 * MINUTE - 1, 15 * MINUTE])
@pytest.mark.parametrize("about", ["row 5", "row 6", "both"])
def test_whatever_the_identity_no_installation_takes_for_ever(about: str, waited: int) -> None:
    since = a.NOW - waited
    renewal = None if about == "row 5" else a.renewal(authenticated_at=since if about == "row 6" else since - HOUR)
    life = a.life(reauthenticated_at=None if about == "row 6" else since, renewal=renewal)
    certificate = a.certificate() if about == "row 5" else a.renewed()
    decision = answer(a.seen(life, certificate=certificate), a.IDLE)
    resumed = waited >= 15 * MINUTE
    assert isinstance(decision.answer, NextCommand) == resumed
    if resumed:
        whole = a.row(decision.change)
        assert (whole.reauthenticated_at, whole.open) == (None, True)
        assert whole.renewal == (a.renewal() if renewal else None)


# Expired identities

EXPIRED = a.identity(not_after=a.NOW)
REFUSE = Policy(on_expired_identity=OnExpiredIdentity.REFUSE)


def test_an_expired_identity_gets_what_repairs_or_removes_it_and_nothing_else() -> None:
    decision = decide(a.seen(), a.IDLE, EXPIRED, Policy(), a.moment())
    assert decision.answer == NextCommand("life", after_idle=True, only=REPAIRS)
    assert {Consequence.RENEWAL, Consequence.REMOVE_PROFILE} == REPAIRS
    report = decide(a.seen(), a.reported(Status.ERROR), EXPIRED, Policy(), a.moment())
    assert report.answer == NextCommand("life", after_idle=False, only=REPAIRS)
    assert report.change.result is not None


def test_an_expired_identity_that_removes_its_profile_is_over() -> None:
    snapshot = a.seen(a.life(phase=Phase.ENDING), delivery=a.delivery(Consequence.REMOVE_PROFILE))
    decision = decide(snapshot, a.reported(Status.ACKNOWLEDGED), EXPIRED, Policy(), a.moment())
    assert decision.answer == ACCEPTED
    assert a.row(decision.change).end_reason is EndReason.REMOVED


def test_an_expired_identity_is_refused_by_policy_and_nothing_is_taken_from_it() -> None:
    for message in (a.IDLE, a.reported(Status.ACKNOWLEDGED)):
        decision = decide(a.seen(), message, EXPIRED, REFUSE, a.moment())
        assert isinstance(decision.answer, Answer)
        assert decision.answer.status == 400
        assert decision.change.is_empty
        in_time = answer(a.seen(), message, REFUSE)
        assert isinstance(in_time.answer, NextCommand)
