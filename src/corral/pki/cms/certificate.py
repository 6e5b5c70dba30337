"""What a signature check needs of a certificate, and the certificates-only message (RFC 5652 5, RFC 8894
3.4).

Certificates are taken apart here with our own reader: the self-signed ones of SCEP clients bear serial
numbers and dates that a strict X.509 library refuses, and only their key matters.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from corral.pki import ber
from corral.pki.cms.algorithms import DATA, SIGNED_DATA, CmsError

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

# A certificate of a device takes 1 to 2 KiB; the largest that is let in bounds what the caches can hold.
MAX_CERTIFICATE = 8192
_CACHED = 8192
_SUBJECT_KEY_IDENTIFIER = ber.oid("2.5.29.14")[2:]
# All that the X.509 library raises for bytes it does not like; only some of it is a ValueError.
UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


class Parts(NamedTuple):
    """The DER of a certificate's names and key. `reference` is its IssuerAndSerialNumber, `key_identifier`
    its SKI.
    """

    reference: bytes
    serial_number: int
    subject: bytes
    key: bytes
    key_identifier: bytes | None


@lru_cache(maxsize=_CACHED)
def read_parts(certificate: bytes) -> Parts:
    """Take a certificate's DER apart; raises `CmsError`."""
    try:
        reader = ber.Reader(certificate, MAX_CERTIFICATE)
        whole = reader.children(reader.root(), ber.SEQUENCE, ber.SEQUENCE, ber.BIT_STRING)
        fields = reader.children(whole[0])
        if fields and fields[0].tag == 0xA0:
            del fields[0]
        if [field.tag for field in fields[:6]] != [ber.INTEGER, *[ber.SEQUENCE] * 5]:
            raise CmsError("a certificate without its fields")
        serial, _, issuer, _, subject, key = (reader.raw(field) for field in fields[:6])
        extensions = [field for field in fields[6:] if field.tag == 0xA3]
        identifier = _key_identifier(reader, extensions[0]) if extensions else None
        number = reader.integer(fields[0])
        return Parts(ber.sequence(issuer, serial), number, subject, key, identifier)
    except ber.BerError as error:
        raise CmsError(f"unreadable certificate: {error}") from None


def _key_identifier(reader: ber.Reader, extensions: ber.Element) -> bytes | None:
    for extension in reader.children(reader.only(extensions, ber.SEQUENCE)):
        fields = reader.children(extension, ber.OID)
        if reader.value(fields[0]) == _SUBJECT_KEY_IDENTIFIER:
            inner = ber.Reader(reader.string(fields[-1]))
            return inner.string(inner.root())
    return None


@lru_cache(maxsize=_CACHED)
def public_key(certificate: bytes) -> PublicKey:
    """The key of a certificate, of a kind and size that can be checked in bounded time; raises `CmsError`.

    Kept for certificates seen lately: loading a key takes longer than checking a signature with it.
    """
    return load_public_key(read_parts(certificate).key)


def load_public_key(info: bytes) -> PublicKey:
    """A key from its SubjectPublicKeyInfo: RSA of 1024 to 8192 bits or one of NIST's three curves."""
    try:
        key = load_der_public_key(info)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CmsError("unreadable public key") from None
    if isinstance(key, rsa.RSAPublicKey):
        # A large exponent makes one check cost as much as thousands.
        if 1024 <= key.key_size <= 8192 and key.public_numbers().e < 1 << 33:
            return key
    elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES):
        return key
    raise CmsError("public key of a kind or size that is not accepted: use RSA 2048 to 4096, P-256 or P-384")


def load_certificate(der: bytes) -> x509.Certificate:
    """A certificate with its names and extensions parsed, for those whose every word counts; raises
    `CmsError`.
    """
    if not read_parts(der).serial_number > 0:
        raise CmsError("a certificate whose serial number is not positive")
    try:
        certificate = x509.load_der_x509_certificate(der)
        _ = certificate.extensions, certificate.subject, certificate.issuer, certificate.signature_hash_algorithm
    except UNREADABLE:
        raise CmsError("unreadable certificate") from None
    return certificate


def certificates_only(certificates: Sequence[bytes]) -> bytes:
    """A SignedData that signs nothing and carries certificates, in the order given.

    DER would sort them; every client takes the first for the one it asked for, and no reader minds the order.
    """
    return ber.sequence(
        ber.encode(ber.OID, SIGNED_DATA),
        ber.encode(
            0xA0,
            ber.sequence(
                ber.integer(1),
                ber.set_of(()),
                ber.sequence(ber.encode(ber.OID, DATA)),
                ber.encode(0xA0, *certificates),
                ber.set_of(()),
            ),
        ),
    )


def read_certificates_only(data: bytes) -> tuple[bytes, ...]:
    """The certificates that a SignedData carries, as DER in the order sent; raises `CmsError`."""
    try:
        reader = ber.Reader(data)
        return read_certificates(reader, signed_data_fields(reader))
    except ber.BerError as error:
        raise CmsError(f"unreadable SignedData: {error}") from None


def signed_data_fields(reader: ber.Reader) -> list[ber.Element]:
    """The fields of the SignedData in a ContentInfo: version, digests, content, then the optional ones."""
    info = reader.children(reader.root(), ber.OID, 0xA0)
    if reader.value(info[0]) != SIGNED_DATA:
        raise CmsError(f"content type {ber.dotted(reader.value(info[0]))} where SignedData is expected")
    return reader.children(reader.only(info[1], ber.SEQUENCE), ber.INTEGER, ber.SET, ber.SEQUENCE)


def read_certificates(reader: ber.Reader, fields: list[ber.Element]) -> tuple[bytes, ...]:
    """The X.509 certificates among a SignedData's fields; other kinds of certificate are passed over."""
    for field in fields[3:]:
        if field.tag == 0xA0:
            return tuple(reader.raw(one) for one in reader.children(field) if one.tag == ber.SEQUENCE)
    return ()
