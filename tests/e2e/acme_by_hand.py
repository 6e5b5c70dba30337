"""An ACME client in the hands of whoever tests: each request as it is wanted, true or not."""

import json
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from corral.apple.installed_profile import read_enrollment_profile
from corral.simulator.acme_signing import b64, sign_request
from corral.simulator.attesting import attest_device, attestation_object
from corral.simulator.device import Device
from corral.simulator.fetching import fetch_profile, open_profile
from corral.simulator.transport import Response
from e2e.installation import Installation


class AcmeByHand:
    """Speaks ACME by hand, for a profile that was made for `device`."""

    def __init__(self, corral: Installation, device: Device) -> None:
        self.corral = corral
        self.device = device
        self.account_key = ec.generate_private_key(ec.SECP256R1())
        self.kid: str | None = None
        self.identifier = ""

    async def begin(self) -> Any:
        """An account and an order."""
        raw = await fetch_profile(self.device.voice, await self.corral.link(), self.corral.trust)
        profile = read_enrollment_profile(open_profile(raw).content)
        if profile.acme is not None:
            self.identifier = profile.acme.client_identifier
        elif profile.scep is not None:
            self.identifier = profile.scep.challenge or ""
        await self.register()
        return await self.order()

    async def register(self) -> None:
        self.kid = (await self.post("new-account", {})).headers["location"]

    async def order(self) -> Any:
        asked = {"identifiers": [{"type": "permanent-identifier", "value": self.identifier}]}
        return json.loads((await self.post("new-order", asked)).body)

    async def nonce(self) -> str:
        answer = await self.corral.transport.request(
            "HEAD", f"{self.corral.url}/acme/new-nonce", trust=self.corral.trust
        )
        return answer.headers["replay-nonce"]

    async def post(self, path: str, payload: object = None) -> Response:
        url = path if path.startswith("https:") else f"{self.corral.url}/acme/{path}"
        return await self.send(url, sign_request(self.account_key, url, await self.nonce(), payload, kid=self.kid))

    async def send(self, url: str, body: bytes) -> Response:
        headers = (("Content-Type", "application/jose+json"),)
        return await self.corral.transport.request("POST", url, headers=headers, body=body, trust=self.corral.trust)

    async def challenge(self, order: Any) -> Any:
        return json.loads((await self.post(order["authorizations"][0])).body)["challenges"][0]

    async def prove(self, order: Any, key: ec.EllipticCurvePrivateKey, token: str = "", facts: Any = None) -> Any:
        challenge = await self.challenge(order)
        nonce = (token or challenge["token"]).encode()
        attester = self.corral.template.attester
        chain = attest_device(attester, facts or self.device.facts, key.public_key(), nonce, datetime.now(UTC))
        return json.loads((await self.post(challenge["url"], {"attObj": b64(attestation_object(chain))})).body)


def csr(key: ec.EllipticCurvePrivateKey) -> str:
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return b64(made.public_bytes(Encoding.DER))


def problem(answer: Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["replay-nonce"], "the client can go on"
    return str(json.loads(answer.body)["type"]).rpartition(":")[2]
