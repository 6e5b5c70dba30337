"""EnvelopedData (RFC 5652 6) with RSA key transport, as SCEP encloses its requests and certificates."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding

from corral.pki import ber
from corral.pki.cms import algorithms
from corral.pki.cms.algorithms import CmsError
from corral.pki.cms.certificate import public_key, read_parts

Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What was enclosed, and the name of the cipher it was enclosed with."""

    content: bytes = field(repr=False)
    cipher: str


def encrypt(
    content: bytes,
    recipient: x509.Certificate | bytes,
    cipher: str = "aes-256-cbc",
    random: Random = os.urandom,
) -> bytes:
    """Enclose `content` for the holder of a certificate's RSA key; raises `CmsError` for any other key or
    cipher.
    """
    certificate = recipient if isinstance(recipient, bytes) else recipient.public_bytes(Encoding.DER)
    key = public_key(certificate)
    if not isinstance(key, rsa.RSAPublicKey):
        raise CmsError("only the holder of an RSA key can be sent something enclosed")
    if cipher not in algorithms.CIPHERS:
        raise CmsError(f"cipher {cipher!r} is not known")
    name, key_size, block = algorithms.CIPHERS[cipher]
    secret, start = random(key_size), random(block)
    padder = PKCS7(block * 8).padder()
    encryptor = _cipher(cipher, secret, start).encryptor()
    sealed = encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()
    return ber.sequence(
        ber.encode(ber.OID, algorithms.ENVELOPED_DATA),
        ber.encode(
            0xA0,
            ber.sequence(
                ber.integer(0),
                ber.set_of(
                    [
                        ber.sequence(
                            ber.integer(0),
                            read_parts(certificate).reference,
                            ber.sequence(ber.encode(ber.OID, algorithms.RSA_ENCRYPTION), ber.null()),
                            ber.octet_string(key.encrypt(secret, algorithms.PKCS1)),
                        )
                    ]
                ),
                ber.sequence(
                    ber.encode(ber.OID, algorithms.DATA),
                    ber.sequence(ber.oid(name), ber.octet_string(start)),
                    ber.encode(0x80, sealed),
                ),
            ),
        ),
    )


def is_enclosed_for(data: bytes, certificate: bytes) -> bool:
    """Whether `data` can be read as enclosed for the holder of this certificate (DER)."""
    try:
        _read_enveloped(ber.Reader(data), certificate)
    except (ber.BerError, CmsError):
        return False
    return True


def decrypt(
    data: bytes,
    certificate: x509.Certificate | bytes,
    key: rsa.RSAPrivateKey,
    limit: int = ber.MAX_BYTES,
    random: Random = os.urandom,
) -> Envelope:
    """Open what was enclosed for the holder of `certificate` and `key`; raises `CmsError`.

    A stranger must not learn whether it was the key transport or the content that did not fit (RFC 3218): a
    transported key that does not unwrap is replaced by a random one, and everything after the key has the
    same one error.
    """
    own = certificate if isinstance(certificate, bytes) else certificate.public_bytes(Encoding.DER)
    try:
        wrapped, unwrapping, cipher, start, sealed = _read_enveloped(ber.Reader(data, limit), own)
    except ber.BerError as error:
        raise CmsError(f"unreadable EnvelopedData: {error}") from None
    _, key_size, block = algorithms.CIPHERS[cipher]
    if len(start) != block or not sealed or len(sealed) % block:
        raise CmsError("enclosed content whose length does not fit its cipher")
    secret = random(key_size)
    try:
        opened = key.decrypt(wrapped, unwrapping)
        if len(opened) == key_size:
            secret = opened
    except ValueError:
        pass
    decryptor = _cipher(cipher, secret, start).decryptor()
    unpadder = PKCS7(block * 8).unpadder()
    try:
        padded = decryptor.update(sealed) + decryptor.finalize()
        return Envelope(unpadder.update(padded) + unpadder.finalize(), cipher)
    except ValueError:
        raise CmsError("the enclosed content cannot be opened with this key") from None


def _cipher(name: str, secret: bytes, start: bytes) -> Cipher[CBC]:
    if name == "des-cbc":
        secret *= 3  # three equal keys make 3DES the single DES that it is made of
    algorithm = TripleDES(secret) if name.startswith("des") else AES(secret)
    return Cipher(algorithm, CBC(start))


def _read_enveloped(reader: ber.Reader, certificate: bytes) -> tuple[bytes, AsymmetricPadding, str, bytes, bytes]:
    info = reader.children(reader.root(), ber.OID, 0xA0)
    if reader.value(info[0]) != algorithms.ENVELOPED_DATA:
        raise CmsError(f"content type {ber.dotted(reader.value(info[0]))} where EnvelopedData is expected")
    fields = reader.children(reader.only(info[1], ber.SEQUENCE), ber.INTEGER)[1:]
    if fields and fields[0].tag == 0xA0:
        del fields[0]  # the sender's certificates, of no use here
    if [field.tag for field in fields[:2]] != [ber.SET, ber.SEQUENCE]:
        raise CmsError("an EnvelopedData without recipients or content")
    wrapped, unwrapping = _read_key(reader, fields[0], certificate)
    content = reader.children(fields[1], ber.OID, ber.SEQUENCE)
    if len(content) < 3 or content[2].tag & ~ber.CONSTRUCTED != 0x80:
        raise CmsError("an EnvelopedData without content")
    algorithm = reader.children(content[1], ber.OID)
    cipher = algorithms.CIPHER_NAMES.get(reader.value(algorithm[0]))
    if cipher is None or len(algorithm) < 2:
        raise CmsError(f"cipher {ber.dotted(reader.value(algorithm[0]))} is not accepted: use AES in CBC mode")
    return wrapped, unwrapping, cipher, reader.string(algorithm[1]), reader.string(content[2])


def _read_key(reader: ber.Reader, recipients: ber.Element, certificate: bytes) -> tuple[bytes, AsymmetricPadding]:
    """The transported key meant for `certificate`, and how it is padded."""
    parts = read_parts(certificate)
    for recipient in reader.children(recipients):
        if recipient.tag != ber.SEQUENCE:
            continue  # key agreement and passwords
        _, named, algorithm, wrapped = reader.children(recipient, ber.INTEGER, None, ber.SEQUENCE, None)[:4]
        if named.tag == ber.SEQUENCE:
            issuer, serial = reader.children(named, ber.SEQUENCE, ber.INTEGER)[:2]
            meant = ber.sequence(reader.raw(issuer), reader.raw(serial)) == parts.reference
        else:
            meant = named.tag == 0x80 and reader.value(named) == parts.key_identifier
        if meant:
            return reader.string(wrapped), _unwrapping(reader, algorithm)
    raise CmsError("enclosed for another certificate than ours")


def _unwrapping(reader: ber.Reader, algorithm: ber.Element) -> AsymmetricPadding:
    # The parameters of rsaEncryption ought to be NULL; some clients leave them out, and they say nothing.
    name, *parameters = reader.children(algorithm, ber.OID)
    if reader.value(name) == algorithms.RSA_ENCRYPTION:
        return algorithms.PKCS1
    if reader.value(name) == algorithms.RSA_OAEP and parameters:
        digest = "sha1"
        for field in reader.children(parameters[0]):
            if field.tag == 0xA0:
                inner = reader.children(reader.only(field, ber.SEQUENCE), ber.OID)
                digest = algorithms.DIGESTS.get(reader.value(inner[0]), "")
            elif field.tag == 0xA1:
                mask = reader.children(reader.only(field, ber.SEQUENCE), ber.OID, ber.SEQUENCE)
                if (
                    reader.value(reader.children(mask[1], ber.OID)[0])
                    != ber.oid(algorithms.DIGEST_OIDS.get(digest, "1.2"))[2:]
                ):
                    digest = ""
        if digest:
            hashing = algorithms.HASHES[digest]
            return padding.OAEP(padding.MGF1(hashing), hashing, None)
    raise CmsError(f"key transport {ber.dotted(reader.value(name))} is not accepted: use RSA")
