"""SignedData (RFC 5652 5) with exactly one signer: reading and checking it.

A signature that holds says which certificate's key signed the content, and nothing about whether anybody
trusts that certificate: see `corral.pki.identity`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from corral.pki import ber
from corral.pki.cms import algorithms
from corral.pki.cms.algorithms import CmsError
from corral.pki.cms.certificate import Parts, public_key, read_certificates, read_parts, signed_data_fields
from corral.pki.cms.familiar import Familiar, Signed

_DIGEST_ATTRIBUTE = ber.encode(ber.OID, algorithms.MESSAGE_DIGEST)


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that holds.

    `certificate` and `certificates` are DER as sent, the signer's own among them; `digest` is a name such as
    "sha256"; `attributes` are the signed ones, DER values by the content of their OID.
    """

    certificate: bytes
    certificates: tuple[bytes, ...]
    digest: str
    attributes: Mapping[bytes, bytes]

    @property
    def signing_time(self) -> datetime | None:
        """What the signer says, read when it is asked for: nothing is decided by it."""
        moment = self.attributes.get(algorithms.SIGNING_TIME)
        return _signing_time(moment) if moment is not None else None


_familiar = Familiar()


def verify_detached(signature: bytes, content: bytes) -> Signature:
    """Check a signature over `content`, which it does not carry; raises `CmsError`."""
    known = _familiar.read(signature)
    signed = known or read_signed(signature)
    if signed.content and signed.content != content:
        raise CmsError("the signature carries other content than what it came with")
    checked = verify(signed, content)
    if known is None:
        _familiar.remember(signature, signed)
    return checked


def verify_attached(data: bytes, limit: int = ber.MAX_BYTES) -> tuple[bytes, Signature]:
    """Check a message that carries what it signs, and return both; raises `CmsError`."""
    signed = read_signed(data, limit)
    if signed.content is None:
        raise CmsError("the message carries no content")
    return signed.content, verify(signed, signed.content)


def read_signed(data: bytes, limit: int = ber.MAX_BYTES) -> Signed:
    """Take a SignedData with one signer apart, and check nothing; raises `CmsError`."""
    try:
        return _read_signed(ber.Reader(data, limit))
    except ber.BerError as error:
        raise CmsError(f"unreadable SignedData: {error}") from None


def _read_signed(reader: ber.Reader) -> Signed:
    fields = signed_data_fields(reader)
    encapsulated = reader.children(fields[2], ber.OID)
    content = None
    if len(encapsulated) > 1:
        content = reader.string(_octets(reader, encapsulated[1]))
    if fields[-1].tag != ber.SET or len(fields) < 4:
        raise CmsError("a SignedData without signers")
    signers = reader.children(fields[-1])
    if len(signers) != 1:
        raise CmsError(f"{len(signers)} signers where exactly one is expected")

    info = reader.children(signers[0], ber.INTEGER)
    covered = None
    attributes: Mapping[bytes, bytes] = {}
    if len(info) > 3 and info[3].tag == 0xA0:
        attributes = _read_attributes(reader, info[3])
        covered = _covered(reader, info.pop(3))
    if len(info) < 5 or [one.tag & ~ber.CONSTRUCTED for one in info[2:5]] != [0x10, 0x10, ber.OCTET_STRING]:
        raise CmsError("a signer without digest, algorithm or signature")
    digest = algorithms.DIGESTS.get(_algorithm(reader.raw(info[2]))[0])
    algorithm, parameters = _algorithm(reader.raw(info[3]))
    return Signed(
        content,
        reader.value(encapsulated[0]),
        read_certificates(reader, fields),
        _definite(reader, info[1]),
        digest,
        covered,
        attributes,
        algorithm,
        parameters,
        reader.string(info[4]),
    )


@lru_cache(maxsize=64)
def _algorithm(identifier: bytes) -> tuple[bytes, bytes]:
    """Object identifier and parameters of an AlgorithmIdentifier; devices send the same few all the time."""
    reader = ber.Reader(identifier, 256)
    fields = reader.children(reader.root(), ber.OID)
    return reader.value(fields[0]), reader.raw(fields[1]) if len(fields) > 1 else b""


def _octets(reader: ber.Reader, wrapper: ber.Element) -> ber.Element:
    inner = reader.only(wrapper)
    if inner.tag & ~ber.CONSTRUCTED != ber.OCTET_STRING:
        raise CmsError("content that is no OCTET STRING")
    return inner


def _names(signer: bytes, parts: Parts) -> bool:
    """Whether a SignerIdentifier (issuer and serial number, or key identifier) means this certificate."""
    if signer[0] == 0x80:
        return parts.key_identifier is not None and signer == ber.encode(0x80, parts.key_identifier)
    return signer == parts.reference


def _read_attributes(reader: ber.Reader, element: ber.Element) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for attribute in reader.children(element):
        name, values = reader.children(attribute, ber.OID, ber.SET)[:2]
        key = reader.value(name)
        if key in found:
            raise CmsError(f"signed attribute {ber.dotted(key)} comes twice")
        found[key] = _definite(reader, reader.only(values))
    return found


def _definite(reader: ber.Reader, element: ber.Element) -> bytes:
    return reader.der(element) if reader.data[element.start + 1] == 0x80 else reader.raw(element)


def _covered(reader: ber.Reader, element: ber.Element) -> bytes:
    """The signed attributes as the signature covers them: a SET, not the [0] that they were sent as (RFC 5652
    5.4).
    """
    if reader.data[element.start + 1] == 0x80:
        return reader.der(element._replace(tag=ber.SET))
    return b"\x31" + reader.data[element.start + 1 : element.stop]


def verify(signed: Signed, content: bytes) -> Signature:
    """Check what was read against `content`; raises `CmsError`."""
    digest = signed.digest
    if digest is None:
        raise CmsError("digest algorithm that is not accepted: use SHA-256")
    certificate = _certificate(signed)
    attributes = signed.attributes
    covered = content
    if signed.covered is not None:
        expected = ber.octet_string(algorithms.digest(digest, content))
        if attributes.get(algorithms.MESSAGE_DIGEST) != expected:
            raise CmsError("the content is not the one that was signed: its digest differs")
        if attributes.get(algorithms.CONTENT_TYPE) != ber.encode(ber.OID, signed.content_type):
            raise CmsError("the signed content type differs from the content's")
        covered = signed.covered
    elif signed.content_type != algorithms.DATA:
        raise CmsError("content of another type than data needs signed attributes")
    elif content.startswith(b"\x31") and _DIGEST_ATTRIBUTE in content:
        # A signature over attributes would also fit these attributes as a content that nobody signed.
        raise CmsError("content that is a set of signed attributes needs signed attributes of its own")
    try:
        _check(certificate, signed, digest, covered)
    except InvalidSignature:
        raise CmsError("the signature does not fit the content and the signer's key") from None
    except (UnsupportedAlgorithm, ValueError) as error:
        raise CmsError(f"the signature cannot be checked: {error}") from None
    return Signature(certificate, signed.certificates, digest, attributes)


def _signing_time(value: bytes) -> datetime | None:
    # It is what the device's clock says and decides nothing, so one in a strange calendar is passed over.
    try:
        reader = ber.Reader(value)
        return reader.time(reader.root())
    except ber.BerError:
        return None


def _certificate(signed: Signed) -> bytes:
    for certificate in signed.certificates:
        try:
            if _names(signed.signer, read_parts(certificate)):
                return certificate
        except CmsError:
            continue  # an oddity in the chain that came along is no reason to refuse the signer's own
    raise CmsError("the signer's certificate did not come along")


def _check(certificate: bytes, signed: Signed, digest: str, covered: bytes) -> None:
    key = public_key(certificate)
    algorithm = signed.algorithm
    if isinstance(key, rsa.RSAPublicKey):
        if algorithm == algorithms.RSA_PSS:
            name, salt = _read_pss(signed.parameters)
            hashing = algorithms.HASHES[name]
            key.verify(signed.value, covered, padding.PSS(padding.MGF1(hashing), salt), hashing)
            return
        name = algorithms.RSA_SIGNATURES.get(algorithm)
        if algorithm == algorithms.RSA_ENCRYPTION:
            name = digest
        if name is not None:
            key.verify(signed.value, algorithms.digest(name, covered), algorithms.PKCS1, algorithms.PREHASHED[name])
            return
    else:
        name = algorithms.EC_SIGNATURES.get(algorithm)
        if algorithm == algorithms.EC_PUBLIC_KEY:
            name = digest
        if name is not None:
            key.verify(signed.value, algorithms.digest(name, covered), algorithms.PREHASHED_ECDSA[name])
            return
    raise CmsError(f"signature algorithm {ber.dotted(algorithm)} is not accepted with this key")


def _read_pss(parameters: bytes) -> tuple[str, int]:
    """Digest and salt length of RSASSA-PSS-params (RFC 8017 A.2.3), with MGF1 over the same digest."""
    try:
        reader = ber.Reader(parameters)
        fields = {field.tag: reader.only(field) for field in reader.children(reader.root())}
        name = mask = "sha1"
        if 0xA0 in fields:
            name = algorithms.DIGESTS.get(reader.value(reader.children(fields[0xA0], ber.OID)[0]))
        if 0xA1 in fields:
            generator = reader.children(fields[0xA1], ber.OID, ber.SEQUENCE)
            mask = algorithms.DIGESTS.get(reader.value(reader.children(generator[1], ber.OID)[0]))
            if reader.value(generator[0]) != algorithms.MGF1:
                mask = None
        salt = reader.integer(fields[0xA2]) if 0xA2 in fields else 20
    except ber.BerError as error:
        raise CmsError(f"unreadable PSS parameters: {error}") from None
    if name is None or name != mask or not 0 <= salt <= 512:
        raise CmsError("PSS parameters that are not accepted: use one SHA-2 digest for message and mask")
    return name, salt
