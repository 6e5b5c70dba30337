"""Authenticate: rows 5, 6 and 7."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from corral.apple.identifiers import Kind, Speaker
from corral.apple.platform import Platform
from corral.lifecycle.change import ACCEPTED, Answer, Decision
from corral.lifecycle.decide import decide
from corral.lifecycle.evidence import Identity
from corral.lifecycle.policy import Admission, Policy
from corral.lifecycle.state import (
    HOUR,
    CertificateStatus,
    EndReason,
    EnrollmentKind,
    Phase,
    Purpose,
    Snapshot,
)
from lifecycle import arrange as a


def named(common_name: str) -> bytes:
    """A certificate of somebody else with this name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=9))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


TRUSTING = Policy(admission=Admission.TRUSTED_IDENTITY)
FOREIGN = a.identity(authority="step", connection_id=None, der=named("Mac SERIAL"))


def begin(
    snapshot: Snapshot, identity: Identity | None = None, policy: Policy | None = None, **fields: Any
) -> Decision:
    return decide(snapshot, a.authenticate(**fields), identity or a.identity(), policy or Policy(), a.moment())


def refusal(decision: Decision) -> str:
    """The reason of a refusal that changed nothing."""
    assert isinstance(decision.answer, Answer)
    assert (decision.answer.status, decision.answer.body) == (403, b"")
    assert a.quietly(decision.change).is_empty
    told = a.event(decision.change, "connection.refused")
    assert told.device_id == a.UDID
    assert str(told.data["why"]) in decision.answer.reason
    assert told.data["serial_number"] == "SERIAL"
    return str(told.data["why"])


# Row 5


def test_row_5_the_same_attempt_again_resets_nothing() -> None:
    attempt = a.life(phase=Phase.AUTHENTICATING)
    decision = begin(a.seen(attempt, grant=a.grant()))
    assert decision.answer == ACCEPTED
    assert a.row(decision.change) == attempt
    assert a.kinds(decision.change) == ["connection.authenticated-again"]
    assert decision.change.certificates == (a.certificate(heard_at=a.NOW),)
    assert decision.change.grant is None


@pytest.mark.parametrize("phase", [Phase.CONNECTED, Phase.ENDING])
def test_row_5_a_connected_life_goes_on_and_waits_for_its_token_update(phase: Phase) -> None:
    life = a.life(phase=phase)
    decision = begin(a.seen(life))
    assert decision.answer == ACCEPTED
    assert a.row(decision.change) == replace(life, reauthenticated_at=a.NOW, open=False)
    assert decision.change.silence == ()
    assert (decision.change.device_id, decision.change.expects) == (a.UDID, 7)


def test_row_5_an_earlier_key_of_a_renewal_that_was_asked_for_anew_is_no_renewal() -> None:
    life = a.life(renewal=a.renewal(grant_id="another"))
    decision = begin(a.seen(life, certificate=a.renewed(), grant=a.renew_grant()))
    assert a.row(decision.change).reauthenticated_at == a.NOW
    assert a.row(decision.change).renewal == a.renewal(grant_id="another")


# Row 6


def test_row_6_a_renewal_is_provisional_and_pauses_deliveries() -> None:
    life = a.life(renewal=a.renewal())
    decision = begin(a.seen(life, certificate=a.renewed(), grant=a.renew_grant()))
    assert decision.answer == ACCEPTED
    after = a.row(decision.change)
    assert after == replace(life, renewal=a.renewal(authenticated_at=a.NOW), open=False)
    assert decision.change.certificates == (a.renewed(heard_at=a.NOW),)
    assert a.kinds(decision.change) == ["connection.renewal-authenticated"]
    assert decision.change.retire is None


def test_row_6_an_enroll_certificate_with_the_name_of_a_renewal_renews_nothing() -> None:
    life = a.life(renewal=a.renewal(grant_id="grant"))
    after = a.row(begin(a.seen(life)).change)
    assert after.renewal == a.renewal(grant_id="grant")
    assert after.reauthenticated_at == a.NOW


def foreign_life(**fields: Any) -> Snapshot:
    plain: dict[str, Any] = {"admitted_by": "authority:step", "renewal": a.renewal()}
    life = a.life(**{**plain, **fields})
    return a.seen(life, bound=None, certificate=None, grant=None, link=None)


@pytest.mark.parametrize("admission", list(Admission))
def test_row_6_a_foreign_certificate_renews_the_life_that_its_authority_let_in(admission: Admission) -> None:
    decision = begin(foreign_life(), FOREIGN, Policy(admission=admission))
    assert decision.answer == ACCEPTED
    assert a.row(decision.change).renewal == a.renewal(authenticated_at=a.NOW)
    (pinned,) = decision.change.certificates
    assert (pinned.purpose, pinned.grant_id, pinned.connection_id) == (Purpose.RENEW, "renewal", "life")
    assert (pinned.status, pinned.device_id, pinned.authority) == (CertificateStatus.BOUND, a.UDID, "step")
    assert pinned.der == FOREIGN.der


@pytest.mark.parametrize("name", ["Mac OTHER", "SERIAL2", a.UDID + "9", ""])
def test_row_6_a_foreign_certificate_that_names_another_device_renews_nothing(name: str) -> None:
    """Anybody with a certificate of that authority could take the life over while a renewal is under way."""
    other = replace(FOREIGN, der=named(name) if name else b"no certificate")
    assert refusal(begin(foreign_life(), other)) == "certificates of another authority are not admitted here"
    assert [row.id for row in begin(foreign_life(), other, TRUSTING).change.connections] == ["new-1"]


@pytest.mark.parametrize(
    "fields",
    [{"admitted_by": "grant:grant"}, {"admitted_by": "authority:other"}, {"renewal": None}],
    ids=["let in by a grant", "by another authority", "no renewal under way"],
)
def test_row_6_a_foreign_certificate_takes_over_no_other_life(fields: dict[str, Any]) -> None:
    """Anybody with a certificate of that authority could claim the device, its queue and its escrow."""
    refused = begin(foreign_life(**fields), FOREIGN)
    assert refusal(refused) == "certificates of another authority are not admitted here"
    admitted = begin(foreign_life(**fields), FOREIGN, TRUSTING)
    assert [row.id for row in admitted.change.connections] == ["new-1"], "a life of its own, with an empty queue"


def test_row_6_our_own_unknown_certificate_renews_nothing() -> None:
    decision = begin(foreign_life(admitted_by="authority:"), a.identity(connection_id=None))
    assert refusal(decision) == "the certificate was issued for no enrollment that is known here"


# Row 7


def test_row_7_a_grant_begins_a_provisional_life_of_a_new_device() -> None:
    decision = begin(a.invited(), os_version="17.1", build_version="21B1", device_name="Ann's", imei="1", meid="2")
    assert decision.answer == ACCEPTED
    change = decision.change
    life = a.row(change)
    assert life == a.life(
        phase=Phase.AUTHENTICATING, created_at=a.NOW, admitted_by="grant:grant", profile=b"facts", open=False
    )
    assert change.certificates == (a.certificate(heard_at=a.NOW),)
    assert change.grant == a.grant(), "for its version"
    assert change.link_used is None, "counted when it is connected"
    device = change.device
    assert device is not None
    assert (device.id, device.created_at, device.serial_number) == (a.UDID, a.NOW, "SERIAL")
    assert (device.platform, device.os_version, device.build_version) == (Platform.IOS, "17.1", "21B1")
    assert (device.name, device.imei, device.meid) == ("Ann's", "1", "2")
    assert (change.device_id, change.expects) == (a.UDID, 0)
    told = a.event(change, "connection.authenticated")
    assert told.data == {"admitted_by": "grant:grant", "serial_number": "SERIAL", "os_version": "17.1"}


def test_row_7_the_older_life_goes_on_and_the_history_tells_what_would_be_replaced() -> None:
    older = a.life("older")
    decision = begin(a.invited(device=a.device(), lives=(older,)))
    assert [row.id for row in decision.change.connections] == ["life"]
    assert decision.change.silence == ()
    assert a.event(decision.change, "connection.authenticated").data["would_replace"] == "older"


def test_row_7_a_former_attempt_is_over() -> None:
    former = a.life("former", Phase.AUTHENTICATING)
    decision = begin(a.invited(device=a.device(), lives=(former,)))
    over = a.row(decision.change, "former")
    assert (over.phase, over.end_reason, over.proof) == (Phase.ENDED, EndReason.SUPERSEDED, "a new attempt, life")
    assert decision.change.silence == ("former",)
    assert a.row(decision.change).phase is Phase.AUTHENTICATING
    assert (decision.change.device_id, decision.change.expects) == (a.UDID, 7)


def test_row_7_the_second_key_of_a_grant_begins_a_life_of_another_name() -> None:
    """The name that the certificates bear is that of the first attempt, which may be another device's."""
    first = a.life(phase=Phase.AUTHENTICATING, device_id="UDID-2")
    decision = begin(a.invited(bound=first))
    assert [row.id for row in decision.change.connections] == ["new-1"]
    assert decision.change.certificates == (a.certificate(connection_id="new-1", heard_at=a.NOW),)


@pytest.mark.parametrize("kind", sorted(set(EnrollmentKind) - {EnrollmentKind.LINK}))
def test_row_7_a_grant_for_a_person_lets_in_a_user_enrollment_and_no_other_grant_does(kind: EnrollmentKind) -> None:
    speaker = Speaker("ENROLLMENT-ID", "", Kind.USER_ENROLLMENT_DEVICE)
    decision = begin(a.invited(grant=a.grant(kind=kind)), speaker=speaker)
    assert (decision.answer == ACCEPTED) == (kind is EnrollmentKind.ACCOUNT_USER)
    if decision.answer != ACCEPTED:
        assert a.event(decision.change, "connection.refused").data["why"] == "this enrollment is of another kind"


def test_row_7_what_a_device_leaves_out_of_its_description_stays() -> None:
    known = a.device(os_version="16.1", product_name="iPhone1,1", model="M", model_name="N", name="O", imei="1")
    decision = begin(a.invited(device=known), product_name=None, serial_number=None)
    assert decision.change.device == known


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"grant": None}, "the certificate was issued for no enrollment that is known here"),
        ({"grant": a.renew_grant()}, "the certificate renews a connection that is over"),
        ({"grant": a.grant(spent_at=a.NOW)}, "this enrollment has already been used"),
        ({"grant": a.grant(revoked_at=a.NOW)}, "this enrollment was withdrawn"),
        ({"grant": a.grant(expires_at=a.NOW)}, "this enrollment has expired"),
        ({"grant": a.grant(kind=EnrollmentKind.ACCOUNT_USER)}, "this enrollment is of another kind"),
        ({"grant": a.grant(device_id="UDID-2")}, "this enrollment is meant for another device"),
        ({"grant": a.grant(serial_number="OTHER")}, "this enrollment is meant for another serial number"),
        ({"link": a.link(used=1)}, "This enrollment link has been used"),
        ({"link": a.link(revoked_at=a.NOW)}, "This enrollment link was withdrawn"),
        ({"link": a.link(expires_at=a.NOW)}, "This enrollment link has expired"),
    ],
)
def test_row_7_nothing_is_admitted_by_a_grant_that_is_no_good(fields: dict[str, Any], why: str) -> None:
    assert refusal(begin(a.invited(**fields))) == why


def test_row_7_a_grant_for_this_very_device_admits_it() -> None:
    bound = a.grant(device_id=a.UDID, serial_number="SERIAL")
    assert begin(a.invited(grant=bound)).answer == ACCEPTED
    assert refusal(begin(a.invited(grant=a.grant(device_id="UDID-2")))) != ""


def test_row_7_an_expired_certificate_begins_nothing() -> None:
    assert refusal(begin(a.invited(), a.identity(not_after=a.NOW))) == "the certificate has expired"
    assert begin(a.invited(), a.identity(not_after=a.NOW + 1)).answer == ACCEPTED


def test_row_7_an_attempt_that_a_person_ended_is_not_tried_again_under_its_grant() -> None:
    ended = a.life(phase=Phase.ENDED, end_request=a.end_request(), connected_at=None)
    assert refusal(begin(a.invited(bound=ended))) == "this enrollment was ended by the organization"


def test_row_7_who_was_connected_and_has_left_needs_a_new_enrollment() -> None:
    over = a.life(phase=Phase.ENDED)
    decision = begin(a.seen(over))
    assert refusal(decision) == "this enrollment has already been used"
    assert a.event(decision.change, "connection.refused").connection_id == "life"


def test_row_7_a_refusal_names_no_connection_that_the_certificate_is_not_bound_to() -> None:
    decision = begin(a.invited(bound=a.life(device_id="UDID-2"), grant=a.grant(revoked_at=a.NOW)))
    assert a.event(decision.change, "connection.refused").connection_id is None


def test_row_7_a_foreign_certificate_is_refused_unless_the_operator_admits_its_authority() -> None:
    assert refusal(begin(Snapshot(), FOREIGN)) == "certificates of another authority are not admitted here"
    decision = begin(Snapshot(), FOREIGN, TRUSTING)
    assert decision.answer == ACCEPTED
    (life,) = decision.change.connections
    assert (life.id, life.phase, life.admitted_by) == ("new-1", Phase.AUTHENTICATING, "authority:step")
    (pinned,) = decision.change.certificates
    assert (pinned.purpose, pinned.status, pinned.connection_id) == (
        Purpose.PINNED,
        CertificateStatus.BOUND,
        "new-1",
    )
    assert (pinned.device_id, pinned.issued_at, pinned.not_after) == (a.UDID, a.NOW, FOREIGN.not_after)


def test_row_7_a_foreign_certificate_whose_life_is_over_may_begin_another() -> None:
    over = a.life(phase=Phase.ENDED, ended_at=a.NOW - HOUR)
    pinned = a.certificate(authority="step", purpose=Purpose.PINNED, grant_id=None)
    decision = begin(a.seen(over, certificate=pinned, grant=None, link=None), FOREIGN, TRUSTING)
    assert decision.answer == ACCEPTED
    (bound,) = decision.change.certificates
    assert bound == replace(pinned, connection_id="new-1", heard_at=a.NOW)


DESCRIPTION: dict[str, Any] = {
    "serial_number": "OTHER",
    "os_version": "99.9",
    "build_version": "99Z9",
    "model": "MX99",
    "model_name": "MacBook Pro",
    "imei": "11",
    "meid": "22",
}


def test_row_7_a_device_is_described_as_it_describes_itself_now() -> None:
    known = a.device(build_version="old", product_name="old", model="old", model_name="old", name="old", meid="old")
    described = begin(a.invited(device=known), product_name="Mac15,7", device_name="Ann's", **DESCRIPTION).change.device
    assert described == replace(known, platform=Platform.MACOS, product_name="Mac15,7", name="Ann's", **DESCRIPTION)


def test_row_7_a_user_enrollment_is_known_as_such() -> None:
    speaker = Speaker(a.UDID, "", Kind.USER_ENROLLMENT_DEVICE)
    decision = decide(a.invited(), a.authenticate(speaker), a.identity(), Policy(), a.moment())
    assert decision.change.device is not None
    assert decision.change.device.user_enrollment
    described = begin(a.invited(device=decision.change.device)).change.device
    assert described is not None
    assert not described.user_enrollment


def test_row_7_a_grant_without_a_link_admits() -> None:
    assert begin(a.invited(grant=a.grant(link_id=None), link=None)).answer == ACCEPTED


def test_row_5_the_certificate_of_a_renewal_that_is_through_repeats_its_authenticate() -> None:
    decision = begin(a.seen(certificate=a.renewed(), grant=a.renew_grant(spent_at=a.NOW)))
    assert a.row(decision.change) == replace(a.life(), reauthenticated_at=a.NOW, open=False)


def test_row_6_a_foreign_certificate_of_an_older_life_begins_another_and_renews_none() -> None:
    older = a.life("older", Phase.ENDED, end_reason=EndReason.SUPERSEDED)
    current = a.life(admitted_by="authority:step", renewal=a.renewal())
    pinned = a.certificate(authority="step", purpose=Purpose.PINNED, grant_id=None, connection_id="older")
    snapshot = a.seen(older, lives=(current, older), certificate=pinned, grant=None, link=None)
    assert [row.id for row in begin(snapshot, FOREIGN, TRUSTING).change.connections] == ["new-1"]


# What the operator's rules say


@pytest.mark.parametrize("identity", [None, FOREIGN], ids=["ours", "foreign"])
def test_an_objection_keeps_a_new_life_from_beginning(identity: Identity | None) -> None:
    seen = a.invited() if identity is None else Snapshot()
    against = replace(a.moment(), objection="the policy declines it")
    decision = decide(seen, a.authenticate(), identity or a.identity(), TRUSTING, against)
    assert refusal(decision) == "the policy declines it"
    assert decide(seen, a.authenticate(), identity or a.identity(), TRUSTING, a.moment()).answer == ACCEPTED


def test_an_objection_ends_no_life_that_goes_on() -> None:
    against = replace(a.moment(), objection="the policy declines it")
    again = decide(a.seen(a.life()), a.authenticate(), a.identity(), Policy(), against)
    renewing = a.seen(a.life(renewal=a.renewal()), certificate=a.renewed(), grant=a.renew_grant())
    for decision in (again, decide(renewing, a.authenticate(), a.identity(), Policy(), against)):
        assert decision.answer == ACCEPTED
