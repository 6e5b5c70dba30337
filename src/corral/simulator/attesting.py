"""A stand-in for Apple's attestation servers: it vouches for devices and their keys under a root of its own.

The extensions are written as Apple's are: the bare bytes of the text or digest, without ASN.1 around them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Self

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID, ObjectIdentifier

from corral.simulator.facts import Facts

_APPLE: Final = "1.2.840.113635.100.8."
SERIAL_NUMBER: Final = _APPLE + "9.1"
UDID: Final = _APPLE + "9.2"
OS_VERSION: Final = _APPLE + "10.1"
SEP_OS_VERSION: Final = _APPLE + "10.2"
LLB_VERSION: Final = _APPLE + "10.3"
FRESHNESS: Final = _APPLE + "11.1"
SIP_STATUS: Final = _APPLE + "13.1"
SECURE_BOOT: Final = _APPLE + "13.2"
KERNEL_EXTENSIONS: Final = _APPLE + "13.3"

_VALID: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True, eq=False)
class AttestationServer:
    root: x509.Certificate
    between: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """What `pem` made. Raises ValueError."""
        key = load_pem_private_key(pem, None)
        root, between = x509.load_pem_x509_certificates(pem)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the stand-in's key is not an elliptic curve key")
        return cls(root, between, key)

    def pem(self) -> bytes:
        """Both certificates, and the private key of the one that attests."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return self.root_pem + self.between.public_bytes(Encoding.PEM) + key

    @property
    def root_pem(self) -> bytes:
        """What a service must trust to believe it."""
        return self.root.public_bytes(Encoding.PEM)

    def attest(
        self, key: ec.EllipticCurvePublicKey, said: Mapping[str, bytes], now: datetime, *, valid: timedelta = _VALID
    ) -> tuple[bytes, ...]:
        """The certificates (DER), leaf first, for a key and what is said by OID."""
        builder = _builder("device attestation", self.between.subject, key, now, valid).add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True
        )
        for oid, value in said.items():
            builder = builder.add_extension(x509.UnrecognizedExtension(ObjectIdentifier(oid), value), critical=False)
        leaf = builder.sign(self.key, hashes.SHA256())
        return leaf.public_bytes(Encoding.DER), self.between.public_bytes(Encoding.DER)


def attestation_server(now: datetime, name: str = "Stand-in Enterprise Attestation") -> AttestationServer:
    """A new one, with keys of its own: P-384 for the authorities, as Apple's."""
    root_key, key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
    subject = _name(f"{name} Root CA")
    start, valid = now - timedelta(days=30), 10 * _VALID
    root = (
        _builder(f"{name} Root CA", subject, root_key.public_key(), start, valid)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(root_key, hashes.SHA384())
    )
    between = (
        _builder(f"{name} Sub CA 1", subject, key.public_key(), start, valid)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(root_key, hashes.SHA384())
    )
    return AttestationServer(root, between, key)


def attest_device(
    server: AttestationServer, facts: Facts, key: ec.EllipticCurvePublicKey, nonce: bytes, now: datetime
) -> tuple[bytes, ...]:
    """The certificates for this device and a key in its Secure Enclave, fresh for the nonce."""
    said = {
        SERIAL_NUMBER: facts.serial_number.encode(),
        UDID: (_provisioning_udid(facts) if facts.is_mac else facts.udid).encode(),
        OS_VERSION: facts.os_version.encode(),
        SEP_OS_VERSION: facts.os_version.encode(),
        LLB_VERSION: b"11881.1.1",
        FRESHNESS: freshness(nonce),
    }
    if facts.is_mac:
        said |= {SIP_STATUS: b"0", SECURE_BOOT: b"Full Security", KERNEL_EXTENSIONS: b"0"}
    return server.attest(key, said, now)


def _provisioning_udid(facts: Facts) -> str:
    """A Mac with Apple silicon has two: the one that it enrolls by, and this, which has the form of an iPhone's."""
    return f"00008112-{hashlib.sha256(facts.udid.encode()).hexdigest()[:16].upper()}"


def freshness(nonce: bytes) -> bytes:
    """What the attestation says of the nonce (for ACME: the challenge's token) that it was asked for with."""
    return hashlib.sha256(nonce).digest()


def attestation_object(chain: Sequence[bytes]) -> bytes:
    """What goes to the ACME server; of a device that attests nothing the statement is empty."""
    return cbor2.dumps({"fmt": "apple", "attStmt": {"x5c": list(chain)} if chain else {}})


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, valid: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + valid)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
