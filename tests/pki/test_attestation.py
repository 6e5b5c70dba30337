"""What Apple vouches for is believed of Apple alone, and only for as long as its certificates hold."""

from datetime import datetime, timedelta
from pathlib import Path

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from corral.pki.attestation import (
    MAX_OBJECT,
    MOST_CERTIFICATES,
    Attestation,
    AttestationError,
    HardwareProperties,
    SecureBoot,
    attestation_trust,
    check_attestation,
    read_attestation_object,
)
from corral.simulator import attesting
from corral.simulator.attesting import AttestationServer, attestation_object, attestation_server, freshness
from pki.conftest import OpenSsl

SAID = {
    attesting.SERIAL_NUMBER: b"C02XK1ZZJGH5",
    attesting.UDID: b"00008103-000A1B2C3D4E5F60",
    attesting.OS_VERSION: b"15.1",
    attesting.SEP_OS_VERSION: b"23.1",
    attesting.LLB_VERSION: b"11881.1.1",
    attesting.FRESHNESS: freshness(b"token"),
    attesting.SIP_STATUS: b"0",
    attesting.SECURE_BOOT: b"Full Security",
    attesting.KERNEL_EXTENSIONS: b"0",
}


@pytest.fixture(scope="module")
def apple(now: datetime) -> AttestationServer:
    return attestation_server(now)


def said(apple: AttestationServer, ec_key: ec.EllipticCurvePrivateKey, now: datetime, **values: bytes) -> Attestation:
    named = {getattr(attesting, name.upper()): value for name, value in values.items()}
    chain = apple.attest(ec_key.public_key(), named, now)
    return check_attestation(chain, attestation_trust([apple.root]), now)


def test_an_attestation_says_what_device_and_key_it_is_of(
    apple: AttestationServer, ec_key: ec.EllipticCurvePrivateKey, now: datetime
) -> None:
    chain = read_attestation_object(attestation_object(apple.attest(ec_key.public_key(), SAID, now)))
    found = check_attestation(chain, attestation_trust([apple.root]), now)
    assert found.properties == HardwareProperties(
        serial_number="C02XK1ZZJGH5",
        udid="00008103-000A1B2C3D4E5F60",
        os_version="15.1",
        sep_os_version="23.1",
        llb_version="11881.1.1",
        sip_enabled=True,
        secure_boot=SecureBoot.FULL,
        third_party_kernel_extensions=False,
    )
    assert found.freshness == freshness(b"token")
    assert found.public_key == ec_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_openssl_finds_the_same_chain_and_extension(
    apple: AttestationServer, ec_key: ec.EllipticCurvePrivateKey, now: datetime, openssl: OpenSsl, files: Path
) -> None:
    leaf, between = apple.attest(ec_key.public_key(), SAID, now)
    moment = str(int(now.timestamp()))
    inputs = {"att-root.pem": apple.root_pem, "att-leaf.der": leaf, "att-sub.der": between}
    for name, content in inputs.items():
        (files / name).write_bytes(content)
    checked = openssl(
        *("verify", "-attime", moment, "-CAfile", "att-root.pem", "-untrusted", "att-sub.der", "att-leaf.der")
    )
    assert b"OK" in checked
    assert b"1.2.840.113635.100.8.9.1" in openssl("x509", "-in", "att-leaf.der", "-noout", "-text")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"C02", "C02"),
        (b"\x0c\x03C02", "C02"),
        (b"\x13\x03C02", "C02"),
        (b"\x04\x03C02", "C02"),
        (b"", None),
        (b"  ", None),
        (b"\0\0", None),
        (b"\xff\xfe", None),
        (b"a\nb", None),
        (b"x" * 257, None),
    ],
)
def test_a_text_is_read_however_it_is_wrapped_and_a_blank_one_says_nothing(
    apple: AttestationServer, ec_key: ec.EllipticCurvePrivateKey, now: datetime, value: bytes, expected: str | None
) -> None:
    assert said(apple, ec_key, now, serial_number=value).properties.serial_number == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b"0", True), (b"\0", True), (b"\x02\x01\0", True), (b"1", False), (b"\x02\x01\x01", False), (b"", None)],
)
def test_system_integrity_protection_is_on_where_its_status_is_zero(
    apple: AttestationServer, ec_key: ec.EllipticCurvePrivateKey, now: datetime, value: bytes, expected: bool | None
) -> None:
    assert said(apple, ec_key, now, sip_status=value).properties.sip_enabled is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"Reduced Security", SecureBoot.REDUCED),
        (b"\x0c\x13Permissive Security", SecureBoot.PERMISSIVE),
        (b"Something else", None),
    ],
)
def test_secure_boot_has_three_levels_and_others_are_not_guessed(
    apple: AttestationServer,
    ec_key: ec.EllipticCurvePrivateKey,
    now: datetime,
    value: bytes,
    expected: SecureBoot | None,
) -> None:
    assert said(apple, ec_key, now, secure_boot=value).properties.secure_boot is expected


def test_kernel_extensions_are_allowed_by_any_number_but_zero(
    apple: AttestationServer, ec_key: ec.EllipticCurvePrivateKey, now: datetime
) -> None:
    found = said(apple, ec_key, now, kernel_extensions=b"\x02\x01\x03").properties
    assert found.third_party_kernel_extensions is True


def test_another_root_is_not_believed(
    apple: AttestationServer, ec_key: ec.EllipticCurvePrivateKey, now: datetime
) -> None:
    chain = apple.attest(ec_key.public_key(), SAID, now)
    with pytest.raises(AttestationError, match="did not sign it"):
        check_attestation(chain, attestation_trust([attestation_server(now).root]), now)
    with pytest.raises(AttestationError, match="no trusted authority"):
        check_attestation(chain, attestation_trust([]), now)


def test_a_leaf_that_vouches_for_another_is_not_believed(
    apple: AttestationServer, ec_key: ec.EllipticCurvePrivateKey, now: datetime
) -> None:
    """A device that has an attestation must not make more of them."""
    leaf, between = apple.attest(ec_key.public_key(), SAID, now)
    certificate = x509.load_der_x509_certificate(leaf)
    forged = AttestationServer(apple.root, certificate, ec_key).attest(ec_key.public_key(), SAID, now)
    with pytest.raises(AttestationError):
        check_attestation((*forged, between), attestation_trust([apple.root]), now)


def test_an_attestation_holds_as_long_as_its_certificates(
    apple: AttestationServer, ec_key: ec.EllipticCurvePrivateKey, now: datetime
) -> None:
    chain = apple.attest(ec_key.public_key(), SAID, now, valid=timedelta(days=1))
    trust = attestation_trust([apple.root])
    assert check_attestation(chain, trust, now)
    with pytest.raises(AttestationError, match="expired"):
        check_attestation(chain, trust, now + timedelta(days=2))
    with pytest.raises(AttestationError, match="not valid until"):
        check_attestation(chain, trust, now - timedelta(days=1))


def test_a_device_that_attests_nothing_shows_no_certificates() -> None:
    assert read_attestation_object(attestation_object(())) == ()
    assert read_attestation_object(cbor2.dumps({"fmt": "none", "attStmt": {}})) == ()


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\xff",
        b"{}",
        b"\xa1" * 400,
        cbor2.dumps([1]),
        cbor2.dumps({"fmt": "tpm", "attStmt": {}}),
        cbor2.dumps({"fmt": "apple"}),
        cbor2.dumps({"fmt": "apple", "attStmt": []}),
        cbor2.dumps({"fmt": "apple", "attStmt": {"x5c": "text"}}),
        cbor2.dumps({"fmt": "apple", "attStmt": {"x5c": [b""]}}),
        cbor2.dumps({"fmt": "apple", "attStmt": {"x5c": ["text"]}}),
        cbor2.dumps({"fmt": "apple", "attStmt": {"x5c": [b"x" * 8193]}}),
        cbor2.dumps({"fmt": "apple", "attStmt": {"x5c": [b"x"] * (MOST_CERTIFICATES + 1)}}),
        cbor2.dumps({"fmt": "apple", "attStmt": {"x5c": []}, 1: cbor2.CBORTag(2, b"\1" * 64)}),
        cbor2.dumps({"fmt": "apple", "attStmt": {"x5c": []}, "n": cbor2.CBORTag(2, b"\1" * 64)}),
        cbor2.dumps({"fmt": "apple", "attStmt": {"x5c": []}, "n": cbor2.CBORTag(35, "(a+)+")}),
        cbor2.dumps({"fmt": "apple", "attStmt": {"x5c": []}, "n": cbor2.CBORTag(9999, 1)}),
        b"\xa2\x63fmt\x65apple\x63fmt\x65apple",
        b"\xa1\x63fmt\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x63fmt\x5b\x00\x00\x00\xff\xff\xff\xff\xff",
        bytes(MAX_OBJECT + 1),
    ],
)
def test_what_is_no_attestation_is_refused_in_one_way(broken: bytes) -> None:
    with pytest.raises(AttestationError):
        read_attestation_object(broken)


def test_an_empty_chain_attests_nothing(now: datetime) -> None:
    with pytest.raises(AttestationError, match="nothing"):
        check_attestation((), attestation_trust([]), now)
    with pytest.raises(AttestationError, match="more than"):
        check_attestation((b"x",) * (MOST_CERTIFICATES + 1), attestation_trust([]), now)
    with pytest.raises(AttestationError, match="unreadable"):
        check_attestation((b"x",), attestation_trust([]), now)
