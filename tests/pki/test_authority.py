from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from corral.pki.authority import (
    Authority,
    AuthorityError,
    KeyRefused,
    check_key,
    connection_of,
    create_authority,
    issue_identity,
    issue_server,
    read_authority,
)

OpenSsl = Callable[..., bytes]
CONNECTION = "6f1c5a0e-2f43-4c3e-9b0c-0d7f0a5d4c11"


@pytest.fixture(scope="session", params=["rsa_key", "ec_key"])
def key(request: pytest.FixtureRequest) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    return request.getfixturevalue(request.param)


def identity(
    authority: Authority, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, now: datetime
) -> x509.Certificate:
    return x509.load_der_x509_certificate(
        issue_identity(
            authority,
            key.public_key(),
            common_name="Somebody's Mac",
            connection=CONNECTION,
            not_before=now - timedelta(hours=1),
            not_after=now + timedelta(days=365),
        )
    )


def test_an_identity_is_what_a_device_needs_and_no_more(
    authority: Authority, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, now: datetime
) -> None:
    certificate = identity(authority, key, now)
    certificate.verify_directly_issued_by(authority.certificate)
    assert certificate.public_key() == key.public_key()
    assert certificate.subject.rfc4514_string() == "CN=Somebody's Mac"
    assert connection_of(certificate.public_bytes(Encoding.DER)) == CONNECTION
    assert certificate.serial_number.bit_length() > 100
    extensions = certificate.extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.key_encipherment == isinstance(key, rsa.RSAPrivateKey)
    assert not usage.key_cert_sign
    own = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert own == x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    above = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    issuer = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert issuer.key_identifier == above.digest


def test_openssl_accepts_the_chain_for_its_purpose_only(
    authority: Authority, rsa_key: rsa.RSAPrivateKey, now: datetime, openssl: OpenSsl
) -> None:
    device = identity(authority, rsa_key, now).public_bytes(Encoding.PEM)
    server = x509.load_der_x509_certificate(
        issue_server(authority, rsa_key.public_key(), ["mdm.example", "127.0.0.1"], now, now + timedelta(days=90))
    ).public_bytes(Encoding.PEM)
    moment = str(int(now.timestamp()) + 60)
    check = ("verify", "-x509_strict", "-CAfile", "ca.pem", "-attime", moment)
    openssl(*check, "-purpose", "sslclient", "device", device=device)
    openssl(*check, "-purpose", "sslserver", "-verify_hostname", "mdm.example", "server", server=server)
    openssl(*check, "-purpose", "sslserver", "-verify_ip", "127.0.0.1", "server", server=server)
    for purpose, name in (("sslserver", "device"), ("sslclient", "server")):
        with pytest.raises(AssertionError, match="purpose"):
            openssl(*check, "-purpose", purpose, name)


def test_the_authority_survives_being_stored(authority: Authority) -> None:
    stored = read_authority(authority.certificate_pem(), authority.key_pem())
    assert stored.der == authority.der
    assert stored.key.private_numbers() == authority.key.private_numbers()


def test_the_authority_shows_no_key(authority: Authority) -> None:
    assert "key" not in repr(authority).lower()


def test_what_is_no_authority_is_refused(
    authority: Authority,
    rsa_key: rsa.RSAPrivateKey,
    rsa_certificate: x509.Certificate,
    now: datetime,
) -> None:
    other = Authority(rsa_certificate, rsa_key)
    with pytest.raises(AuthorityError, match="does not belong"):
        read_authority(authority.certificate_pem(), other.key_pem())
    with pytest.raises(AuthorityError, match="basicConstraints"):
        read_authority(other.certificate_pem(), other.key_pem())
    with pytest.raises(AuthorityError, match="PEM"):
        read_authority(b"", b"")


def test_a_new_authority_has_its_own_key_and_time(now: datetime) -> None:
    made = create_authority("Fresh", now, years=10)
    assert made.key.key_size == 3072
    assert made.certificate.not_valid_before_utc < now
    assert made.certificate.not_valid_after_utc > now + timedelta(days=3650)


@pytest.mark.parametrize("size", [1024, 4104, 8192])
def test_rsa_keys_of_other_sizes_are_refused(size: int) -> None:
    key = rsa.RSAPublicNumbers(65537, (1 << size - 1) + (1 << size // 2) + 1).public_key()
    with pytest.raises(KeyRefused, match="2048 to 4096"):
        check_key(key)


def test_an_exponent_that_makes_each_check_costly_is_refused(rsa_key: rsa.RSAPrivateKey) -> None:
    modulus = rsa_key.public_key().public_numbers().n
    for exponent in ((1 << 40) + 1, (1 << 1000) + 1):
        with pytest.raises(KeyRefused, match="exponent"):
            check_key(rsa.RSAPublicNumbers(exponent, modulus).public_key())


def test_other_curves_and_kinds_are_refused() -> None:
    for curve in (ec.SECP521R1(), ec.SECP256K1()):
        with pytest.raises(KeyRefused, match="P-256 or P-384"):
            check_key(ec.generate_private_key(curve).public_key())
    check_key(ec.generate_private_key(ec.SECP384R1()).public_key())
    with pytest.raises(KeyRefused, match="kind"):
        check_key(ed25519.Ed25519PrivateKey.generate().public_key())


def test_nothing_is_issued_for_a_refused_key(authority: Authority, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP521R1()).public_key()
    with pytest.raises(KeyRefused):
        issue_identity(
            authority,
            key,
            common_name="x",
            connection=CONNECTION,
            not_before=now,
            not_after=now + timedelta(1),
        )
    with pytest.raises(KeyRefused):
        issue_server(authority, key, ["x"], now, now + timedelta(1))


def test_a_server_certificate_that_apple_would_refuse_is_not_issued(
    authority: Authority, rsa_key: rsa.RSAPrivateKey, now: datetime
) -> None:
    key = rsa_key.public_key()
    with pytest.raises(AuthorityError, match="825"):
        issue_server(authority, key, ["mdm.example"], now, now + timedelta(days=826))
    with pytest.raises(AuthorityError, match="host name"):
        issue_server(authority, key, [], now, now + timedelta(days=1))
    with pytest.raises(AuthorityError, match="host names"):
        issue_server(authority, key, ["a" * 300], now, now + timedelta(days=1))


def test_a_certificate_that_names_no_connection_has_none(rsa_certificate: x509.Certificate) -> None:
    assert connection_of(rsa_certificate.public_bytes(Encoding.DER)) is None
    assert connection_of(b"") is None
