"""A stand-in for Apple as a certificate authority: for push certificates, and for the push service's own.

Everything comes from one root that no one else trusts.
"""

import ipaddress
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")

# Clocks of the same machine may still be read in another order.
_SKEW = timedelta(hours=1)
_YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class StandInApple:
    """`devices` makes device certificates, under the same root: long expired, as Apple's own authority is."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    devices: "StandInDeviceAuthority"

    @classmethod
    def create(cls, now: datetime) -> Self:
        """A new root, good for ten years."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(x509.NameAttribute(NameOID.COMMON_NAME, "Stand-in for the Apple Root CA"))
        builder = (
            _builder(name, name, key.public_key(), key.public_key(), now, 10 * _YEAR)
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
        )
        root = builder.sign(key, hashes.SHA256())
        return cls(root, key, _device_authority(root, key, now))

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """What `pem` made, with another authority for devices. Raises ValueError."""
        key = serialization.load_pem_private_key(pem, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the stand-in's key is not an elliptic curve key")
        root = x509.load_pem_x509_certificate(pem)
        return cls(root, key, _device_authority(root, key, root.not_valid_before_utc + _SKEW))

    def pem(self) -> bytes:
        """Certificate and private key."""
        return self.root_pem + _key_pem(self.key)

    @property
    def root_pem(self) -> bytes:
        """What a client must trust to believe the stand-in's push service."""
        return _pem(self.certificate)

    def push_certificate(
        self,
        topic: str,
        public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
        now: datetime,
        valid: timedelta = _YEAR,
    ) -> bytes:
        """An MDM push certificate (PEM) for `topic`, as Apple's portal hands it out: the topic is its UID."""
        subject = _name(
            x509.NameAttribute(NameOID.USER_ID, topic),
            x509.NameAttribute(NameOID.COMMON_NAME, f"APSP:{uuid.uuid4()}"),
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
        )
        return _pem(self._issue(subject, public_key, now, valid, ExtendedKeyUsageOID.CLIENT_AUTH, ()))

    def server_certificate(self, now: datetime, hosts: Sequence[str] = LOOPBACK) -> tuple[bytes, bytes]:
        """A server's certificate and private key (both PEM) for these names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(x509.NameAttribute(NameOID.COMMON_NAME, "Stand-in for Apple's push service"))
        issued = self._issue(subject, key.public_key(), now, _YEAR, ExtendedKeyUsageOID.SERVER_AUTH, hosts)
        return _pem(issued), _key_pem(key)

    def _issue(
        self,
        subject: x509.Name,
        public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
        now: datetime,
        valid: timedelta,
        purpose: x509.ObjectIdentifier,
        hosts: Sequence[str],
    ) -> x509.Certificate:
        builder = (
            _builder(subject, self.certificate.subject, public_key, self.key.public_key(), now, valid)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        )
        if hosts:
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256())


@dataclass(frozen=True, slots=True)
class StandInDeviceAuthority:
    """The authority of the certificates that simulated devices are made with."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def pem(self) -> bytes:
        """Whom a service must believe to believe these devices."""
        return _pem(self.certificate)

    def device_certificate(
        self, udid: str, public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, now: datetime
    ) -> x509.Certificate:
        """The certificate of a new device; it says nothing that a service could know the device by."""
        name = _name(x509.NameAttribute(NameOID.COMMON_NAME, str(uuid.uuid5(uuid.NAMESPACE_OID, udid)).upper()))
        builder = (
            _builder(name, self.certificate.subject, public_key, self.key.public_key(), now, _YEAR)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
        )
        return builder.sign(self.key, hashes.SHA256())


def _device_authority(
    root: x509.Certificate, root_key: ec.EllipticCurvePrivateKey, now: datetime
) -> StandInDeviceAuthority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(x509.NameAttribute(NameOID.COMMON_NAME, "Stand-in for the Apple iPhone Device CA"))
    then = now - 10 * _YEAR
    builder = (
        _builder(subject, root.subject, key.public_key(), root_key.public_key(), then, 7 * _YEAR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return StandInDeviceAuthority(builder.sign(root_key, hashes.SHA256()), key)


def topics_of(certificate: x509.Certificate) -> frozenset[str]:
    """The topics that a push certificate may push to: the UID attributes of its subject."""
    return frozenset(str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.USER_ID))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    now: datetime,
    valid: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(secrets.randbits(63) | 1)
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + valid)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(*attributes: x509.NameAttribute[str]) -> x509.Name:
    return x509.Name(attributes)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
