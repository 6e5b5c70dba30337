"""How a device gets its identity certificate: the client's side of SCEP (RFC 8894), as Apple's devices do it."""

import asyncio
import hashlib
import os
from typing import Final
from urllib.parse import quote

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa

from corral.apple.installed_profile import ScepIdentity
from corral.pki import scep
from corral.pki.scep import MessageType, ScepError
from corral.simulator.fetching import InstallationFailed
from corral.simulator.identity import Identity
from corral.simulator.speaking import Voice
from corral.simulator.transport import Response, Unreachable
from corral.simulator.trust import Trust

_RETRIES: Final = 3  # what a SCEP payload has where it does not say (Apple: "SCEP" payload, Retries)
_FINGERPRINTS: Final = {16: "md5", 20: "sha1", 32: "sha256", 64: "sha512"}


async def obtain_identity(voice: Voice, wanted: ScepIdentity, trust: Trust, key: rsa.RSAPrivateKey) -> Identity:
    """A certificate for `key`; raises InstallationFailed."""
    try:
        authority = await _authority(voice, wanted, trust)
        capabilities = await _capabilities(voice, wanted, trust)
        return await _enroll(voice, wanted, trust, key, authority, capabilities)
    except (Unreachable, ScepError) as error:
        raise InstallationFailed(f"no identity certificate: {error}") from None


async def _authority(voice: Voice, wanted: ScepIdentity, trust: Trust) -> x509.Certificate:
    """The CA certificate (RFC 8894 4.2), which must be the one that the profile names, if it names one."""
    response = await _ask(voice, wanted, trust, "GetCACert")
    encoded = scep.read_ca_certificates(response.body)
    certificates = [x509.load_der_x509_certificate(each) for each in encoded]
    usable = [each for each in certificates if isinstance(each.public_key(), rsa.RSAPublicKey)]
    if not usable:
        raise ScepError("GetCACert gave no certificate with an RSA key, which requests could be enclosed for")
    if wanted.ca_fingerprint is not None:
        digest = _FINGERPRINTS.get(len(wanted.ca_fingerprint))
        if digest is None:
            raise ScepError("the profile's CAFingerprint has the length of no digest")
        prints = [hashlib.new(digest, each, usedforsecurity=False).digest() for each in encoded]
        if wanted.ca_fingerprint not in prints:
            raise ScepError("the authority is not the one of the profile's CAFingerprint")
    return usable[0]


async def _capabilities(voice: Voice, wanted: ScepIdentity, trust: Trust) -> frozenset[str]:
    response = await _ask(voice, wanted, trust, "GetCACaps")
    found = frozenset(response.body.decode("ascii", "replace").split())
    return found | {"AES", "SHA-256", "POSTPKIOperation"} if "SCEPStandard" in found else found


async def _ask(voice: Voice, wanted: ScepIdentity, trust: Trust, operation: str) -> Response:
    response = await voice.transport.request("GET", _url(wanted, operation, wanted.name), trust=trust)
    if response.status != 200:
        raise ScepError(f"{operation} answers HTTP {response.status}")
    return response


def _url(wanted: ScepIdentity, operation: str, message: str | None) -> str:
    mark = "&" if "?" in wanted.url else "?"
    parameter = "" if message is None else f"&message={quote(message, safe='')}"
    return f"{wanted.url}{mark}operation={operation}{parameter}"


async def _enroll(
    voice: Voice,
    wanted: ScepIdentity,
    trust: Trust,
    key: rsa.RSAPrivateKey,
    authority: x509.Certificate,
    capabilities: frozenset[str],
) -> Identity:
    """PKIOperation, tried again with the same key and transactionID while the authority does not answer it."""
    name = next((value for kind, value in wanted.subject if kind in ("CN", "2.5.4.3")), "MDM identity")[:64]
    csr = scep.build_csr(key, name, wanted.challenge)
    signer = scep.build_signer(key, name, voice.now())
    transaction = scep.transaction_id(key)
    why = ""
    for attempt in range(1 + _RETRIES):
        if attempt:
            await asyncio.sleep(voice.behaviour.patience.pause(attempt - 1))
        nonce = os.urandom(16)
        message = scep.build_request(
            csr,
            key,
            signer,
            authority,
            message_type=MessageType.PKCS_REQ,
            transaction_id=transaction,
            sender_nonce=nonce,
            cipher="aes-128-cbc" if "AES" in capabilities else "des-ede3-cbc",
            digest="sha256" if "SHA-256" in capabilities else "sha1",
        )
        try:
            response = await _operate(voice, wanted, trust, message, capabilities)
        except Unreachable as error:
            why = str(error)
            continue
        if response.status != 200:
            why = f"PKIOperation answers HTTP {response.status}"
            continue
        answer = scep.read_reply(
            response.body, key, signer, authority, transaction_id=transaction, sender_nonce=nonce, csr=csr
        )
        match answer:
            case scep.Issued(certificate):
                _check_issued(certificate, authority)
                return Identity(certificate, key)
            case scep.Refused(fail_info):
                raise ScepError(f"the authority refuses: {fail_info.name}")
            case scep.Pending():
                why = "the authority keeps the request pending"
    raise ScepError(why)


async def _operate(
    voice: Voice, wanted: ScepIdentity, trust: Trust, message: bytes, capabilities: frozenset[str]
) -> Response:
    if "POSTPKIOperation" in capabilities:
        return await voice.transport.request(
            "POST",
            _url(wanted, "PKIOperation", None),
            headers=(("Content-Type", "application/x-pki-message"),),
            body=message,
            trust=trust,
        )
    url = f"{_url(wanted, 'PKIOperation', None)}&message={scep.message_parameter(message)}"
    return await voice.transport.request("GET", url, trust=trust)


def _check_issued(certificate: bytes, authority: x509.Certificate) -> None:
    try:
        x509.load_der_x509_certificate(certificate).verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        raise ScepError("the certificate is not signed by the authority that was asked") from None
