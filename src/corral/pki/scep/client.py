"""The client's side of SCEP (RFC 8894), for devices that are simulated."""

import base64
import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AttributeOID, NameOID

from corral.pki import ber, cms
from corral.pki.cms.certificate import load_certificate, public_key
from corral.pki.cms.enveloped import Random
from corral.pki.cms.signed import read_signed, verify
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


@dataclass(frozen=True, slots=True)
class Issued:
    """`certificate` is the one for the key asked for, as DER; `certificates` are all that came, it among
    them.
    """

    certificate: bytes
    certificates: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    fail_info: FailInfo


@dataclass(frozen=True, slots=True)
class Pending:
    """The authority wants to be asked again later (CertPoll)."""


def build_csr(key: rsa.RSAPrivateKey, common_name: str, challenge: str | None = None) -> bytes:
    """A PKCS#10 request as DER, with a challengePassword if one is given."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(common_name))
    if challenge is not None:
        builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, challenge.encode())
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def build_signer(key: rsa.RSAPrivateKey, common_name: str, now: datetime) -> x509.Certificate:
    """The self-signed certificate that a first request is signed with, valid from an hour before `now` for a
    week.
    """
    return (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .issuer_name(_name(common_name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=7))
        .sign(key, hashes.SHA256())
    )


def transaction_id(key: rsa.RSAPrivateKey) -> str:
    """A transactionID from the key, the same for each attempt with it (RFC 8894 3.2.1.1)."""
    info = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(info)
    return digest.finalize().hex().upper()


def build_request(
    csr: bytes,
    key: rsa.RSAPrivateKey,
    signer_certificate: x509.Certificate,
    ca_certificate: x509.Certificate,
    *,
    message_type: MessageType = MessageType.PKCS_REQ,
    transaction_id: str,
    sender_nonce: bytes,
    cipher: str = "aes-256-cbc",
    digest: str = "sha256",
    random: Random = os.urandom,
) -> bytes:
    """A pkiMessage as DER: the CSR enclosed for the CA and signed with `key`, which `signer_certificate` is
    for.
    """
    return cms.sign(
        cms.encrypt(csr, ca_certificate, cipher, random),
        signer_certificate,
        key,
        digest=digest,
        attributes=[
            (MESSAGE_TYPE, ber.text(message_type)),
            (TRANSACTION_ID, ber.text(transaction_id)),
            (SENDER_NONCE, ber.octet_string(sender_nonce)),
        ],
    )


def read_reply(
    der: bytes,
    key: rsa.RSAPrivateKey,
    signer_certificate: x509.Certificate,
    ca_certificate: x509.Certificate,
    *,
    transaction_id: str,
    sender_nonce: bytes,
    csr: bytes | None = None,
) -> Issued | Refused | Pending:
    """Read the answer to a request that was signed with `key`; raises `ScepError` for what is none.

    `csr` says which of the certificates that came is ours; without it, it is the one for `key`.
    """
    try:
        signed = read_signed(der, MAX_MESSAGE)
        signature = verify(signed, signed.content or b"")
    except cms.CmsError as error:
        raise ScepError(f"SCEP answer: {error}") from None
    attributes = signature.attributes
    if signature.certificate != ca_certificate.public_bytes(Encoding.DER):
        raise ScepError("SCEP answer signed by another than the authority asked")
    if read_text(attributes, MESSAGE_TYPE) != CERT_REP:
        raise ScepError("SCEP answer that is no CertRep")
    if read_text(attributes, TRANSACTION_ID) != transaction_id:
        raise ScepError("SCEP answer to another transaction")
    if read_nonce(attributes, RECIPIENT_NONCE) != sender_nonce:
        raise ScepError("SCEP answer to another request: its recipientNonce differs")
    match read_text(attributes, PKI_STATUS):
        case Status.PENDING:
            return Pending()
        case Status.FAILURE:
            return Refused(_fail_info(read_text(attributes, FAIL_INFO)))
        case Status.SUCCESS if signed.content:
            wanted = key.public_key() if csr is None else x509.load_der_x509_csr(csr).public_key()
            try:
                envelope = cms.decrypt(signed.content, signer_certificate, key)
                certificates = cms.read_certificates_only(envelope.content)
                for certificate in certificates:
                    if public_key(certificate) == wanted:
                        return Issued(certificate, certificates)
            except cms.CmsError as error:
                raise ScepError(f"SCEP answer: {error}") from None
            raise ScepError("SCEP answer without a certificate for the key asked for")
        case status:
            raise ScepError(f"SCEP answer with pkiStatus {status!r}")


def _fail_info(text: str | None) -> FailInfo:
    try:
        return FailInfo(int(text or ""))
    except ValueError:
        raise ScepError(f"SCEP answer with failInfo {text!r}") from None


def read_ca_certificates(body: bytes) -> tuple[bytes, ...]:
    """The certificates in an answer to GetCACert, as DER: one certificate or a SignedData with several."""
    try:
        return cms.read_certificates_only(body)
    except cms.CmsError:
        try:
            load_certificate(body)
        except cms.CmsError:
            raise ScepError("GetCACert answer that is neither a certificate nor a list of them") from None
        return (body,)


def message_parameter(der: bytes) -> str:
    """A message for the query string of a GET."""
    return quote(base64.b64encode(der), safe="")


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
