"""The server's side of SCEP (RFC 8894): read a request, answer it.

Nothing is authorized here. A `Request` says that whoever sent it holds the key in it, and what challenge came
along; for a renewal, `signer` is a certificate that the caller must judge.
"""

import base64
import binascii
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AttributeOID

from corral.pki import ber, cms
from corral.pki.authority import Authority, KeyRefused, PublicKey, check_key
from corral.pki.cms.certificate import UNREADABLE, load_public_key, public_key
from corral.pki.cms.enveloped import Random
from corral.pki.cms.signed import Signed, read_signed, verify
from corral.pki.scep.messages import (
    CERT_REP,
    FAIL_INFO,
    MAX_MESSAGE,
    MESSAGE_TYPE,
    PKI_STATUS,
    RECIPIENT_NONCE,
    SENDER_NONCE,
    TRANSACTION_ID,
    FailInfo,
    MessageType,
    ScepError,
    Status,
    read_nonce,
    read_text,
)

# What GetCACaps answers. SHA-1 and single DES are read and not offered.
CAPABILITIES: Final = b"AES\nDES3\nPOSTPKIOperation\nRenewal\nSCEPStandard\nSHA-256\nSHA-512\n"

# What comes in one cipher goes back in one that the client can surely read and that is no weaker. A client
# that knows single DES knows 3DES, which is the same cipher three times and which RFC 8894 2.9 has every
# client know.
_ANSWER_WITH = {"des-cbc": "des-ede3-cbc"}


@dataclass(frozen=True, slots=True)
class Request:
    """A request that holds together: signed by `signer`, and the CSR by the key that it names.

    `challenge` and `csr`, which contains it, are secrets. `digest` and `cipher` are the client's, for the
    answer.
    """

    message_type: MessageType
    transaction_id: str
    sender_nonce: bytes
    csr: bytes = field(repr=False)
    public_key: PublicKey
    challenge: str | None = field(repr=False)
    signer: bytes = field(repr=False)
    digest: str
    cipher: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is wrong and can be told so. `reason` is for the log; the client learns `fail_info`
    only.
    """

    transaction_id: str
    sender_nonce: bytes
    fail_info: FailInfo
    reason: str
    digest: str = "sha256"


class _Wrong(Exception):
    def __init__(self, fail_info: FailInfo, reason: str) -> None:
        super().__init__(reason)
        self.fail_info = fail_info


def addressed(der: bytes, authorities: Sequence[Authority]) -> Authority:
    """Of several authorities the one that a pkiMessage is enclosed for; the first where it is for none of them."""
    if len(authorities) > 1:
        try:
            content = read_signed(der, MAX_MESSAGE).content or b""
        except cms.CmsError:
            content = b""
        for each in authorities:
            if cms.is_enclosed_for(content, each.der):
                return each
    return authorities[0]


def read_request(der: bytes, authority: Authority) -> Request | Refusal:
    """Read a pkiMessage; raises `ScepError` for one that cannot be answered (HTTP 400)."""
    try:
        signed = read_signed(der, MAX_MESSAGE)
    except cms.CmsError as error:
        raise ScepError(f"SCEP message: {error}") from None
    transaction_id = read_text(signed.attributes, TRANSACTION_ID)
    if not transaction_id or len(transaction_id) > 256:
        raise ScepError("SCEP message without a transactionID, or one of more than 256 characters")
    nonce = read_nonce(signed.attributes, SENDER_NONCE) or b""
    try:
        return _read_request(signed, transaction_id, nonce, authority)
    except _Wrong as wrong:
        return Refusal(transaction_id, nonce, wrong.fail_info, str(wrong), signed.digest or "sha256")


def _read_request(signed: Signed, transaction_id: str, nonce: bytes, authority: Authority) -> Request:
    if signed.digest is None:
        raise _Wrong(FailInfo.BAD_ALG, "digest algorithm that is not accepted: use SHA-256")
    if not 1 <= len(nonce) <= 64:
        raise _Wrong(FailInfo.BAD_REQUEST, "no senderNonce, or one of more than 64 bytes")
    try:
        message_type = MessageType(read_text(signed.attributes, MESSAGE_TYPE) or "")
    except ValueError:  # of the enumeration, or of the attribute's text
        raise _Wrong(FailInfo.BAD_REQUEST, "message type other than PKCSReq and RenewalReq") from None
    if not signed.content:
        raise _Wrong(FailInfo.BAD_REQUEST, "a request without content")
    try:
        signature = verify(signed, signed.content)
        signer_key = public_key(signature.certificate)
        if not isinstance(signer_key, rsa.RSAPublicKey):
            raise _Wrong(FailInfo.BAD_ALG, "signed with a key that no answer can be enclosed for: use RSA")
        envelope = cms.decrypt(signed.content, authority.der, authority.key)
    except cms.CmsError as error:
        raise _Wrong(FailInfo.BAD_MESSAGE_CHECK, str(error)) from None

    csr, key = _read_csr(envelope.content)
    if message_type is MessageType.PKCS_REQ and key != signer_key:
        raise _Wrong(FailInfo.BAD_REQUEST, "a PKCSReq must be signed with the key that it asks a certificate for")
    return Request(
        message_type=message_type,
        transaction_id=transaction_id,
        sender_nonce=nonce,
        csr=envelope.content,
        public_key=key,
        challenge=_challenge(csr),
        signer=signature.certificate,
        digest=signature.digest,
        cipher=envelope.cipher,
    )


def _read_csr(der: bytes) -> tuple[x509.CertificateSigningRequest, PublicKey]:
    # Until the CSR's own signature has held, the client is told the same as when its envelope could not be
    # opened: otherwise it could ask about somebody else's envelope, altered, as often as it likes (padding
    # oracle).
    try:
        csr = x509.load_der_x509_csr(der)
        key = csr.public_key()
        load_public_key(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        if not csr.is_signature_valid:
            raise _Wrong(FailInfo.BAD_MESSAGE_CHECK, "the CSR's signature does not fit its key")
    except UNREADABLE:
        raise _Wrong(FailInfo.BAD_MESSAGE_CHECK, "the enclosed request is no CSR that can be read") from None
    if isinstance(csr.signature_hash_algorithm, hashes.MD5):
        raise _Wrong(FailInfo.BAD_ALG, "the CSR is signed with MD5: use SHA-256")
    try:
        return csr, check_key(key)
    except KeyRefused as refused:
        raise _Wrong(FailInfo.BAD_ALG, str(refused)) from None


def _challenge(csr: x509.CertificateSigningRequest) -> str | None:
    try:
        return csr.attributes.get_attribute_for_oid(AttributeOID.CHALLENGE_PASSWORD).value.decode()
    except x509.AttributeNotFound:
        return None
    except ValueError:
        raise _Wrong(FailInfo.BAD_REQUEST, "a challengePassword that is no text") from None


def reply_issued(request: Request, authority: Authority, certificate: bytes, random: Random = os.urandom) -> bytes:
    """The CertRep that carries the certificate issued (DER), enclosed for the request's signer."""
    cipher = _ANSWER_WITH.get(request.cipher, request.cipher)
    content = cms.encrypt(cms.certificates_only([certificate]), request.signer, cipher, random)
    return _reply(request, authority, Status.SUCCESS, [], content, random)


def reply_refused(
    request: Request | Refusal,
    authority: Authority,
    fail_info: FailInfo | None = None,
    random: Random = os.urandom,
) -> bytes:
    """The CertRep that says no; `fail_info` may be left out for a `Refusal`, which has its own."""
    if fail_info is None:
        fail_info = request.fail_info if isinstance(request, Refusal) else FailInfo.BAD_REQUEST
    return _reply(request, authority, Status.FAILURE, [(FAIL_INFO, ber.text(str(int(fail_info))))], None, random)


def _reply(
    request: Request | Refusal,
    authority: Authority,
    status: Status,
    attributes: list[tuple[str, bytes]],
    content: bytes | None,
    random: Random,
) -> bytes:
    nonce = request.sender_nonce
    return cms.sign(
        content or b"",
        authority.certificate,
        authority.key,
        detached=content is None,
        digest=request.digest,
        attributes=[
            (MESSAGE_TYPE, ber.text(CERT_REP)),
            (PKI_STATUS, ber.text(status)),
            (TRANSACTION_ID, ber.text(request.transaction_id)),
            (SENDER_NONCE, ber.octet_string(random(16))),
            *([(RECIPIENT_NONCE, ber.octet_string(nonce))] if nonce else []),
            *attributes,
        ],
    )


def read_message_parameter(query: bytes) -> bytes:
    """The message in a GET's raw query string (RFC 8894 4.1); raises `ScepError`.

    Clients differ in how they escape base64: "+" sent bare, the URL-safe alphabet, padding left off.
    """
    if len(query) > 2 * MAX_MESSAGE:
        raise ScepError(f"query string of {len(query)} bytes, at most {2 * MAX_MESSAGE} are read")
    for pair in query.split(b"&"):
        name, _, value = pair.partition(b"=")
        if name == b"message":
            text = b"".join(unquote_to_bytes(value).replace(b" ", b"+").translate(_STANDARD, b"\r\n\t").split())
            text = text.rstrip(b"=")
            try:
                return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
            except binascii.Error:
                raise ScepError("message parameter that is not base64") from None
    raise ScepError("no message parameter in the query string")


_STANDARD = bytes.maketrans(b"-_", b"+/")
