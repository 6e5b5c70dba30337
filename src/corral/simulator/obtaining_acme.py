"""How a device gets its identity certificate by ACME (RFC 8555, draft-acme-device-attest-01), as Apple's devices do it:
a key of its own for the account, one order, an attestation of the identity's key, and the certificate.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from corral.apple.installed_profile import AcmeIdentity
from corral.simulator.acme_signing import b64, sign_request
from corral.simulator.attesting import AttestationServer, attest_device, attestation_object
from corral.simulator.fetching import InstallationFailed
from corral.simulator.identity import Identity
from corral.simulator.speaking import Voice
from corral.simulator.transport import Response, Unreachable
from corral.simulator.trust import Trust

_JOSE: Final = (("Content-Type", "application/jose+json"),)
_POLLS: Final = 10
_BAD_NONCE: Final = "urn:ietf:params:acme:error:badNonce"
_NONCE: Final = re.compile(r"[A-Za-z0-9_-]+")


class _AcmeFailed(Exception):
    """What the server said or did that no certificate can come of."""


async def obtain_by_acme(
    voice: Voice, wanted: AcmeIdentity, trust: Trust, attester: AttestationServer | None
) -> Identity:
    """A certificate for a new key; raises InstallationFailed.

    `attester` stands in for Apple's servers. A device that is to attest and has none gives up, as one that cannot.
    """
    if wanted.attest and (attester is None or _is_too_old(voice)):
        raise InstallationFailed("no identity certificate: the profile asks for an attestation, and there is none")
    key = ec.generate_private_key(ec.SECP256R1() if wanted.key_size == 256 else ec.SECP384R1())
    try:
        client = _Client(voice, trust, await _directory(voice, wanted, trust))
        return await _obtain(client, voice, wanted, key, attester)
    except (Unreachable, _AcmeFailed) as error:
        raise InstallationFailed(f"no identity certificate: {error}") from None


def _is_too_old(voice: Voice) -> bool:
    """A Mac attests from macOS 14 on, if it has Apple silicon (Apple: "ACMECertificate" payload, Attest)."""
    return voice.facts.is_mac and int(voice.facts.os_version.partition(".")[0] or 0) < 14


async def _directory(voice: Voice, wanted: AcmeIdentity, trust: Trust) -> Mapping[str, str]:
    response = await voice.transport.request("GET", wanted.directory_url, trust=trust)
    if response.status != 200:
        raise _AcmeFailed(f"the directory answers HTTP {response.status}")
    found = _document(response)
    names = ("newNonce", "newAccount", "newOrder")
    return {name: _url(found, name) for name in names}


async def _obtain(
    client: "_Client",
    voice: Voice,
    wanted: AcmeIdentity,
    key: ec.EllipticCurvePrivateKey,
    attester: AttestationServer | None,
) -> Identity:
    await client.register()
    identifier = {"type": "permanent-identifier", "value": wanted.client_identifier}
    begun = await client.post(client.directory["newOrder"], {"identifiers": [identifier]}, (201,))
    order, where = _document(begun), begun.headers.get("location", "")
    if order.get("identifiers") != [identifier]:
        raise _AcmeFailed("the order is for another identifier than the one that was asked for")
    await _prove(client, voice, wanted, order, key, attester)
    csr = _csr(key, wanted)
    finished = _document(await client.post(_url(order, "finalize"), {"csr": b64(csr)}))
    finished = await client.poll(where, finished, "valid", ("ready", "processing"))
    answer = await client.post(_url(finished, "certificate"), None)
    if answer.headers.get("content-type", "").partition(";")[0] != "application/pem-certificate-chain":
        raise _AcmeFailed("the certificate is no PEM chain")
    return Identity(_leaf(answer.body, key), key)


async def _prove(
    client: "_Client",
    voice: Voice,
    wanted: AcmeIdentity,
    order: Mapping[str, object],
    key: ec.EllipticCurvePrivateKey,
    attester: AttestationServer | None,
) -> None:
    authorizations = order.get("authorizations")
    if not isinstance(authorizations, list) or len(cast(list[object], authorizations)) != 1:
        raise _AcmeFailed("the order has not exactly one authorization")
    where = str(cast(list[object], authorizations)[0])
    authorization = _document(await client.post(where, None))
    if authorization.get("status") == "valid":
        return
    challenge = _challenge(authorization)
    token = challenge.get("token")
    if not isinstance(token, str) or len(token) < 22:
        raise _AcmeFailed("the challenge has no token of 128 bits")
    chain: tuple[bytes, ...] = ()
    if wanted.attest and attester is not None:
        chain = attest_device(attester, voice.facts, key.public_key(), token.encode(), voice.now())
    proof = {"attObj": b64(attestation_object(chain))}
    await client.post(_url(challenge, "url"), proof)
    await client.poll(where, None, "valid", ("pending",))


def _challenge(authorization: Mapping[str, object]) -> Mapping[str, object]:
    found = authorization.get("challenges")
    for each in cast(list[object], found) if isinstance(found, list) else []:
        if isinstance(each, dict):
            challenge = cast(dict[str, object], each)
            if challenge.get("type") == "device-attest-01":
                return challenge
    raise _AcmeFailed("the authorization offers no challenge of type device-attest-01")


@dataclass(slots=True)
class _Client:
    """An account with a key of its own; each answer brings the nonce of the next request."""

    voice: Voice
    trust: Trust
    directory: Mapping[str, str]
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    account: str | None = None
    nonce: str = ""

    async def register(self) -> None:
        answer = await self.post(self.directory["newAccount"], {"termsOfServiceAgreed": True}, (200, 201))
        self.account = answer.headers.get("location")
        if not self.account:
            raise _AcmeFailed("the new account has no Location")

    async def post(self, url: str, payload: object, expected: tuple[int, ...] = (200,)) -> Response:
        """A signed request, once more with a new nonce where the server says badNonce (RFC 8555 6.5)."""
        for last in (False, True):
            if not self.nonce:
                answer = await self.voice.transport.request("HEAD", self.directory["newNonce"], trust=self.trust)
                self._take_nonce(answer)
            body = sign_request(self.key, url, self.nonce, payload, kid=self.account)
            self.nonce = ""
            answer = await self.voice.transport.request("POST", url, headers=_JOSE, body=body, trust=self.trust)
            self._take_nonce(answer)
            if answer.status in expected:
                return answer
            problem = _document(answer)
            if last or problem.get("type") != _BAD_NONCE:
                raise _AcmeFailed(f"HTTP {answer.status}, {problem.get('type')}: {problem.get('detail')}")
        raise AssertionError("the second attempt returns or raises")

    async def poll(
        self, url: str, document: Mapping[str, object] | None, wanted: str, waiting: tuple[str, ...]
    ) -> Mapping[str, object]:
        """Look until the status is what is wanted (RFC 8555 7.5.1)."""
        for attempt in range(_POLLS):
            if document is None:
                document = _document(await self.post(url, None))
            status = document.get("status")
            if status == wanted:
                return document
            if status not in waiting:
                raise _AcmeFailed(f"it became {status}: {json.dumps(_error(document))}")
            document = None
            await asyncio.sleep(self.voice.behaviour.patience.pause(attempt))
        raise _AcmeFailed(f"it never became {wanted}")

    def _take_nonce(self, answer: Response) -> None:
        nonce = answer.headers.get("replay-nonce", "")
        if not _NONCE.fullmatch(nonce):
            raise _AcmeFailed(f"an answer (HTTP {answer.status}) without a Replay-Nonce of base64url")
        self.nonce = nonce


def _error(document: Mapping[str, object]) -> object:
    """What the server says of an order or an authorization that has become invalid."""
    found = document.get("challenges")
    nested = [cast(dict[str, object], each).get("error") for each in cast(list[object], found or [])]
    return document.get("error") or next(filter(None, nested), None)


def _document(response: Response) -> Mapping[str, object]:
    try:
        found = json.loads(response.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _AcmeFailed(f"an answer (HTTP {response.status}) that is no JSON object")
    return cast(dict[str, object], found)


def _url(document: Mapping[str, object], name: str) -> str:
    found = document.get(name)
    if not isinstance(found, str) or not found.startswith("https://"):
        raise _AcmeFailed(f"{name} is no https URL")
    return found


def _csr(key: ec.EllipticCurvePrivateKey, wanted: AcmeIdentity) -> bytes:
    name = next((value for kind, value in wanted.subject if kind in ("CN", "2.5.4.3")), "MDM identity")[:64]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.DER)


def _leaf(pem: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    try:
        leaf, *above = x509.load_pem_x509_certificates(pem)
        if above:
            leaf.verify_directly_issued_by(above[0])
    except (ValueError, TypeError, InvalidSignature):
        raise _AcmeFailed("the certificate's chain does not hold") from None
    if leaf.public_key() != key.public_key():
        raise _AcmeFailed("the certificate is for another key")
    return leaf.public_bytes(Encoding.DER)
