"""Of a certificate request only the key counts, and that it signed the request."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from corral.pki.acme.csr import MAX_CSR, read_csr
from corral.pki.acme.problem import Kind, Problem


def make(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "anybody")])
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()], ids=lambda curve: curve.name)
def test_keys_of_the_secure_enclave_are_certified(curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    csr = read_csr(make(key))
    assert csr.public_key == key.public_key()
    assert csr.key_info == key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def refused(der: bytes) -> str:
    with pytest.raises(Problem) as caught:
        read_csr(der)
    assert caught.value.kind is Kind.BAD_CSR
    return caught.value.detail


def test_other_keys_are_not(ec_key: ec.EllipticCurvePrivateKey) -> None:
    assert "use P-256" in refused(make(ec.generate_private_key(ec.SECP521R1())))
    assert "cannot be read" in refused(make(ec.generate_private_key(ec.SECP256K1())))
    assert "2048" in refused(make(rsa.generate_private_key(65537, 1024)))  # noqa: S505 - what must be refused
    altered = bytearray(make(ec_key))
    altered[-1] ^= 1
    assert "signature" in refused(bytes(altered))
    assert refused(b"")
    assert refused(b"0" * (MAX_CSR + 1))
