"""The server token: what Apple's portal hands out for one device management server, enveloped to that server's key."""

import base64
import binascii
import email
import email.policy
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from corral.pki.cms.algorithms import CmsError
from corral.pki.cms.enveloped import decrypt
from corral.pki.own_key import read_own_key

MAX_BYTES = 64 * 1024
KEY_LASTS = timedelta(days=3650)

_BEGIN, _END = b"-----BEGIN MESSAGE-----", b"-----END MESSAGE-----"


class TokenError(ValueError):
    """A server token cannot be read; one line says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerToken:
    """Names and secrets of OAuth; whoever has them acts as this server towards Apple."""

    consumer_key: str
    consumer_secret: str = field(repr=False)
    access_token: str = field(repr=False)
    access_secret: str = field(repr=False)
    expires_at: datetime

    def to_json(self) -> bytes:
        """The document that Apple enveloped, which `read_token` reads."""
        return msgspec.json.encode(
            _Document(
                consumer_key=self.consumer_key,
                consumer_secret=self.consumer_secret,
                access_token=self.access_token,
                access_secret=self.access_secret,
                access_token_expiry=self.expires_at,
            )
        )


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The portal gets the certificate, and the token comes back enveloped to it. Both PEM."""

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)


class _Document(msgspec.Struct, kw_only=True):
    consumer_key: str
    consumer_secret: str
    access_token: str
    access_secret: str
    access_token_expiry: datetime


def make_key_pair(name: str, now: datetime) -> KeyPair:
    """A new RSA key and a certificate of its own signing: the portal takes the key out of it, and believes nothing."""
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(secrets.randbits(63) | 1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + KEY_LASTS)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return KeyPair(certificate.public_bytes(Encoding.PEM), pem)


def open_token(file: bytes, pair: KeyPair) -> ServerToken:
    """Read what the portal gave out: an S/MIME message, or its content in base64 or DER. Raises TokenError."""
    if len(file) > MAX_BYTES:
        raise TokenError(f"the file has more than {MAX_BYTES} bytes, so it is no server token")
    certificate = x509.load_pem_x509_certificate(pair.certificate_pem)
    key = read_own_key(pair.key_pem)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TokenError("the server's key is no RSA key")
    try:
        content = decrypt(_unwrap(file), certificate, key, MAX_BYTES).content
    except CmsError as error:
        raise TokenError(
            f"the token cannot be opened with this server's key ({error}): give the portal the certificate of this"
            " server, and download a token again"
        ) from None
    return read_token(content)


def read_token(content: bytes) -> ServerToken:
    """Of what was enveloped: a text with the JSON document between two markers, or the bare document."""
    _, begun, rest = content.partition(_BEGIN)
    text, ended, _ = rest.partition(_END) if begun else (content, b"-", b"")
    if not ended:
        raise TokenError("the token has a beginning and no end")
    try:
        document = msgspec.json.decode(text.strip(), type=_Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise TokenError("the token holds no document with keys and secrets of OAuth") from None
    expires = document.access_token_expiry
    return ServerToken(
        consumer_key=document.consumer_key,
        consumer_secret=document.consumer_secret,
        access_token=document.access_token,
        access_secret=document.access_secret,
        expires_at=expires if expires.tzinfo is not None else expires.replace(tzinfo=UTC),
    )


def _unwrap(file: bytes) -> bytes:
    """The DER out of a MIME message, of base64, or as it is."""
    if file[:1] == b"\x30" and file[1:2] >= b"\x80":
        return file
    head = file.lstrip()[:4096].lower()
    if b"content-type:" in head or b"mime-version:" in head:
        message = email.message_from_bytes(file.lstrip(), policy=email.policy.default)
        content = message.get_payload(decode=True)
        if not isinstance(content, bytes):
            raise TokenError("the file is a mail of several parts, and no server token")
        return content
    try:
        return base64.b64decode(b"".join(file.split()), validate=True)
    except binascii.Error:
        raise TokenError(
            "the file is neither a message of S/MIME nor its content; give the .p7m file as it is"
        ) from None
