"""A SCEP client in the hands of whoever tests: each message as it is wanted, true or not."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID, NameOID

from corral.apple.installed_profile import ScepIdentity
from corral.pki import scep
from corral.pki.scep import MessageType
from corral.simulator.device import Device
from corral.simulator.fetching import fetch_profile, open_profile
from corral.simulator.identity import Identity
from corral.simulator.installing import read_profile
from corral.simulator.transport import Response
from e2e.installation import Installation


def wanted(raw: bytes) -> ScepIdentity:
    """What a profile has its device ask for, the challenge among it."""
    found = read_profile(open_profile(raw), None).scep
    assert found is not None
    return found


async def challenge_of(device: Device, link: str) -> str:
    found = wanted(await fetch_profile(device.voice, link, device.world.trust)).challenge
    assert found is not None
    return found


def csr(
    key: rsa.RSAPrivateKey,
    challenge: str | None = None,
    *,
    name: str = "x",
    alternative: x509.GeneralName | None = None,
) -> bytes:
    """A request that asks for this subject and alternative name."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if challenge is not None:
        builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, challenge.encode())
    if alternative is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@dataclass
class ScepByHand:
    """`key` signs the messages, with a certificate of its own unless there is another `signer`."""

    at: Installation
    key: rsa.RSAPrivateKey
    signer: x509.Certificate | None = None
    messages: list[bytes] = field(default_factory=list[bytes])

    async def ask(self, request: bytes, kind: str = MessageType.PKCS_REQ) -> scep.Issued | scep.Refused | scep.Pending:
        """The certificate, or the refusal, that a certificate request gets."""
        authority = await self.authority()
        signer = self.signer or scep.build_signer(self.key, "x", datetime.now(UTC))
        nonce, transaction = os.urandom(16), scep.transaction_id(self.key)
        message = scep.build_request(
            request,
            self.key,
            signer,
            authority,
            message_type=kind,  # pyright: ignore[reportArgumentType] - others are asked for as well
            transaction_id=transaction,
            sender_nonce=nonce,
        )
        self.messages.append(message)
        answer = await self.post(message)
        assert (answer.status, answer.headers["content-type"]) == (200, "application/x-pki-message")
        return scep.read_reply(
            answer.body, self.key, signer, authority, transaction_id=transaction, sender_nonce=nonce, csr=request
        )

    async def identity(self, request: bytes, key: rsa.RSAPrivateKey, kind: str = MessageType.PKCS_REQ) -> Identity:
        issued = await self.ask(request, kind)
        assert isinstance(issued, scep.Issued), issued
        return Identity(issued.certificate, key)

    async def authority(self) -> x509.Certificate:
        url = f"{self.at.url}/scep?operation=GetCACert"
        return x509.load_der_x509_certificate((await self.at.transport.request("GET", url, trust=self.at.trust)).body)

    async def post(self, message: bytes) -> Response:
        headers = (("Content-Type", "application/x-pki-message"),)
        url = f"{self.at.url}/scep?operation=PKIOperation"
        return await self.at.transport.request("POST", url, headers=headers, body=message, trust=self.at.trust)
