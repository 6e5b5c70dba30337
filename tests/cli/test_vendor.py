"""`push-cert sign`: what an MDM vendor does with a customer's request, without any service."""

import base64
import plistlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from cli.conftest import Cli, Outcome
from corral.cli.failure import Failure
from corral.cli.vendor import open_key
from corral.pki.push_certificate import build_csr
from corral.simulator.push_certificates import StandInApple

KEY = rsa.generate_private_key(65537, 2048)
VENDOR = rsa.generate_private_key(65537, 2048)
APPLE = StandInApple.create(datetime.now(UTC))
CERTIFICATE = APPLE.push_certificate("com.apple.mgmt.Vendor", VENDOR.public_key(), datetime.now(UTC))


def pem(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, sealing: KeySerializationEncryption | None = None
) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealing or NoEncryption())


@pytest.fixture
def files(home: Path) -> Path:
    (home / "push.csr").write_bytes(build_csr(KEY, "Example"))
    (home / "vendor.pem").write_bytes(CERTIFICATE)
    (home / "vendor.cer").write_bytes(x509.load_pem_x509_certificate(CERTIFICATE).public_bytes(Encoding.DER))
    (home / "vendor.key").write_bytes(pem(VENDOR))
    (home / "other.key").write_bytes(pem(KEY))
    (home / "ec.key").write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    (home / "locked.key").write_bytes(pem(VENDOR, BestAvailableEncryption(b"open sesame")))
    (home / "chain.pem").write_bytes(APPLE.root_pem)
    (home / "text").write_text("no certificate")
    return home


def sign(cli: Cli, files: Path, **changes: str) -> Outcome:
    names = {"csr": "push.csr", "vendor_certificate": "vendor.pem", "vendor_key": "vendor.key", "chain": "chain.pem"}
    flags: list[object] = []
    for name, file in {**names, **changes}.items():
        flags += [f"--{name.replace('_', '-')}", files / file]
    return cli("push-cert", "sign", *flags, "--out", files / "signed")


@pytest.mark.parametrize("certificate", ["vendor.pem", "vendor.cer"])
def test_the_portals_file_holds_request_chain_and_signature(certificate: str, cli: Cli, files: Path) -> None:
    outcome = sign(cli, files, vendor_certificate=certificate)
    assert outcome.code == 0
    assert "identity.apple.com/pushcert" in outcome.out
    found = plistlib.loads(base64.b64decode((files / "signed").read_bytes(), validate=True))
    assert set(found) == {"PushCertRequestCSR", "PushCertCertificateChain", "PushCertSignature"}
    der = base64.b64decode(found["PushCertRequestCSR"])
    assert x509.load_der_x509_csr(der).public_key() == KEY.public_key()
    VENDOR.public_key().verify(base64.b64decode(found["PushCertSignature"]), der, padding.PKCS1v15(), hashes.SHA256())
    chain = x509.load_pem_x509_certificates(found["PushCertCertificateChain"].encode())
    assert [each.subject for each in chain] == [
        x509.load_pem_x509_certificate(CERTIFICATE).subject,
        APPLE.certificate.subject,
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"csr": "text"}, "CSR"),
        ({"csr": "nothing"}, "nothing"),
        ({"vendor_certificate": "text"}, "no certificate"),
        ({"chain": "text"}, "no certificate"),
        ({"vendor_key": "text"}, "no private key"),
        ({"vendor_key": "other.key"}, "does not belong"),
        ({"vendor_key": "ec.key"}, "RSA"),
        ({"vendor_key": "locked.key"}, "encrypted"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_told_in_one_line(changes: dict[str, str], told: str, cli: Cli, files: Path) -> None:
    outcome = sign(cli, files, **changes)
    assert outcome.code == 1
    assert told in outcome.error
    assert not (files / "signed").exists()


def test_an_encrypted_key_is_opened_with_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    locked = pem(VENDOR, BestAvailableEncryption(b"open sesame"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "open sesame")  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType] - a stand-in
    opened = load_pem_private_key(open_key(locked).encode(), None)
    assert opened.public_key() == VENDOR.public_key()
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "wrong")  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType] - a stand-in
    with pytest.raises(Failure, match="password is wrong"):
        open_key(locked)


def test_a_key_in_der_is_read_too() -> None:
    der = VENDOR.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert load_pem_private_key(open_key(der).encode(), None).public_key() == VENDOR.public_key()
