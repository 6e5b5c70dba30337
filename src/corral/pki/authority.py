"""The service's own certificate authority: what it is and what it issues.

A device's certificate names its connection in the subject alternative name (`urn:uuid:...`), so that a
binding that was lost with the database can be found again. Everything in it comes from the grant; only the
key comes from the request.
"""

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from corral.pki.cms.algorithms import CmsError
from corral.pki.cms.certificate import UNREADABLE, PublicKey, load_certificate
from corral.pki.own_key import read_own_key

# Apple's systems refuse server certificates that are valid for longer (support.apple.com/HT210176).
SERVER_DAYS = 825
_CONNECTION = "urn:uuid:"


class KeyRefused(ValueError):
    """A public key of a kind or size that no certificate is issued for."""


class AuthorityError(ValueError):
    """This certificate and key are not a certificate authority of ours."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority with an RSA key: SCEP encloses its requests for that key (RFC 8894 3.1)."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey = field(repr=False, compare=False)

    @property
    def der(self) -> bytes:
        """The certificate as DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def id(self) -> str:
        return authority_id(self.certificate)

    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(self) -> bytes:
        """The private key as PKCS#8 without encryption: a secret for whoever stores it to seal."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def authority_id(certificate: x509.Certificate) -> str:
    """What an authority is called: the first 16 hexadecimal digits of its certificate's SHA-256."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()[:16]


def create_authority(name: str, now: datetime, years: int = 20, key: rsa.RSAPrivateKey | None = None) -> Authority:
    """A new self-signed authority called `name` (at most 64 characters), valid from a day before `now`."""
    key = key or rsa.generate_private_key(65537, 3072)
    subject = _common_name(name)
    public_key = key.public_key()
    certificate = (
        _builder(subject, subject, public_key, now - timedelta(days=1), now + timedelta(days=365.25 * years))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        # keyEncipherment, because SCEP clients choose the certificate to enclose their request for by it.
        .add_extension(_key_usage(signature=True, encipherment=True, authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def read_authority(certificate_pem: bytes, key_pem: bytes) -> Authority:
    """The authority of a PEM certificate and its PEM key, as they were kept; raises `AuthorityError`."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        certified = certificate.public_key()
        key = read_own_key(key_pem)
    except UNREADABLE:
        raise AuthorityError("the authority's certificate or key is no unencrypted PEM") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise AuthorityError("the authority's key must be RSA: SCEP clients enclose their requests for it")
    if key.public_key() != certified:
        raise AuthorityError("the authority's key does not belong to its certificate")
    try:
        is_authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, *UNREADABLE):
        is_authority = False
    if not is_authority:
        raise AuthorityError("the authority's certificate does not allow it to issue any (basicConstraints CA)")
    return Authority(certificate, key)


def check_key(key: object) -> PublicKey:
    """Return a public key that a certificate may be issued for; raises `KeyRefused`.

    RSA of 2048 to 4096 bits with an odd exponent of at most 32 bits, P-256 or P-384.
    """
    if isinstance(key, rsa.RSAPublicKey):
        exponent = key.public_numbers().e
        if not 2048 <= key.key_size <= 4096:
            raise KeyRefused(f"RSA key of {key.key_size} bits: use 2048 to 4096")
        if exponent < 3 or exponent % 2 == 0 or exponent >> 32:
            raise KeyRefused("RSA key with an unusual exponent: use 65537")
        return key
    if isinstance(key, ec.EllipticCurvePublicKey):
        if isinstance(key.curve, (ec.SECP256R1, ec.SECP384R1)):
            return key
        raise KeyRefused(f"key on curve {key.curve.name}: use P-256 or P-384")
    raise KeyRefused("key of a kind that is not accepted: use RSA, P-256 or P-384")


def issue_identity(
    authority: Authority,
    public_key: PublicKey,
    *,
    common_name: str,
    connection: str,
    not_before: datetime,
    not_after: datetime,
) -> bytes:
    """The DER of a device's identity certificate for the connection with this UUID; raises `KeyRefused`."""
    check_key(public_key)
    encipherment = isinstance(public_key, rsa.RSAPublicKey)
    return (
        _builder(_common_name(common_name), authority.certificate.subject, public_key, not_before, not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signature=True, encipherment=encipherment), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(_CONNECTION + connection)]),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_authority_key_identifier(authority), critical=False)
        .sign(authority.key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def issue_server(
    authority: Authority,
    public_key: PublicKey,
    hostnames: Sequence[str],
    not_before: datetime,
    not_after: datetime,
) -> bytes:
    """The DER of a TLS server certificate for host names and IP addresses, the first being its common name.

    Raises `KeyRefused` for the key and `AuthorityError` for names or a time that clients would refuse.
    """
    check_key(public_key)
    if not hostnames:
        raise AuthorityError("a server certificate needs a host name")
    if not_after - not_before > timedelta(days=SERVER_DAYS):
        raise AuthorityError(f"a server certificate may be valid for {SERVER_DAYS} days at most")
    encipherment = isinstance(public_key, rsa.RSAPublicKey)
    try:
        names = [_server_name(name) for name in hostnames]
    except ValueError:
        raise AuthorityError(f"no host names for a certificate: {', '.join(hostnames)!a}") from None
    return (
        _builder(_common_name(hostnames[0]), authority.certificate.subject, public_key, not_before, not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signature=True, encipherment=encipherment), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_authority_key_identifier(authority), critical=False)
        .sign(authority.key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def connection_of(certificate: bytes) -> str | None:
    """The connection that a certificate names, or None; only to be believed of one that our CA issued."""
    try:
        extensions = load_certificate(certificate).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (CmsError, x509.ExtensionNotFound):
        return None
    for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
        if uri.startswith(_CONNECTION):
            return uri.removeprefix(_CONNECTION)
    return None


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: PublicKey,
    not_before: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )


def _common_name(text: str) -> x509.Name:
    try:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])
    except ValueError:
        raise AuthorityError("a certificate needs a common name") from None


def _server_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return x509.DNSName(name.encode("idna").decode())


def _authority_key_identifier(authority: Authority) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())


def _key_usage(*, signature: bool, encipherment: bool, authority: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signature,
        key_encipherment=encipherment,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
