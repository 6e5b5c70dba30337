"""Certificates: authorized at issuance, once a grant, with room for a device that tries again."""

from dataclasses import replace
from typing import Any

import pytest

from corral.lifecycle.issuance import (
    GrantState,
    IssuanceRefused,
    Issue,
    Reissue,
    decide_issuance,
    issued,
)
from corral.lifecycle.policy import Policy
from corral.lifecycle.state import Certificate, CertificateStatus, Phase
from lifecycle import arrange as a

DIGEST = b"digest of a CSR"
FIRST = a.issued(fingerprint=b"first", request_digest=b"first")
RENEWING = a.life(renewal=a.renewal())


def enrolling(*certificates: Certificate, **fields: Any) -> GrantState:
    plain: dict[str, Any] = {"grant": a.grant(), "link": a.link(), "certificates": certificates}
    return GrantState(**{**plain, **fields})


def renewing(*certificates: Certificate, **fields: Any) -> GrantState:
    plain: dict[str, Any] = {"grant": a.renew_grant(), "certificates": certificates, "connection": RENEWING}
    return GrantState(**{**plain, **fields})


def decide(state: GrantState) -> object:
    return decide_issuance(state, DIGEST, Policy(), a.NOW)


@pytest.mark.parametrize("state", [enrolling(), renewing(), enrolling(link=None)])
def test_a_good_grant_gets_a_certificate(state: GrantState) -> None:
    assert decide(state) == Issue(())


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (enrolling(grant=a.grant(revoked_at=a.NOW)), "the enrollment was withdrawn"),
        (enrolling(grant=a.grant(spent_at=a.NOW)), "the enrollment has already been used"),
        (enrolling(grant=a.grant(expires_at=a.NOW)), "the enrollment has expired"),
        (enrolling(device_blocked=True), "the device is blocked"),
        (renewing(device_blocked=True), "the device is blocked"),
        (enrolling(link=a.link(revoked_at=a.NOW)), "This enrollment link was withdrawn."),
        (enrolling(link=a.link(used=1)), "This enrollment link has been used."),
        (enrolling(link=a.link(expires_at=a.NOW)), "This enrollment link has expired."),
        (renewing(connection=None), "the connection that it renews is over"),
        (renewing(connection=a.life(phase=Phase.ENDED)), "the connection that it renews is over"),
        (renewing(connection=a.life(phase=Phase.ENDING)), "the connection that it renews is over"),
        (renewing(connection=a.life()), "this renewal is no longer under way"),
        (renewing(connection=a.life(renewal=a.renewal(grant_id="later"))), "this renewal is no longer under way"),
        (renewing(grant=a.renew_grant(spent_at=a.NOW)), "the enrollment has already been used"),
        (renewing(grant=a.renew_grant(expires_at=a.NOW)), "the enrollment has expired"),
    ],
)
def test_a_grant_that_is_no_good_gets_none(state: GrantState, why: str) -> None:
    assert decide(state) == IssuanceRefused(why)


def test_a_grant_is_good_until_its_last_millisecond() -> None:
    assert decide(enrolling(grant=a.grant(expires_at=a.NOW + 1))) == Issue(())


@pytest.mark.parametrize("status", [s for s in CertificateStatus if s is not CertificateStatus.REVOKED])
def test_the_same_request_gets_the_same_certificate_whatever_has_become_of_its_grant(
    status: CertificateStatus,
) -> None:
    same = replace(FIRST, request_digest=DIGEST, status=status)
    state = enrolling(FIRST, same, grant=a.grant(spent_at=a.NOW, keys_issued=99))
    assert decide(state) == Reissue(same)


def test_a_revoked_certificate_is_not_given_out_again() -> None:
    revoked = replace(FIRST, request_digest=DIGEST, status=CertificateStatus.REVOKED)
    assert decide(enrolling(revoked)) == Issue(())
    assert decide(enrolling(revoked, grant=a.grant(revoked_at=a.NOW))) != Reissue(revoked)


@pytest.mark.parametrize("keys", range(6))
def test_four_keys_are_certified_under_a_grant(keys: int) -> None:
    outcome = decide(enrolling(grant=a.grant(keys_issued=keys)))
    assert isinstance(outcome, IssuanceRefused) == (keys >= 4)


def test_another_key_of_an_enrollment_revokes_what_came_before_even_if_it_was_heard() -> None:
    bound = a.certificate(fingerprint=b"bound")
    gone = a.certificate(fingerprint=b"gone", status=CertificateStatus.REVOKED)
    assert decide(enrolling(FIRST, bound, gone)) == Issue((FIRST, bound))


def test_another_key_of_a_renewal_revokes_only_what_was_never_heard() -> None:
    heard = a.renewed(fingerprint=b"heard", heard_at=a.NOW)
    unheard = a.renewed(fingerprint=b"unheard")
    assert decide(renewing(heard, unheard)) == Issue((unheard,))


def test_an_issuance_for_an_enrollment_is_recorded_unbound() -> None:
    new = a.issued(fingerprint=b"new", issued_at=a.NOW)
    change = issued(enrolling(FIRST), new, (FIRST,))
    assert change.certificates == (replace(FIRST, status=CertificateStatus.REVOKED), new)
    assert change.grant == a.grant(keys_issued=2)
    assert (change.device_id, change.expects, change.at) == (None, 0, a.NOW)
    told = a.event(change, "certificate.issued")
    assert told.data == {"purpose": "enroll", "fingerprint": b"new".hex(), "grant": "grant"}
    assert (told.device_id, told.connection_id) == (None, "life")
    gone = a.event(change, "certificate.revoked")
    assert gone.data == {"fingerprint": b"first".hex(), "why": "another key under the same grant"}


def test_an_issuance_for_an_enrollment_stays_unbound_even_if_an_attempt_is_known() -> None:
    """It may be another device that comes with it."""
    new = a.issued(fingerprint=b"new", issued_at=a.NOW)
    attempt = a.life(phase=Phase.AUTHENTICATING)
    assert issued(enrolling(connection=attempt), new, ()).certificates == (new,)


def test_an_issuance_for_a_renewal_is_bound_at_once_since_any_message_may_be_its_first() -> None:
    new = a.renewed(status=CertificateStatus.ISSUED, device_id=None)
    change = issued(renewing(), new, ())
    assert change.certificates == (a.renewed(),)
    assert a.event(change, "certificate.issued").device_id == a.UDID
