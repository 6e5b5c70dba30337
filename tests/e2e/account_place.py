"""A Corral whose people sign in with an identity provider: the stand-in, or another."""

import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa

from corral.pki import cms, scep
from corral.simulator.account_driven import Bearer, Server, ask_base, enroll_with_account, read_challenge
from corral.simulator.browser import Browser
from corral.simulator.device import Device
from corral.simulator.identity_provider import IdentityProvider, Someone
from corral.simulator.trust import Trust
from e2e.installation import Installation, Template, installation

ANN, BOB = "ann@example.org", "bob@example.org"
PASSWORD = "correct horse"


@dataclass
class Place:
    corral: Installation
    provider: IdentityProvider
    key: rsa.RSAPrivateKey

    @property
    def trust(self) -> Trust:
        """The web view believes the provider too."""
        return self.corral.trust.and_roots((_der(self.corral.template.apple.root_pem),))

    def sign(self, content: bytes) -> bytes:
        signer = scep.build_signer(self.key, "a device", datetime.now(UTC))
        return cms.sign(content, signer, self.key)

    def browser(self, login: str = ANN, password: str = PASSWORD) -> Browser:
        return Browser(self.trust, {"login": login, "password": password})

    async def profile(self, device: Device, account: str = ANN, browser: Browser | None = None) -> tuple[bytes, Bearer]:
        who = browser or self.browser(account)
        return await enroll_with_account(device.voice, account, who, self.sign, self.trust, self.corral.url)

    async def challenge(self, device: Device, kind: str = "user") -> Any:
        return read_challenge(await ask_base(device.voice, self.server(kind), self.sign, self.trust))

    def server(self, kind: str) -> Server:
        return Server("mdm-byod" if kind == "user" else "mdm-adde", f"{self.corral.url}/enroll/account/{kind}")

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(verify=self.corral.tls, base_url=self.corral.url)


def _der(pem: bytes) -> bytes:
    return base64.b64decode("".join(pem.decode().splitlines()[1:-1]))


@asynccontextmanager
async def place(template: Template, folder: Path, **settings: str) -> AsyncGenerator[Place]:
    provider = IdentityProvider(template.apple)
    issuer = await provider.start()
    for name in ("ann", "bob", "eve"):
        domain = "evil.example" if name == "eve" else "example.org"
        email = f"{name}@{domain}"
        provider.people[email] = Someone(PASSWORD, {"email": email, "email_verified": True, "groups": ["staff"]})
    provider.people["carl@example.org"] = Someone(PASSWORD, {"email": "carl@example.org", "groups": ["guests"]})
    authority = folder / "provider.pem"
    authority.write_bytes(template.apple.root_pem)
    environment = {
        "CORRAL_OIDC_ISSUER": issuer,
        "CORRAL_OIDC_CLIENT_ID": provider.client_id,
        "CORRAL_OIDC_CLIENT_SECRET": provider.client_secret or "",
        "CORRAL_OIDC_CA": str(authority),
        "CORRAL_OUTGOING_NETWORKS": "127.0.0.0/8",
        "CORRAL_ACCOUNT_DOMAINS": "example.org",
        "CORRAL_ACCOUNT_GROUPS": "staff",
        **settings,
    }
    try:
        async with installation(template, folder, environment) as made:
            provider.redirect_uris.add(f"{made.url}/account/callback")
            yield Place(made, provider, template.push_key)
    finally:
        await provider.stop()
