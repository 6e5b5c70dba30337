"""A certificate authority of somebody else, and signatures that `openssl` makes."""

import base64
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from corral.simulator.device import Device
from corral.simulator.enrollment import Enrollment, new_device_channel
from corral.simulator.fetching import fetch_profile, open_profile
from corral.simulator.identity import Identity
from corral.simulator.installing import read_profile
from e2e.installation import Installation

Key: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class ForeignAuthority:
    """Such as a step-ca that an organization has already; `pem` is its root."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Somebody's Device Authority")])
        self._root = (
            self._builder(self._name, self._key, days=3650)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = self._root.public_bytes(Encoding.PEM)

    def issue(self, key: Key, name: str = "a device", alternative: x509.SubjectAlternativeName | None = None) -> bytes:
        """An identity certificate (DER)."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = self._builder(subject, key, days=365).add_extension(purpose, critical=False)
        if alternative is not None:
            builder = builder.add_extension(alternative, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.DER)

    def _builder(self, subject: x509.Name, key: Key, days: int) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=days))
        )


async def under(device: Device, at: Installation, certificate: bytes, key: rsa.RSAPrivateKey) -> Enrollment:
    """A profile of this service with an identity that it has not issued."""
    download = open_profile(await fetch_profile(device.voice, await at.link(uses=None), at.trust))
    profile = read_profile(download, None)
    return Enrollment(
        profile=profile,
        signer=download.signer,
        identity=Identity(certificate, key),
        trust=at.trust,
        device=new_device_channel(device.facts, device.behaviour, rights=profile.access_rights),
    )


def openssl_signature(folder: Path, certificate: bytes, key: Key, body: bytes, *options: str) -> str:
    """A value of Mdm-Signature over the body, made by `openssl cms`."""
    parsed = x509.load_der_x509_certificate(certificate)
    (folder / "signer.pem").write_bytes(parsed.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "body").write_bytes(body)
    files = ["-signer", "signer.pem", "-inkey", "key.pem", "-in", "body"]
    made = subprocess.run(
        ["openssl", "cms", "-sign", "-binary", "-outform", "DER", *files, *options],
        cwd=folder,
        capture_output=True,
        check=True,
        timeout=30,
    )
    return base64.b64encode(made.stdout).decode()
