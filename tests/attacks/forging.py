"""Certificates that nobody should have, made with the means of whoever could make them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from corral.pki.authority import Authority, create_authority, issue_identity, issue_server, read_authority
from corral.sealing import Sealer, read_keys
from corral.simulator.device import Device
from corral.simulator.enrollment import Enrollment
from corral.simulator.identity import Identity
from corral.store.sqlite import open_sqlite
from e2e.installation import Template
from e2e.messages import enrollment_of

DAY = timedelta(days=1)


async def own_authority(template: Template) -> Authority:
    """That of the installation: for what it has really issued once, and would not issue now."""
    key = template.data / "sealing.key"
    async with open_sqlite(template.data / "corral.db", Sealer(read_keys(key.read_text(), str(key)))) as store:
        certificate = await store.vault.get_secret("authority.certificate")
        private = await store.vault.get_secret("authority.key")
    assert certificate is not None
    assert private is not None
    return read_authority(certificate, private)


def foreign_authority(like: Authority, key: rsa.RSAPrivateKey) -> Authority:
    """Somebody else's of the very same name."""
    name = like.certificate.subject.rfc4514_string().removeprefix("CN=")
    return create_authority(name, datetime.now(UTC), key=key)


def issued(
    by: Authority, key: rsa.RSAPrivateKey, connection: str, *, begins: timedelta = -DAY, ends: timedelta = DAY
) -> Identity:
    """An identity for this connection, valid from and until so long from now."""
    now = datetime.now(UTC)
    der = issue_identity(
        by,
        key.public_key(),
        common_name=f"Device {connection}",
        connection=connection,
        not_before=now + begins,
        not_after=now + ends,
    )
    return Identity(der, key)


def for_a_server(by: Authority, key: rsa.RSAPrivateKey) -> Identity:
    """What a listener of this service shows, with a key that somebody got hold of."""
    now = datetime.now(UTC)
    return Identity(issue_server(by, key.public_key(), ["mdm.example.org"], now - DAY, now + DAY), key)


def copied(certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> Identity:
    """A certificate that says all that this one says, for another key, and signed with that."""
    builder = x509.CertificateBuilder(
        certificate.issuer,
        certificate.subject,
        key.public_key(),
        certificate.serial_number,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )
    for each in certificate.extensions:
        builder = builder.add_extension(each.value, each.critical)
    return Identity(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER), key)


def made_by_a_device(parent: Identity, key: rsa.RSAPrivateKey, subject: x509.Name) -> Identity:
    """A certificate that a device has issued with its own, as if that were an authority's."""
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        parent.parsed.subject, subject, key.public_key(), x509.random_serial_number(), now - DAY, now + DAY
    ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    assert isinstance(parent.key, rsa.RSAPrivateKey)
    return Identity(builder.sign(parent.key, hashes.SHA256()).public_bytes(Encoding.DER), key)


def under(device: Device, identity: Identity) -> Enrollment:
    """The enrollment of this device, with another identity."""
    return replace(enrollment_of(device), identity=identity)


def claiming(thief: Device, victim: Device) -> Enrollment:
    """What the thief has, in the name of another device."""
    own = enrollment_of(thief)
    return replace(own, device=own.device.renamed(victim.facts.udid))
