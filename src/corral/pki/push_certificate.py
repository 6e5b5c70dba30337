"""The certificate for Apple's push service: its request, the vendor's signature on it, and the certificate
itself.

A customer's CSR is signed by an MDM vendor (whose certificate Apple gives out on request), the result goes to
identity.apple.com/pushcert, and what comes back names the topic of all pushes in its subject (Apple: "Setting
up push notifications for your MDM customers").
"""

import base64
import plistlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from corral.pki.authority import Authority
from corral.pki.cms.certificate import UNREADABLE

TOPIC_PREFIX: Final = "com.apple.mgmt."
MAX_PEM: Final = 64 * 1024


class PushCertificateError(ValueError):
    """A push certificate, its key or its request cannot be used as it is."""


@dataclass(frozen=True, slots=True)
class PushCertificate:
    """A push certificate with its key. `certificate_pem` is followed by its chain, if any came along."""

    topic: str
    not_before: datetime
    not_after: datetime
    certificate_pem: bytes = field(repr=False)
    key_pem: bytes = field(repr=False)


def build_csr(key: rsa.RSAPrivateKey, common_name: str, country: str = "US", email: str | None = None) -> bytes:
    """The customer's request, PEM. `country` is two letters; raises `PushCertificateError`."""
    if key.key_size < 2048:
        raise PushCertificateError(f"RSA key of {key.key_size} bits: Apple takes 2048")
    try:
        names = [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.COUNTRY_NAME, country.upper()),
        ]
        if email:
            names.append(x509.NameAttribute(NameOID.EMAIL_ADDRESS, email))
    except ValueError as error:
        raise PushCertificateError(f"a name for the request that no certificate can bear: {error}") from None
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def sign_request(
    csr: bytes,
    vendor_certificate: x509.Certificate,
    vendor_key: rsa.RSAPrivateKey,
    chain: Sequence[x509.Certificate],
) -> bytes:
    """The file that Apple's portal takes: a customer's CSR (PEM or DER) with the vendor's signature.

    `chain` is Apple's intermediate and root, in this order. The result is a plist of three strings, in
    base64. Raises `PushCertificateError`.
    """
    try:
        request = x509.load_pem_x509_csr(csr) if csr.lstrip().startswith(b"-----") else x509.load_der_x509_csr(csr)
        holds = request.is_signature_valid
    except UNREADABLE:
        raise PushCertificateError("the request is no CSR: take the file that `push-cert request` wrote") from None
    if not holds:
        raise PushCertificateError("the request's signature does not fit its key: make a new one")
    if vendor_key.public_key() != vendor_certificate.public_key():
        raise PushCertificateError("the vendor's key does not belong to the vendor's certificate")
    der = request.public_bytes(Encoding.DER)
    signature = vendor_key.sign(der, padding.PKCS1v15(), hashes.SHA256())
    certificates = b"".join(one.public_bytes(Encoding.PEM) for one in (vendor_certificate, *chain))
    return base64.b64encode(
        plistlib.dumps(
            {
                "PushCertCertificateChain": certificates.decode(),
                "PushCertRequestCSR": base64.b64encode(der).decode(),
                "PushCertSignature": base64.b64encode(signature).decode(),
            }
        )
    )


def read(certificate_pem: bytes, key_pem: bytes, password: bytes | None = None) -> PushCertificate:
    """Check a certificate as Apple gave it out, and its key, which may be encrypted; raises
    `PushCertificateError`.

    The dates are returned and not checked.
    """
    if len(certificate_pem) > MAX_PEM or len(key_pem) > MAX_PEM:
        raise PushCertificateError(f"a file of more than {MAX_PEM} bytes is no push certificate and no key")
    try:
        certificates = x509.load_pem_x509_certificates(certificate_pem)
        key = load_pem_private_key(key_pem, password)
    except UNREADABLE:
        raise PushCertificateError(
            "the certificate or its key is no readable PEM: take the file from identity.apple.com/pushcert, "
            "the key that its request was made with, and the key's password if it has one"
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise PushCertificateError("the key is not RSA: take the one that the request was made with")
    public_key = key.public_key()
    own = next((one for one in certificates if _key_of(one) == public_key), None)
    if own is None:
        raise PushCertificateError(
            "the key does not belong to the certificate: take the one that the request was made with"
        )
    ordered = [own, *(one for one in certificates if one is not own)]
    return PushCertificate(
        topic=_topic(own),
        not_before=own.not_valid_before_utc,
        not_after=own.not_valid_after_utc,
        certificate_pem=b"".join(one.public_bytes(Encoding.PEM) for one in ordered),
        key_pem=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def _key_of(certificate: x509.Certificate) -> object:
    try:
        return certificate.public_key()
    except UNREADABLE:
        return None


def _topic(certificate: x509.Certificate) -> str:
    try:
        names = certificate.subject.get_attributes_for_oid(NameOID.USER_ID)
    except ValueError:
        names = []
    if len(names) != 1 or not isinstance(names[0].value, str):
        raise PushCertificateError(
            "the certificate names no topic (UID in its subject): take one from identity.apple.com/pushcert"
        )
    topic = names[0].value
    if not topic.startswith(TOPIC_PREFIX):
        raise PushCertificateError(
            f"the certificate is for {topic!a}, not for device management ({TOPIC_PREFIX}...): "
            "take one from identity.apple.com/pushcert, not from a developer account's app"
        )
    return topic


def issue_push_certificate(
    authority: Authority, topic: str, key: rsa.RSAPrivateKey, not_before: datetime, not_after: datetime
) -> PushCertificate:
    """A push certificate of a stand-in for Apple's authority, in the form that Apple's have."""
    suffix = topic.rpartition(".")[2]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(
            x509.Name(
                [
                    x509.NameAttribute(NameOID.USER_ID, topic),
                    x509.NameAttribute(NameOID.COMMON_NAME, f"APSP:{suffix}"[:64]),
                    x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
                ]
            )
        )
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return PushCertificate(
        topic=topic,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        certificate_pem=certificate.public_bytes(Encoding.PEM),
        key_pem=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
