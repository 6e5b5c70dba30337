"""What an attestation must say for a certificate, and whose the grant is from then on."""

from dataclasses import replace

import pytest

from corral.lifecycle.acme_order import (
    AcmeOrder,
    AttestedKey,
    OrderStatus,
    failed,
    fulfilled,
    narrowed,
    proven,
    refusal_of_attestation,
    taken,
)
from corral.lifecycle.policy import Attestation
from corral.lifecycle.state import Device, EnrollmentKind, Grant, Purpose
from corral.pki.attestation import HardwareProperties

GRANT = Grant(id="g", purpose=Purpose.ENROLL, connection_id="c", created_at=0, expires_at=9)
ORDER = AcmeOrder(id="o", account_id="a", identifier="secret", token="t", created_at=0, expires_at=9)
DEVICE = Device(id="UDID-1", created_at=0, serial_number="S1")


def key(serial: str | None = "S1", udid: str | None = "UDID-1") -> AttestedKey:
    return AttestedKey(properties=HardwareProperties(serial_number=serial, udid=udid), key_digest=b"k")


def refused(attested: AttestedKey | None, grant: Grant = GRANT, device: Device | None = None) -> bool:
    return refusal_of_attestation(attested, grant, device, Attestation.REQUIRED) is not None


def test_nothing_attested_is_enough_unless_it_is_required() -> None:
    assert refused(None)
    for policy in (Attestation.OFF, Attestation.WANTED):
        assert refusal_of_attestation(None, GRANT, None, policy) is None


def test_who_it_is_of_must_be_said_but_for_a_user_enrollment() -> None:
    nameless = key(None, None)
    assert refused(nameless)
    assert not refused(nameless, replace(GRANT, kind=EnrollmentKind.ACCOUNT_USER))
    assert not refused(nameless, device=replace(DEVICE, user_enrollment=True))
    assert refusal_of_attestation(nameless, GRANT, None, Attestation.WANTED) is None


@pytest.mark.parametrize("policy", sorted(set(Attestation) - {Attestation.OFF}))
def test_what_is_said_must_be_true_of_the_grant_and_of_the_life_that_is_renewed(policy: Attestation) -> None:
    for grant, device in (
        (replace(GRANT, serial_number="S2"), None),
        (replace(GRANT, device_id="udid-2"), None),
        (GRANT, replace(DEVICE, serial_number="S2")),
        (GRANT, replace(DEVICE, id="UDID-2")),
    ):
        assert refusal_of_attestation(key(), grant, device, policy)
    assert refusal_of_attestation(key(), replace(GRANT, serial_number="S1", device_id="udid-1"), None, policy) is None
    assert refusal_of_attestation(key(), GRANT, DEVICE, policy) is None


def test_udids_of_two_forms_say_nothing_of_each_other() -> None:
    assert not refused(key(udid="00008112-000A"), replace(GRANT, device_id="A-LONGER-UUID-OF-A-MAC"))


def test_a_grant_is_narrowed_to_the_serial_number_that_was_attested() -> None:
    assert narrowed(GRANT, key()).serial_number == "S1"
    assert narrowed(GRANT, None) == GRANT == narrowed(GRANT, key(None))
    bound = replace(GRANT, serial_number="S2")
    assert narrowed(bound, key()) == bound


def test_an_order_is_taken_by_one_request() -> None:
    assert taken(ORDER, b"1") is None
    ready = proven(ORDER, key())
    ours = taken(ready, b"1")
    assert ours is not None
    assert (ours.status, ours.attested) == (OrderStatus.PROCESSING, key())
    assert taken(ours, b"1") == ours
    assert taken(ours, b"2") is None
    done = fulfilled(ours, b"f")
    assert taken(done, b"1") == done
    assert taken(done, b"2") is None
    assert taken(failed(ours, "why"), b"1") is None


def test_the_client_identifier_is_not_shown() -> None:
    assert "secret" not in repr(ORDER)
