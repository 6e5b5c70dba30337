"""The table of the life of a connection, in its order: who is speaking, and which row answers."""

from dataclasses import replace

import pytest

from corral.apple.checkin import (
    DeclarativeManagement,
    GetBootstrapToken,
    GetToken,
    ReturnToService,
    SetBootstrapToken,
    UserAuthenticate,
)
from corral.apple.enrollment_error import JSON_TYPE
from corral.apple.platform import Platform
from corral.apple.report import Status
from corral.lifecycle.change import ACCEPTED, Answer, Change, NextCommand
from corral.lifecycle.decide import decide
from corral.lifecycle.evidence import Identity
from corral.lifecycle.message import Message
from corral.lifecycle.policy import OnExpiredIdentity, OnLostBinding, OnRestore, Policy
from corral.lifecycle.state import (
    HOUR,
    Breaker,
    CertificateStatus,
    Connection,
    EndReason,
    Origin,
    Phase,
    Purpose,
    Snapshot,
)
from lifecycle import arrange as a

POLICY = Policy()
EVERY_MESSAGE: tuple[Message, ...] = (
    a.authenticate(),
    a.token_update(),
    a.check_out(),
    SetBootstrapToken(a.SPEAKER, b"token"),
    GetBootstrapToken(a.SPEAKER),
    GetToken(a.SPEAKER, "com.apple.maid"),
    DeclarativeManagement(a.SPEAKER, "tokens"),
    ReturnToService(a.SPEAKER),
    UserAuthenticate(a.ANN),
    a.token_update(a.ANN),
    a.check_out(a.ANN),
    a.IDLE,
    a.reported(Status.ACKNOWLEDGED),
    a.reported(Status.NOT_NOW),
    a.reported(Status.ACKNOWLEDGED, a.ANN),
)


def name(message: Message) -> str:
    return type(message).__name__


every_message = pytest.mark.parametrize("message", EVERY_MESSAGE, ids=name)


def status(answer: Answer | NextCommand) -> int:
    return answer.status if isinstance(answer, Answer) else 200


# Row 2: nobody, and a certificate that is bound to nothing


@every_message
def test_row_2_without_an_identity_nothing_is_said_or_changed(message: Message) -> None:
    decision = decide(a.seen(), message, None, POLICY, a.moment())
    assert status(decision.answer) == 400
    assert decision.change == Change()


@every_message
def test_row_2_an_unknown_certificate_is_400_and_changes_nothing(message: Message) -> None:
    decision = decide(Snapshot(device=a.device()), message, a.identity(), POLICY, a.moment())
    assert status(decision.answer) == (403 if message == a.authenticate() else 400)
    assert not decision.change.connections
    assert not decision.change.certificates


@every_message
def test_row_2_a_certificate_must_begin_with_authenticate(message: Message) -> None:
    decision = decide(a.invited(device=a.device()), message, a.identity(), POLICY, a.moment())
    if message != a.authenticate():
        assert status(decision.answer) == 400
        assert decision.change == Change()


@pytest.mark.parametrize("about", ["an issued certificate", "none"])
def test_row_2_a_user_cannot_begin_an_enrollment(about: str) -> None:
    snapshot = a.invited() if about != "none" else Snapshot()
    decision = decide(snapshot, a.authenticate(a.ANN), a.identity(), POLICY, a.moment())
    assert status(decision.answer) == 400
    assert decision.change == Change()


def lost() -> Snapshot:
    """The row of the certificate is lost; the life that its own name tells is there."""
    return a.seen(certificate=None, bound=None, named=a.life(), grant=None, link=None)


def test_row_2_a_lost_binding_is_made_again_by_the_name_in_the_certificate() -> None:
    decision = decide(lost(), a.IDLE, a.identity(der=b"der"), POLICY, a.moment())
    assert decision.answer == NextCommand("life", after_idle=True)
    (bound,) = decision.change.certificates
    assert bound == a.certificate(purpose=Purpose.RENEW, grant_id=None, issued_at=a.NOW, heard_at=a.NOW, der=b"der")
    assert a.kinds(decision.change) == ["certificate.rebound"]
    assert (decision.change.device_id, decision.change.expects) == (a.UDID, 7)


def test_row_2_the_certificate_of_a_restored_device_is_bound_to_the_life_that_goes_on() -> None:
    """Its own name is for ever that of the life before, which is over."""
    former = a.life("former", Phase.ENDED)
    heir = a.life("heir", origin=Origin.RESTORED, admitted_by="restore:former")
    snapshot = replace(lost(), lives=(heir, former), named=former)
    decision = decide(snapshot, a.IDLE, a.identity(connection_id="former"), POLICY, a.moment())
    assert decision.answer == NextCommand("heir", after_idle=True)
    assert decision.change.certificates[0].connection_id == "heir"


def test_row_2_a_life_that_came_by_another_certificate_is_nobodys_heir() -> None:
    former, other = a.life("former", Phase.ENDED), a.life("other", admitted_by="grant:another")
    snapshot = replace(lost(), lives=(other, former), named=former)
    decision = decide(snapshot, a.IDLE, a.identity(connection_id="former"), POLICY, a.moment())
    assert decision.answer == ACCEPTED
    assert decision.change.certificates[0].connection_id == "former"
    assert a.kinds(decision.change) == ["certificate.rebound", "connection.still-here"]


def test_row_2_the_message_itself_is_answered_under_the_new_binding() -> None:
    decision = decide(lost(), a.check_out(), a.identity(), POLICY, a.moment())
    assert decision.answer == ACCEPTED
    assert a.row(decision.change).end_reason is EndReason.CHECKED_OUT
    assert a.kinds(decision.change) == ["certificate.rebound", "connection.ended"]
    assert (decision.change.device_id, decision.change.expects) == (a.UDID, 7)


def test_row_2_a_token_update_under_a_lost_binding_goes_on_with_the_life() -> None:
    decision = decide(lost(), a.token_update(token=b"new"), a.identity(), POLICY, a.moment())
    assert decision.answer == ACCEPTED
    assert decision.change.channels[0].token == b"new"


def test_row_2_a_refusal_under_a_new_binding_keeps_the_binding_and_its_fence() -> None:
    over = a.life(phase=Phase.ENDED)
    snapshot = a.seen(over, certificate=None, bound=None, named=over, grant=None, link=None)
    decision = decide(snapshot, a.authenticate(), a.identity(), POLICY, a.moment())
    assert status(decision.answer) == 403
    assert len(decision.change.certificates) == 1
    assert (decision.change.device_id, decision.change.expects) == (a.UDID, 7)


@pytest.mark.parametrize(
    ("snapshot", "who", "policy"),
    [
        (lost(), a.identity(), Policy(on_lost_binding=OnLostBinding.REFUSE)),
        (lost(), a.identity(authority="step"), POLICY),
        (a.seen(certificate=None, bound=None, named=a.life(device_id="UDID-2")), a.identity(), POLICY),
        (a.seen(certificate=None, bound=None), a.identity(), POLICY),
    ],
    ids=["policy", "a foreign authority", "another device's life", "no such life"],
)
def test_row_2_a_lost_binding_is_not_made_again(snapshot: Snapshot, who: Identity, policy: Policy) -> None:
    decision = decide(snapshot, a.IDLE, who, policy, a.moment())
    assert status(decision.answer) == 400
    assert decision.change == Change()


# Row 3: a certificate of another device


@every_message
@pytest.mark.parametrize("state", list(CertificateStatus))
def test_row_3_a_clone_is_refused_without_a_document_and_alarms(message: Message, state: CertificateStatus) -> None:
    owners = a.life(device_id="UDID-2")
    snapshot = a.seen(owners, certificate=a.certificate(device_id="UDID-2", status=state))
    decision = decide(snapshot, message, a.identity(), POLICY, a.moment())
    assert isinstance(decision.answer, Answer)
    assert (decision.answer.status, decision.answer.body) == (403, b"")
    alarm = a.event(decision.change, "connection.clone-refused")
    assert (alarm.device_id, alarm.connection_id) == ("UDID-2", "life")
    assert alarm.data == {"claimed_device_id": a.UDID}
    assert a.quietly(decision.change).is_empty


def test_row_3_goes_before_row_4() -> None:
    """A clone of a device that was ended or blocked is not told to leave: it may be well managed otherwise."""
    owners = a.life(phase=Phase.ENDED, device_id="UDID-2", end_request=a.end_request())
    blocked = a.device(blocked_at=a.NOW)
    snapshot = a.seen(owners, device=blocked, certificate=a.certificate(device_id="UDID-2"))
    assert status(decide(snapshot, a.IDLE, a.identity(), POLICY, a.moment()).answer) == 403


@every_message
def test_a_revoked_certificate_is_refused_without_a_document(message: Message) -> None:
    snapshot = a.seen(certificate=a.certificate(status=CertificateStatus.REVOKED))
    decision = decide(snapshot, message, a.identity(), POLICY, a.moment())
    assert isinstance(decision.answer, Answer)
    assert (decision.answer.status, decision.answer.body) == (403, b"")
    assert decision.change == Change()


# Row 4: the device is to leave


def blocked() -> Snapshot:
    return a.seen(device=a.device(blocked_at=a.NOW - HOUR))


def ended() -> Snapshot:
    return a.seen(a.life(phase=Phase.ENDED, end_request=a.end_request(), end_reason=EndReason.REMOVED))


def overdue() -> Snapshot:
    return a.seen(a.life(phase=Phase.ENDING, end_request=a.end_request(deadline=a.NOW)))


to_leave = pytest.mark.parametrize("snapshot", [blocked(), ended(), overdue()], ids=["blocked", "ended", "overdue"])


@every_message
@to_leave
def test_row_4_everything_but_check_out_is_answered_by_unenrolling(snapshot: Snapshot, message: Message) -> None:
    decision = decide(snapshot, message, a.identity(), POLICY, a.moment())
    if message in (a.check_out(), a.check_out(a.ANN)):
        assert decision.answer == ACCEPTED
        return
    assert status(decision.answer) == 401
    assert decision.change.unenrolling == "life"
    assert "connection.unenroll-answered" in a.kinds(decision.change)
    assert (decision.change.device_id, decision.change.expects) == (a.UDID, 7), "nobody is told on stale rows"


@to_leave
def test_row_4_by_apples_document_where_the_system_is_known_to_obey_it(snapshot: Snapshot) -> None:
    known = a.device(
        platform=Platform.IOS, os_version="17.0", blocked_at=snapshot.device and snapshot.device.blocked_at
    )
    decision = decide(a.seen(snapshot.bound, device=known), a.IDLE, a.identity(), POLICY, a.moment())
    assert isinstance(decision.answer, Answer)
    assert decision.answer.status == 403
    assert b"com.apple.unrecognized.device" in decision.answer.body
    assert decision.answer.media_type == JSON_TYPE


@pytest.mark.parametrize("snapshot", [blocked(), overdue()], ids=["blocked", "overdue"])
def test_row_4_the_life_is_over_with_proof(snapshot: Snapshot) -> None:
    decision = decide(snapshot, a.IDLE, a.identity(), POLICY, a.moment())
    over = a.row(decision.change)
    assert (over.phase, over.end_reason, over.proof) == (Phase.ENDED, EndReason.UNENROLLED, "answered 401")
    assert over.ended_at == a.NOW
    assert over.end_request is not None
    assert over.ended_by_decision
    assert decision.change.silence == ("life",)


def test_row_4_a_block_ends_by_its_own_name_and_an_ending_by_that_of_the_person() -> None:
    by_block = a.row(decide(blocked(), a.IDLE, a.identity(), POLICY, a.moment()).change).end_request
    assert by_block is not None
    assert (by_block.by, by_block.at, by_block.deadline) == ("block", a.NOW, a.NOW)
    by_person = a.row(decide(overdue(), a.IDLE, a.identity(), POLICY, a.moment()).change).end_request
    assert by_person == a.end_request(deadline=a.NOW)


def test_row_4_a_life_that_is_over_is_told_again_and_changes_no_more() -> None:
    change = decide(ended(), a.IDLE, a.identity(), POLICY, a.moment()).change
    assert not change.connections
    assert a.kinds(change) == ["connection.unenroll-answered"]


@pytest.mark.parametrize(
    ("bound", "now"),
    [
        (a.life(phase=Phase.ENDING, end_request=a.end_request(deadline=a.NOW)), a.NOW - 1),
        (a.life(phase=Phase.ENDED, end_reason=EndReason.SUPERSEDED), a.NOW),
        (a.life(phase=Phase.ENDED, end_reason=EndReason.ERASED), a.NOW),
        (a.life(phase=Phase.ENDED), a.NOW),
        (a.life(), a.NOW),
    ],
    ids=["before the deadline", "superseded", "erased", "checked out", "connected"],
)
@every_message
def test_row_4_nobody_else_is_ever_told_to_leave(bound: Connection, now: int, message: Message) -> None:
    decision = decide(a.seen(bound), message, a.identity(), POLICY, a.moment(now))
    assert status(decision.answer) != 401
    assert not (isinstance(decision.answer, Answer) and b"unrecognized" in decision.answer.body)
    assert decision.change.unenrolling is None


def test_row_4_a_blocked_device_cannot_enroll() -> None:
    snapshot = a.invited(device=a.device(blocked_at=a.NOW))
    decision = decide(snapshot, a.authenticate(), a.identity(), POLICY, a.moment())
    assert status(decision.answer) == 401
    assert decision.change.unenrolling == a.UDID
    assert not decision.change.connections
    assert (decision.change.device_id, decision.change.expects) == (a.UDID, 7)


def test_row_4_does_not_reach_a_certificate_that_is_only_issued_for_an_ended_life() -> None:
    """It may have come to another device than the one whose attempt was ended."""
    attempt = a.life(phase=Phase.ENDED, end_request=a.end_request(), connected_at=None, device_id="UDID-2")
    snapshot = a.invited(bound=attempt)
    decision = decide(snapshot, a.authenticate(), a.identity(), POLICY, a.moment())
    assert status(decision.answer) == 403
    assert decision.change.unenrolling is None


@to_leave
def test_row_4_a_result_that_comes_with_the_contact_is_kept(snapshot: Snapshot) -> None:
    decision = decide(snapshot, a.reported(Status.ACKNOWLEDGED), a.identity(), POLICY, a.moment())
    assert decision.change.result is not None
    assert decision.change.result.body == b"body of a report"
    assert decision.change.unenrolling == "life"


@pytest.mark.parametrize(
    "breaker",
    [Breaker(open=True), Breaker(counted=frozenset({"other", "another"}))],
    ids=["open", "one too many"],
)
@to_leave
def test_row_4_the_breaker_holds_the_answer_back_and_keeps_what_was_reported(
    snapshot: Snapshot, breaker: Breaker
) -> None:
    policy = Policy(breaker_limit=2)
    held = a.seen(snapshot.bound, device=snapshot.device, breaker=breaker)
    report = decide(held, a.reported(Status.ERROR), a.identity(), policy, a.moment())
    assert report.answer == ACCEPTED
    assert report.change.result is not None
    assert report.change.unenrolling is None
    assert not report.change.connections
    check_in = decide(held, a.token_update(), a.identity(), policy, a.moment())
    assert status(check_in.answer) == 503
    assert check_in.change.trip_breaker is not breaker.open
    assert not check_in.change.channels


# Expired identities

EXPIRED = a.identity(not_after=a.NOW)
REPAIRING = (a.authenticate(), a.token_update(), SetBootstrapToken(a.SPEAKER, b"token"), a.token_update(a.ANN))
ALWAYS = (a.check_out(), a.check_out(a.ANN))


@every_message
@pytest.mark.parametrize("on_expired", list(OnExpiredIdentity))
def test_an_expired_identity_is_heard_as_far_as_it_takes_to_repair_it(
    message: Message, on_expired: OnExpiredIdentity
) -> None:
    policy = Policy(on_expired_identity=on_expired)
    decision = decide(a.seen(), message, EXPIRED, policy, a.moment())
    repairs = on_expired is OnExpiredIdentity.REPAIR
    if message in ALWAYS or (repairs and message in REPAIRING):
        assert decision.answer == ACCEPTED
    elif name(message) != "Reported":
        assert status(decision.answer) == 400
        assert decision.change == Change()


def test_an_identity_is_good_until_its_last_millisecond() -> None:
    last = a.identity(not_after=a.NOW + 1)
    decision = decide(a.seen(), GetBootstrapToken(a.SPEAKER), last, POLICY, a.moment())
    assert status(decision.answer) == 200


# A certificate that a renewal has replaced


def retired(bound: Connection | None = None) -> Snapshot:
    return a.seen(bound, certificate=a.certificate(status=CertificateStatus.RETIRED))


@every_message
def test_a_retired_certificate_gets_nothing_but_leaves_a_trace(message: Message) -> None:
    if message == a.token_update():
        return
    decision = decide(retired(), message, a.identity(), POLICY, a.moment())
    taken = name(message) in ("Reported", "CheckOut")
    assert status(decision.answer) == (200 if taken else 400)
    assert not isinstance(decision.answer, NextCommand)
    heard = a.event(decision.change, "connection.old-certificate-heard")
    assert (heard.device_id, heard.connection_id) == (a.UDID, "life")
    assert not decision.change.connections


def test_a_result_under_a_retired_certificate_is_kept() -> None:
    decision = decide(retired(), a.reported(Status.ACKNOWLEDGED), a.identity(), POLICY, a.moment())
    assert decision.change.result is not None
    assert decision.change.result.channel_id == "life"


def test_a_token_update_under_a_retired_certificate_is_a_restore_of_the_same_life() -> None:
    update = a.token_update(token=b"new", push_magic="new")
    decision = decide(retired(), update, a.identity(), POLICY, a.moment())
    assert decision.answer == ACCEPTED
    (again,) = decision.change.certificates
    assert (again.status, again.heard_at) == (CertificateStatus.BOUND, a.NOW)
    assert a.row(decision.change).phase is Phase.CONNECTED
    assert "connection.possible-restore" in a.kinds(decision.change)


def test_a_token_update_under_a_retired_certificate_is_refused_as_any_restore_is() -> None:
    refuse = Policy(on_restore=OnRestore.REFUSE)
    restored = a.token_update(token=b"new", push_magic="new")
    decision = decide(retired(), restored, a.identity(), refuse, a.moment())
    assert status(decision.answer) == 401
    assert not decision.change.certificates, "it stays retired"
    late = decide(retired(), a.token_update(), a.identity(), refuse, a.moment())
    assert late.answer == ACCEPTED, "the tokens that are known are no restore: a message that came late"


def test_a_retired_certificate_of_a_user_gets_nothing() -> None:
    decision = decide(retired(), a.token_update(a.ANN), a.identity(), POLICY, a.moment())
    assert status(decision.answer) == 400
    assert not decision.change.channels


def test_row_4_goes_before_a_retired_certificate() -> None:
    over = a.life(phase=Phase.ENDED, end_request=a.end_request())
    assert status(decide(retired(over), a.IDLE, a.identity(), POLICY, a.moment()).answer) == 401
