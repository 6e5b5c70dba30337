"""TokenUpdate on the device channel: rows 8, 9 and 10."""

from dataclasses import replace
from typing import Any

import pytest

from corral.apple.identifiers import Kind, Speaker
from corral.lifecycle.change import ACCEPTED, Answer, Decision, Escrow, Work
from corral.lifecycle.decide import decide
from corral.lifecycle.policy import Admission, OnRestore, Policy
from corral.lifecycle.state import (
    HOUR,
    Breaker,
    Consequence,
    EndReason,
    EscrowKind,
    Origin,
    Phase,
    Purpose,
    Snapshot,
)
from lifecycle import arrange as a

REFUSE = Policy(on_restore=OnRestore.REFUSE)
NEW: dict[str, Any] = {"token": b"new token", "push_magic": "new magic"}


def update(snapshot: Snapshot, policy: Policy | None = None, **fields: Any) -> Decision:
    return decide(snapshot, a.token_update(**fields), a.identity(), policy or Policy(), a.moment())


def attempt(**fields: Any) -> Snapshot:
    """An authenticating life at its first TokenUpdate."""
    life = a.life(phase=Phase.AUTHENTICATING)
    plain: dict[str, Any] = {"grant": a.grant(), "link": a.link(), "channel": None}
    return a.seen(life, **{**plain, **fields})


def refused(decision: Decision) -> str:
    assert isinstance(decision.answer, Answer)
    assert (decision.answer.status, decision.answer.body) == (403, b"")
    assert not decision.change.channels
    assert decision.change.unenrolling is None
    return decision.answer.reason


# Row 8


def test_row_8_the_first_token_update_connects_the_life_and_spends_what_let_it_in() -> None:
    decision = update(attempt())
    assert decision.answer == ACCEPTED
    change = decision.change
    life = a.row(change)
    assert (life.phase, life.connected_at, life.open) == (Phase.CONNECTED, a.NOW, True)
    assert change.grant == a.grant(spent_at=a.NOW)
    assert change.link_used == "link"
    assert change.channels == (a.channel(token_updated_at=a.NOW),)
    assert change.work == (
        Work(kind="collect", key="life", due_at=a.NOW),
        Work(kind="push", key="life", due_at=a.NOW),
    )
    assert change.certificates == (a.certificate(heard_at=a.NOW),)
    told = a.event(change, "connection.connected")
    assert told.data == {"origin": "enrolled", "admitted_by": "grant:grant"}
    assert (change.device_id, change.expects) == (a.UDID, 7)
    assert change.enqueue == ()


def test_row_8_a_life_is_asked_for_nothing_where_that_is_switched_off() -> None:
    change = update(attempt(), Policy(collect_inventory=False)).change
    assert [each.kind for each in change.work] == ["push"]


def test_row_8_an_older_life_is_superseded_in_the_same_commit() -> None:
    older = a.life("older")
    snapshot = attempt(lives=(a.life(phase=Phase.AUTHENTICATING), older), grant=a.grant(device_id=a.UDID))
    change = update(snapshot).change
    over = a.row(change, "older")
    assert (over.phase, over.end_reason, over.proof) == (Phase.ENDED, EndReason.SUPERSEDED, "connected as life")
    assert change.silence == ("older",)
    assert a.kinds(change) == ["connection.ended", "connection.connected"]


def test_row_8_a_new_enrollment_replaces_a_life_that_was_ending() -> None:
    """Somebody gave it since: what was ended does not hold it back."""
    ending = a.life("older", Phase.ENDING)
    change = update(attempt(lives=(a.life(phase=Phase.AUTHENTICATING), ending))).change
    assert a.row(change).phase is Phase.CONNECTED
    assert a.row(change, "older").end_reason is EndReason.SUPERSEDED


def test_row_8_the_topic_is_the_one_that_it_is_pushed_by() -> None:
    assert a.row(update(attempt(), topic="com.apple.mgmt.other").change).topic == "com.apple.mgmt.other"


def test_row_8_a_life_that_was_being_erased_was_erased() -> None:
    erased = a.life("older", erasing_at=a.NOW - HOUR)
    change = update(attempt(lives=(a.life(phase=Phase.AUTHENTICATING), erased))).change
    assert a.row(change, "older").end_reason is EndReason.ERASED


def test_row_8_lives_that_are_over_stay_as_they_are() -> None:
    over = a.life("older", Phase.ENDED)
    change = update(attempt(lives=(a.life(phase=Phase.AUTHENTICATING), over))).change
    assert [row.id for row in change.connections] == ["life"]


def test_row_8_a_grant_without_a_link_counts_none() -> None:
    change = update(attempt(grant=a.grant(link_id=None), link=None)).change
    assert change.link_used is None
    assert change.grant is not None


def test_row_8_a_link_that_is_forgotten_meanwhile_is_not_counted() -> None:
    """A count of a row that is gone could never be committed."""
    assert update(attempt(link=None)).change.link_used is None


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"link": a.link(used=1)}, "This enrollment link has been used"),
        ({"link": a.link(revoked_at=a.NOW)}, "This enrollment link was withdrawn"),
        ({"grant": a.grant(revoked_at=a.NOW)}, "this enrollment was withdrawn"),
        ({"grant": a.grant(spent_at=a.NOW)}, "this enrollment has already been used"),
    ],
)
def test_row_8_an_attempt_whose_leave_is_gone_meanwhile_is_over(fields: dict[str, Any], why: str) -> None:
    decision = update(attempt(**fields))
    assert refused(decision) == f"Not admitted: {why}."
    over = a.row(decision.change)
    assert (over.phase, over.end_reason, over.proof) == (Phase.ENDED, EndReason.REFUSED, why)
    assert a.event(decision.change, "connection.refused").data == {"why": why}
    assert decision.change.grant is None
    assert decision.change.link_used is None


def test_row_8_a_date_that_passes_during_the_installation_does_not_matter() -> None:
    late = attempt(grant=a.grant(expires_at=a.NOW), link=a.link(expires_at=a.NOW))
    assert update(late).answer == ACCEPTED


@pytest.mark.parametrize("admission", list(Admission))
def test_row_8_a_foreign_certificate_connects_while_its_authority_is_admitted(admission: Admission) -> None:
    pinned = a.certificate(authority="step", purpose=Purpose.PINNED, grant_id=None)
    decision = update(attempt(certificate=pinned, grant=None, link=None), Policy(admission=admission))
    admitted = admission is Admission.TRUSTED_IDENTITY
    assert (decision.answer == ACCEPTED) == admitted
    if not admitted:
        assert "another authority" in refused(decision)


def test_row_8_an_attempt_that_another_took_the_place_of_may_be_the_one_that_was_installed() -> None:
    over = a.life(phase=Phase.ENDED, connected_at=None, end_reason=EndReason.SUPERSEDED)
    other = a.life("other", Phase.AUTHENTICATING)
    decision = update(a.seen(over, lives=(other, over), grant=a.grant(), link=a.link()))
    assert decision.answer == ACCEPTED
    new = a.row(decision.change, "new-1")
    assert (new.phase, new.origin, new.admitted_by) == (Phase.CONNECTED, Origin.ENROLLED, "grant:grant")
    assert decision.change.grant == a.grant(spent_at=a.NOW), "it is no restore, which would cost nothing"
    assert a.row(decision.change, "other").phase is Phase.ENDED


def test_row_8_an_attempt_that_was_over_is_refused_like_any_other() -> None:
    over = a.life(phase=Phase.ENDED, connected_at=None)
    decision = update(a.seen(over, link=a.link(used=1), grant=a.grant()))
    assert "has been used" in refused(decision)
    assert not decision.change.connections
    wanted_gone = a.life("other", Phase.ENDING)
    decision = update(a.seen(over, lives=(wanted_gone, over), grant=a.grant(), link=a.link()))
    assert "ended by the organization" in refused(decision)


@pytest.mark.parametrize("heard", [a.NOW, None], ids=["after its Authenticate", "with its TokenUpdate only"])
def test_row_8_a_renewal_goes_on_with_the_same_life(heard: int | None) -> None:
    life = a.life(renewal=a.renewal(authenticated_at=heard))
    decision = update(a.seen(life, certificate=a.renewed(heard_at=heard), grant=a.renew_grant()), **NEW)
    assert decision.answer == ACCEPTED
    change = decision.change
    assert a.row(change) == a.life(renewal=None)
    assert change.retire == ("life", b"renewed")
    assert change.grant == a.renew_grant(spent_at=a.NOW), "its challenge is worth nothing any more"
    assert change.certificates == (a.renewed(heard_at=a.NOW),)
    assert a.kinds(change) == ["connection.renewed", "push.token-changed"]
    assert a.event(change, "connection.renewed").data == {"fingerprint": b"renewed".hex()}
    assert change.silence == ()


def test_row_8_a_renewal_that_brought_another_profile_is_what_the_next_one_repeats() -> None:
    life = a.life(renewal=a.renewal(), profile=b"the first")
    for given, kept in ((b"with a new authority", b"with a new authority"), (b"", b"the first")):
        decision = update(a.seen(life, certificate=a.renewed(), grant=a.renew_grant(profile=given)), **NEW)
        assert a.row(decision.change).profile == kept


def test_row_8_the_old_identity_during_a_renewal_shows_that_it_failed() -> None:
    life = a.life(renewal=a.renewal(authenticated_at=a.NOW - 1))
    change = update(a.seen(life)).change
    assert a.row(change) == a.life(renewal=a.renewal())
    assert change.retire is None
    assert change.grant is None


def test_row_9_the_certificate_of_a_renewal_that_is_through_is_like_any_other() -> None:
    change = update(a.seen(certificate=a.renewed(heard_at=a.NOW), grant=a.renew_grant(spent_at=a.NOW))).change
    assert a.row(change) == a.life()
    assert (change.retire, change.grant) == (None, None)


def test_row_9_a_renewal_that_was_only_asked_for_makes_no_wipe_of_an_await_period() -> None:
    change = update(a.seen(a.life(renewal=a.renewal())), awaiting_configuration=True).change
    assert a.row(change).awaiting_since == a.NOW
    assert a.row(change).renewal == a.renewal()
    assert len(change.connections) == 1


@pytest.mark.parametrize(
    ("life", "certificate", "grant", "admitted_by"),
    [
        (a.life(reauthenticated_at=a.NOW), a.certificate(), a.grant(spent_at=a.NOW), "grant:grant"),
        (a.life(renewal=a.renewal(authenticated_at=a.NOW)), a.renewed(), a.renew_grant(), "grant:renewal"),
        (
            a.life(reauthenticated_at=a.NOW, admitted_by="authority:step"),
            a.certificate(grant_id=None),
            None,
            "authority:step",
        ),
    ],
    ids=["row 5", "row 6", "foreign"],
)
def test_row_8_a_device_in_setup_assistant_was_wiped_and_begins_a_new_life(
    life: Any, certificate: Any, grant: Any, admitted_by: str
) -> None:
    snapshot = a.seen(life, certificate=certificate, grant=grant)
    change = update(snapshot, awaiting_configuration=True).change
    new = a.row(change, "new-1")
    assert (new.phase, new.origin, new.admitted_by) == (Phase.CONNECTED, Origin.ENROLLED, admitted_by)
    assert (new.awaiting_since, new.profile, new.topic) == (a.NOW, b"facts", a.TOPIC)
    assert a.row(change).end_reason is EndReason.SUPERSEDED
    (bound,) = change.certificates
    assert bound.connection_id == "new-1"
    assert change.channels == (a.channel(connection_id="new-1", token_updated_at=a.NOW),)
    assert change.link_used is None
    (release,) = change.enqueue
    assert (release.channel_id, release.consequence) == ("new-1", Consequence.DEVICE_CONFIGURED)


def test_row_8_a_device_that_is_to_leave_begins_no_new_life_by_waiting_in_setup_assistant() -> None:
    ending = a.life(phase=Phase.ENDING, reauthenticated_at=a.NOW)
    change = update(a.seen(ending), awaiting_configuration=True).change
    after = a.row(change)
    assert (after.phase, after.end_request) == (Phase.ENDING, a.end_request())
    assert after.awaiting_since == a.NOW


# Row 9


def test_row_9_the_same_tokens_again_are_nothing_to_tell() -> None:
    decision = update(a.seen())
    assert decision.answer == ACCEPTED
    change = decision.change
    assert a.row(change) == a.life()
    assert change.channels == (a.channel(token_updated_at=a.NOW),)
    assert change.work == (Work(kind="push", key="life", due_at=a.NOW),)
    assert a.kinds(change) == []
    assert change.certificates == ()
    assert change.grant is None


def test_row_9_a_new_token_replaces_the_old_one() -> None:
    change = update(a.seen(), token=b"new").change
    assert change.channels == (a.channel(token=b"new", token_updated_at=a.NOW),)
    assert a.kinds(change) == ["push.token-changed"]


def test_row_9_a_channel_without_a_token_yet_has_changed_nothing() -> None:
    assert a.kinds(update(a.seen(channel=None), REFUSE).change) == []
    assert a.kinds(update(a.seen(channel=a.channel(token=None, magic=None)), REFUSE).change) == []


@pytest.mark.parametrize(
    ("fields", "escrow", "changed"),
    [
        ({"push_magic": "new"}, {}, (False, True, False)),
        (NEW, {}, (True, True, False)),
        ({"unlock_token": b"new"}, {EscrowKind.UNLOCK_TOKEN: b"old"}, (False, False, True)),
    ],
)
def test_row_9_a_new_magic_or_unlock_token_is_told_as_a_possible_restore(
    fields: dict[str, Any], escrow: dict[EscrowKind, bytes], changed: tuple[bool, bool, bool]
) -> None:
    change = update(a.seen(escrow=escrow), **fields).change
    told = a.event(change, "connection.possible-restore")
    assert tuple(told.data.values()) == changed
    assert list(told.data) == ["token_changed", "magic_changed", "unlock_token_changed"]
    assert not any(isinstance(value, bytes | str) for value in told.data.values()), "no secret is told"


def test_row_9_the_first_unlock_token_is_no_restore_and_the_same_one_is_not_kept_twice() -> None:
    change = update(a.seen(), unlock_token=b"unlock").change
    assert a.kinds(change) == []
    kept = Escrow(connection_id="life", kind=EscrowKind.UNLOCK_TOKEN, value=b"unlock", at=a.NOW)
    assert change.escrow == (kept,)
    again = update(a.seen(escrow={EscrowKind.UNLOCK_TOKEN: b"unlock"}), unlock_token=b"unlock").change
    assert again.escrow == ()
    silent = update(a.seen(escrow={EscrowKind.UNLOCK_TOKEN: b"unlock"})).change
    assert (silent.escrow, silent.events) == ((), ()), "absence says nothing"


def test_row_9_a_restore_is_refused_only_by_policy_and_only_if_token_and_magic_changed() -> None:
    decision = update(a.seen(), REFUSE, **NEW)
    assert isinstance(decision.answer, Answer)
    assert decision.answer.status == 401
    assert decision.change.unenrolling == "life"
    over = a.row(decision.change)
    assert (over.phase, over.end_reason, over.proof) == (Phase.ENDED, EndReason.UNENROLLED, "restore refused")
    assert over.end_request is not None
    assert (over.end_request.by, over.end_request.deadline) == ("policy on_restore", a.NOW)
    assert decision.change.silence == ("life",)
    assert decision.change.expects == 7
    assert a.kinds(decision.change) == ["connection.unenroll-answered", "connection.ended"]


def test_row_9_a_renewal_that_nobody_came_for_excuses_a_restore_no_longer() -> None:
    policy = Policy(on_restore=OnRestore.REFUSE)
    update = a.token_update(token=b"new", push_magic="new")
    for age, answer in ((policy.renewal_time - 1, 200), (policy.renewal_time, 401)):
        speaking = a.life(renewal=a.renewal(asked_at=a.NOW - age))
        decision = decide(a.seen(speaking), update, a.identity(), policy, a.moment())
        assert isinstance(decision.answer, Answer)
        assert decision.answer.status == answer


def test_row_8_a_true_enrollment_while_a_renewal_is_pending_is_no_renewal() -> None:
    """Evidence decides: its certificate came by an enroll grant, whatever this service is waiting for."""
    older = a.life("older", renewal=a.renewal())
    attempt = a.life("life", Phase.AUTHENTICATING)
    bound = a.grant(device_id=a.UDID)
    snapshot = a.seen(attempt, lives=(attempt, older), grant=bound, link=a.link(), channel=None)
    decision = decide(snapshot, a.token_update(), a.identity(), Policy(), a.moment())
    assert decision.answer == ACCEPTED
    rows = {row.id: row for row in decision.change.connections}
    assert (rows["older"].phase, rows["older"].end_reason, rows["older"].renewal) == (
        Phase.ENDED,
        EndReason.SUPERSEDED,
        None,
    )
    assert rows["life"].phase is Phase.CONNECTED
    assert decision.change.silence == ("older",)


def test_row_9_a_refused_restore_of_a_life_that_is_ending_is_still_the_persons_end() -> None:
    over = a.row(update(a.seen(a.life(phase=Phase.ENDING)), REFUSE, **NEW).change)
    assert over.end_request == a.end_request()


@pytest.mark.parametrize(
    ("life", "fields"),
    [
        (a.life(), {"token": b"new"}),
        (a.life(), {"push_magic": "new"}),
        (a.life(renewal=a.renewal()), NEW),
        (a.life(reauthenticated_at=a.NOW), NEW),
    ],
    ids=["token only", "magic only", "a renewal of ours", "after Authenticate"],
)
def test_row_9_what_is_not_surely_a_restore_is_never_refused(life: Any, fields: dict[str, Any]) -> None:
    assert update(a.seen(life), REFUSE, **fields).answer == ACCEPTED


def test_row_9_the_breaker_holds_a_refused_restore_back() -> None:
    decision = update(a.seen(breaker=Breaker(open=True)), REFUSE, **NEW)
    assert isinstance(decision.answer, Answer)
    assert decision.answer.status == 503
    assert decision.change.is_empty


def test_row_9_after_an_authenticate_that_was_repeated_deliveries_go_on() -> None:
    after = a.row(update(a.seen(a.life(reauthenticated_at=a.NOW - 1))).change)
    assert after == a.life()
    assert after.open


def test_row_9_a_life_whose_beginning_is_not_known_goes_on() -> None:
    """One that was taken over from another service, for example."""
    imported = a.life(connected_at=None)
    assert a.row(update(a.seen(imported)).change) == imported


def test_row_9_a_certificate_is_marked_as_heard_once() -> None:
    change = update(a.seen(certificate=a.certificate(heard_at=None))).change
    assert change.certificates == (a.certificate(heard_at=a.NOW),)


def test_row_9_an_ending_life_keeps_being_reachable() -> None:
    change = update(a.seen(a.life(phase=Phase.ENDING)), **NEW).change
    assert a.row(change) == a.life(phase=Phase.ENDING)
    assert change.channels[0].token == b"new token"


def test_row_9_a_topic_without_a_certificate_is_accepted_and_alarms() -> None:
    decision = update(a.seen(), topic="com.apple.mgmt.other")
    assert decision.answer == ACCEPTED
    (channel,) = decision.change.channels
    assert channel.unreachable == "no push certificate for its topic"
    assert channel.topic == "com.apple.mgmt.other"
    assert a.row(decision.change).topic == "com.apple.mgmt.other"
    assert decision.change.work == ()
    assert a.event(decision.change, "push.topic-unknown").data == {"topic": "com.apple.mgmt.other"}


def test_row_9_a_channel_that_could_not_be_reached_can_be_again() -> None:
    gone = a.channel(unreachable="Apple: unregistered", ended_at=a.NOW - 1)
    assert update(a.seen(channel=gone)).change.channels == (a.channel(token_updated_at=a.NOW),)


def test_row_9_the_channel_is_of_the_kind_that_the_device_says() -> None:
    speaker = Speaker(a.UDID, "", Kind.USER_ENROLLMENT_DEVICE)
    decision = decide(attempt(), a.token_update(speaker), a.identity(), Policy(), a.moment())
    assert decision.change.channels[0].kind == "user_enrollment_device"


# Row 10


def over(reason: EndReason = EndReason.CHECKED_OUT, **fields: Any) -> Snapshot:
    return a.seen(a.life(phase=Phase.ENDED, end_reason=reason), **fields)


@pytest.mark.parametrize("reason", [EndReason.CHECKED_OUT, EndReason.SUPERSEDED, EndReason.ERASED])
def test_row_10_a_restore_is_accepted_as_a_new_life_with_an_empty_queue(reason: EndReason) -> None:
    decision = update(over(reason), unlock_token=b"unlock")
    assert decision.answer == ACCEPTED
    change = decision.change
    (new,) = change.connections
    assert (new.id, new.phase, new.origin) == ("new-1", Phase.CONNECTED, Origin.RESTORED)
    assert (new.admitted_by, new.profile, new.created_at) == ("restore:life", b"facts", a.NOW)
    assert change.certificates == (a.certificate(connection_id="new-1", heard_at=a.NOW),)
    assert a.kinds(change) == ["connection.restored"]
    assert change.grant is None
    assert change.link_used is None


def test_row_10_the_unlock_token_is_kept_for_the_new_life_even_if_the_old_one_had_the_same() -> None:
    change = update(over(escrow={EscrowKind.UNLOCK_TOKEN: b"unlock"}), unlock_token=b"unlock").change
    (kept,) = change.escrow
    assert (kept.connection_id, kept.value) == ("new-1", b"unlock")


def test_row_10_the_life_that_was_connected_meanwhile_is_superseded() -> None:
    old = a.life(phase=Phase.ENDED, end_reason=EndReason.SUPERSEDED)
    change = update(a.seen(old, lives=(a.life("later"), old))).change
    assert a.row(change, "later").end_reason is EndReason.SUPERSEDED
    assert a.row(change, "new-1").phase is Phase.CONNECTED


def test_row_10_a_restore_is_refused_by_policy() -> None:
    decision = update(over(), REFUSE)
    assert isinstance(decision.answer, Answer)
    assert decision.answer.status == 401
    after = a.row(decision.change)
    assert after.ended_by_decision
    assert a.kinds(decision.change) == ["connection.unenroll-answered", "connection.restore-refused"]


def test_row_10_the_breaker_holds_a_refusal_back() -> None:
    decision = update(over(breaker=Breaker(counted=frozenset({"x"}))), replace(REFUSE, breaker_limit=1))
    assert isinstance(decision.answer, Answer)
    assert decision.answer.status == 503
    assert decision.change.trip_breaker
    assert not decision.change.connections


@pytest.mark.parametrize(
    "latest",
    [
        a.life("later", Phase.ENDING),
        a.life("later", Phase.ENDED, end_request=a.end_request(), end_reason=EndReason.REMOVED),
    ],
    ids=["ending", "ended"],
)
@pytest.mark.parametrize("policy", [Policy(), REFUSE])
def test_row_10_an_older_certificate_is_no_way_around_the_end_of_the_latest_life(latest: Any, policy: Policy) -> None:
    old = a.life(phase=Phase.ENDED, end_reason=EndReason.SUPERSEDED)
    decision = update(a.seen(old, lives=(latest, old)), policy)
    assert "ended by the organization" in refused(decision)
    assert a.kinds(decision.change) == ["connection.restore-refused"]
    assert a.quietly(decision.change).is_empty


def test_row_10_whoever_was_let_in_again_since_can_be_restored() -> None:
    old = a.life(phase=Phase.ENDED, end_reason=EndReason.SUPERSEDED)
    ended = a.life("ended", Phase.ENDED, end_request=a.end_request())
    decision = update(a.seen(old, lives=(a.life("later"), ended)))
    assert decision.answer == ACCEPTED
    attempt_refused = update(a.seen(old, lives=(ended, a.life("current"))))
    assert attempt_refused.answer == ACCEPTED, "an attempt that was ended says nothing of the life that goes on"


def test_a_token_update_of_nobody_is_400() -> None:
    for snapshot in (a.seen(bound=None, certificate=a.certificate()), a.seen(device=None)):
        decision = update(snapshot)
        assert isinstance(decision.answer, Answer)
        assert decision.answer.status == 400
        assert decision.change.is_empty
