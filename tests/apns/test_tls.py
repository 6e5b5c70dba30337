import os
import ssl
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from corral.apns.tls import PushCertificateError, certificate_alert, describe, make_context
from corral.simulator.push_certificates import StandInApple

APPLE = StandInApple.create(datetime.now(UTC))
KEY = rsa.generate_private_key(65537, 2048)
CERTIFICATE = APPLE.push_certificate("com.apple.mgmt.x", KEY.public_key(), datetime.now(UTC))


def pem(key: rsa.RSAPrivateKey, encryption: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, encryption or NoEncryption())


def test_a_certificate_with_its_key_and_its_chain_is_loaded_from_memory() -> None:
    before = set(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else set[str]()
    context = make_context(CERTIFICATE.rstrip() + b"\n" + APPLE.root_pem, pem(KEY), APPLE.root_pem)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    if before:
        assert set(os.listdir("/proc/self/fd")) == before


def test_where_there_is_no_file_in_memory_a_private_one_is_removed_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    modes: list[int] = []
    load = ssl.SSLContext.load_cert_chain

    def watch(self: ssl.SSLContext, certfile: str, *, password: object) -> None:
        modes.append(os.stat(certfile).st_mode & 0o777)
        assert Path(certfile).is_relative_to(tmp_path)
        load(self, certfile)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watch)
    make_context(CERTIFICATE, pem(KEY), APPLE.root_pem)
    assert modes == [0o600]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("certificate", "key"),
    [
        pytest.param(CERTIFICATE, pem(rsa.generate_private_key(65537, 2048)), id="another key"),
        pytest.param(CERTIFICATE, pem(KEY, BestAvailableEncryption(b"secret")), id="an encrypted key"),
        pytest.param(CERTIFICATE, b"", id="no key"),
        pytest.param(b"rubbish", pem(KEY), id="no certificate"),
        pytest.param(b"", b"", id="nothing"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_remedy_and_without_the_key(certificate: bytes, key: bytes) -> None:
    with pytest.raises(PushCertificateError, match="give an unencrypted PEM key") as caught:
        make_context(certificate, key, APPLE.root_pem)
    assert "PRIVATE" not in str(caught.value)


@pytest.mark.parametrize("trust", [b"", b"rubbish", b"\xff"])
def test_authorities_that_cannot_be_read_are_refused(trust: bytes) -> None:
    with pytest.raises(PushCertificateError, match="give PEM"):
        make_context(CERTIFICATE, pem(KEY), trust)


def test_only_an_alert_about_our_certificate_is_one() -> None:
    def failed(reason: str) -> ssl.SSLError:
        error = ssl.SSLError(1, "failed")
        error.reason = reason
        return error

    assert certificate_alert(failed("SSLV3_ALERT_CERTIFICATE_EXPIRED")) == "TLS alert: certificate expired"
    assert certificate_alert(failed("TLSV1_ALERT_UNKNOWN_CA")) == "TLS alert: unknown ca"
    assert certificate_alert(failed("TLSV1_ALERT_INTERNAL_ERROR")) is None
    assert certificate_alert(failed("CERTIFICATE_VERIFY_FAILED")) is None
    assert certificate_alert(ConnectionResetError()) is None
    assert certificate_alert(None) is None


def test_a_failure_is_described_in_one_line() -> None:
    assert describe(OSError("a\nb")) == "a b"
    assert describe(ConnectionResetError()) == "ConnectionResetError"
    assert describe(TimeoutError()) == "timed out"
