"""Keys, certificates and the openssl command: made once, for they are slow to make."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from corral.pki.authority import Authority, create_authority

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)

OpenSsl = Callable[..., bytes]


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def other_rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def self_signed(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, name: str) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(0x80FF)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=365))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


@pytest.fixture(scope="session")
def rsa_certificate(rsa_key: rsa.RSAPrivateKey) -> x509.Certificate:
    return self_signed(rsa_key, "rsa device")


@pytest.fixture(scope="session")
def ec_certificate(ec_key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    return self_signed(ec_key, "ec device")


@pytest.fixture(scope="session")
def authority() -> Authority:
    return create_authority("Test CA", NOW, key=rsa.generate_private_key(65537, 2048))


@pytest.fixture(scope="session")
def files(
    tmp_path_factory: pytest.TempPathFactory,
    rsa_key: rsa.RSAPrivateKey,
    ec_key: ec.EllipticCurvePrivateKey,
    rsa_certificate: x509.Certificate,
    ec_certificate: x509.Certificate,
    authority: Authority,
) -> Path:
    """A folder with rsa.pem, rsa.key, ec.pem, ec.key, ca.pem and ca.key."""
    folder = tmp_path_factory.mktemp("pki")
    for name, certificate, key in (
        ("rsa", rsa_certificate, rsa_key),
        ("ec", ec_certificate, ec_key),
        ("ca", authority.certificate, authority.key),
    ):
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        (folder / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder


@pytest.fixture(scope="session")
def openssl(files: Path) -> OpenSsl:
    """Run the openssl command in that folder; files given by keyword are written first, standard output comes
    back.
    """

    def run(*arguments: str, **inputs: bytes) -> bytes:
        for name, content in inputs.items():
            (files / name).write_bytes(content)
        done = subprocess.run(["openssl", *arguments], cwd=files, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    return run
