"""Writing SignedData (RFC 5652 5) with one signer."""

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from corral.pki import ber
from corral.pki.cms import algorithms
from corral.pki.cms.algorithms import CmsError
from corral.pki.cms.certificate import read_parts

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def sign(
    content: bytes,
    certificate: x509.Certificate,
    key: PrivateKey,
    *,
    chain: Sequence[x509.Certificate] = (),
    detached: bool = False,
    signing_time: datetime | None = None,
    attributes: Sequence[tuple[str, bytes]] = (),
    digest: str = "sha256",
    with_attributes: bool = True,
    indefinite: bool = False,
) -> bytes:
    """Sign `content` as DER, or with its outer layers in indefinite lengths as Apple's devices send it.

    `attributes` are further signed ones: dotted OID and the DER of the value. `signing_time` is left out when
    None. Raises `CmsError` for a digest that is not known here.
    """
    if digest not in algorithms.DIGEST_OIDS:
        raise CmsError(f"digest {digest!r} is not known")
    if not with_attributes and (attributes or signing_time):
        raise CmsError("attributes are given that with_attributes=False leaves out")
    own = certificate.public_bytes(Encoding.DER)
    digest_algorithm = ber.sequence(ber.oid(algorithms.DIGEST_OIDS[digest]), ber.null())
    covered = content
    signed_attributes = b""
    if with_attributes:
        values = [
            _attribute(algorithms.CONTENT_TYPE, ber.encode(ber.OID, algorithms.DATA)),
            _attribute(algorithms.MESSAGE_DIGEST, ber.octet_string(algorithms.digest(digest, content))),
            *(_attribute(ber.oid(name)[2:], value) for name, value in attributes),
        ]
        if signing_time is not None:
            values.append(_attribute(algorithms.SIGNING_TIME, ber.time(signing_time)))
        covered = ber.set_of(values)
        signed_attributes = b"\xa0" + covered[1:]
    hashing = algorithms.HASHES[digest]
    if isinstance(key, rsa.RSAPrivateKey):
        signature_algorithm = ber.sequence(ber.encode(ber.OID, algorithms.RSA_ENCRYPTION), ber.null())
        value = key.sign(covered, algorithms.PKCS1, hashing)
    else:
        signature_algorithm = ber.sequence(ber.oid(algorithms.EC_SIGNATURE_OIDS[digest]))
        value = key.sign(covered, algorithms.ECDSA[digest])
    signer = ber.sequence(
        ber.integer(1),
        read_parts(own).reference,
        digest_algorithm,
        signed_attributes,
        signature_algorithm,
        ber.octet_string(value),
    )
    outer = ber.encode_indefinite if indefinite else ber.encode
    encapsulated = () if detached else (outer(0xA0, ber.octet_string(content)),)
    return outer(
        ber.SEQUENCE,
        ber.encode(ber.OID, algorithms.SIGNED_DATA),
        outer(
            0xA0,
            outer(
                ber.SEQUENCE,
                ber.integer(1),
                ber.set_of([digest_algorithm]),
                outer(ber.SEQUENCE, ber.encode(ber.OID, algorithms.DATA), *encapsulated),
                ber.encode(0xA0, own, *(one.public_bytes(Encoding.DER) for one in chain)),
                ber.set_of([signer]),
            ),
        ),
    )


def _attribute(name: bytes, value: bytes) -> bytes:
    return ber.sequence(ber.encode(ber.OID, name), ber.encode(ber.SET, value))
