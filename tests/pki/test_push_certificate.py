import base64
import plistlib
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from corral.pki.authority import Authority, issue_server
from corral.pki.push_certificate import (
    PushCertificateError,
    build_csr,
    issue_push_certificate,
    read,
    sign_request,
)

OpenSsl = Callable[..., bytes]
TOPIC = "com.apple.mgmt.External.9b2d4c5e-6a0f-4f0e-8f3b-1f2e3d4c5b6a"


def test_the_vendor_makes_of_a_request_what_apples_portal_takes(
    rsa_key: rsa.RSAPrivateKey,
    rsa_certificate: x509.Certificate,
    other_rsa_key: rsa.RSAPrivateKey,
    authority: Authority,
    openssl: OpenSsl,
) -> None:
    csr = build_csr(other_rsa_key, "Example", "de", "it@example.org")
    made = sign_request(csr, rsa_certificate, rsa_key, [authority.certificate])
    document = plistlib.loads(base64.b64decode(made, validate=True))
    assert {key: type(value) for key, value in document.items()} == {
        "PushCertCertificateChain": str,
        "PushCertRequestCSR": str,
        "PushCertSignature": str,
    }
    der = base64.b64decode(document["PushCertRequestCSR"], validate=True)
    shown = openssl("req", "-inform", "DER", "-in", "request", "-noout", "-subject", "-verify", request=der)
    assert b"C = DE" in shown
    chain = x509.load_pem_x509_certificates(document["PushCertCertificateChain"].encode())
    assert chain == [rsa_certificate, authority.certificate]
    signature = base64.b64decode(document["PushCertSignature"], validate=True)
    public = openssl("x509", "-in", "rsa.pem", "-pubkey", "-noout")
    openssl(
        *("dgst", "-sha256", "-verify", "public", "-signature", "signature", "request"),
        public=public,
        signature=signature,
    )
    again = sign_request(der, rsa_certificate, rsa_key, [authority.certificate])
    assert again == made


def test_a_request_that_cannot_be_signed_is_refused_with_what_to_do(
    rsa_key: rsa.RSAPrivateKey, rsa_certificate: x509.Certificate, other_rsa_key: rsa.RSAPrivateKey
) -> None:
    csr = build_csr(other_rsa_key, "Example")
    with pytest.raises(PushCertificateError, match="no CSR"):
        sign_request(b"-----BEGIN nothing", rsa_certificate, rsa_key, [])
    with pytest.raises(PushCertificateError, match="vendor's key"):
        sign_request(csr, rsa_certificate, other_rsa_key, [])
    der = bytearray(x509.load_pem_x509_csr(csr).public_bytes(Encoding.DER))
    der[-1] ^= 1
    with pytest.raises(PushCertificateError, match="does not fit"):
        sign_request(bytes(der), rsa_certificate, rsa_key, [])
    with pytest.raises(PushCertificateError, match="name"):
        build_csr(rsa_key, "Example", "Germany")


def test_a_push_certificate_tells_topic_and_dates_and_hides_its_key(
    authority: Authority, rsa_key: rsa.RSAPrivateKey, now: datetime
) -> None:
    made = issue_push_certificate(authority, TOPIC, rsa_key, now, now + timedelta(days=365))
    chained = authority.certificate_pem() + made.certificate_pem
    found = read(chained, made.key_pem)
    assert (found.topic, found.not_before, found.not_after) == (TOPIC, now, now + timedelta(days=365))
    assert found.certificate_pem == made.certificate_pem + authority.certificate_pem()
    assert "PRIVATE" not in repr(found)
    certificate = x509.load_pem_x509_certificate(found.certificate_pem)
    certificate.verify_directly_issued_by(authority.certificate)
    assert certificate.subject.rfc4514_string().endswith(f"UID={TOPIC}")


def test_a_key_may_be_encrypted(authority: Authority, rsa_key: rsa.RSAPrivateKey, now: datetime) -> None:
    made = issue_push_certificate(authority, TOPIC, rsa_key, now, now + timedelta(days=365))
    locked = rsa_key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"secret"))
    opened = read(made.certificate_pem, locked, b"secret")
    key = load_pem_private_key(opened.key_pem, None)
    assert key.public_key() == rsa_key.public_key()
    for password in (None, b"wrong"):
        with pytest.raises(PushCertificateError, match="password"):
            read(made.certificate_pem, locked, password)


def test_what_is_no_push_certificate_is_refused_with_what_to_do(
    authority: Authority,
    rsa_key: rsa.RSAPrivateKey,
    other_rsa_key: rsa.RSAPrivateKey,
    ec_key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> None:
    later = now + timedelta(days=365)
    good = issue_push_certificate(authority, TOPIC, rsa_key, now, later)
    other = issue_push_certificate(authority, TOPIC, other_rsa_key, now, later)
    app = issue_push_certificate(authority, "org.example.app", rsa_key, now, later)
    server = x509.load_der_x509_certificate(
        issue_server(authority, rsa_key.public_key(), ["x"], now, now + timedelta(days=90))
    ).public_bytes(Encoding.PEM)
    for certificate, key, words in (
        (good.certificate_pem, other.key_pem, "does not belong"),
        (app.certificate_pem, app.key_pem, "not for device management"),
        (server, good.key_pem, "no topic"),
        (b"", good.key_pem, "no readable PEM"),
        (good.certificate_pem, b"", "no readable PEM"),
        (good.certificate_pem, good.certificate_pem, "no readable PEM"),
        (bytes(70_000), good.key_pem, "more than"),
    ):
        with pytest.raises(PushCertificateError, match=words):
            read(certificate, key)
