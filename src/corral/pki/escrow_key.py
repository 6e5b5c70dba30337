"""The key of an installation that devices enclose their secrets for: FileVault recovery keys foremost.

Apple: "FDERecoveryKeyEscrow" (the payload that names its certificate), "Security Info Response"
(FDE_PersonalRecoveryKeyCMS, an EnvelopedData).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from corral.pki import cms
from corral.pki.cms.certificate import UNREADABLE
from corral.pki.own_key import read_own_key

MAX_ENCLOSED = 64 * 1024
"""Bytes of an envelope that is opened: a recovery key takes less than a thousand."""


class EscrowKeyError(ValueError):
    """What is kept is no escrow key."""


@dataclass(frozen=True, slots=True)
class EscrowKey:
    certificate: bytes
    """DER; it is never checked by anybody, and says for whom something is enclosed."""
    key: rsa.RSAPrivateKey = field(repr=False)

    def open(self, enclosed: bytes) -> bytes:
        """What a device has enclosed for this key; raises CmsError."""
        return cms.decrypt(enclosed, self.certificate, self.key, MAX_ENCLOSED).content

    def pem(self) -> bytes:
        """Certificate and private key, without encryption: a secret for whoever stores it to seal."""
        certificate = x509.load_der_x509_certificate(self.certificate)
        return certificate.public_bytes(Encoding.PEM) + self.key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )


def create_escrow_key(organization: str, now: datetime) -> EscrowKey:
    """A new one, valid from a day before `now` for twenty years: what is enclosed outlives many an authority."""
    key = rsa.generate_private_key(65537, 3072)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{organization[:48]} Escrow")])
    usage = x509.KeyUsage(
        digital_signature=False,
        key_encipherment=True,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365.25 * 20))
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return EscrowKey(certificate.public_bytes(Encoding.DER), key)


def read_escrow_key(pem: bytes) -> EscrowKey:
    """As `pem` gives it; raises EscrowKeyError."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        certified = certificate.public_key()
        key = read_own_key(pem[pem.index(b"-----BEGIN PRIVATE KEY-----") :])
    except UNREADABLE:
        raise EscrowKeyError("the escrow key is no certificate and private key in PEM") from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.public_key() != certified:
        raise EscrowKeyError("the escrow key does not belong to its certificate")
    return EscrowKey(certificate.public_bytes(Encoding.DER), key)
