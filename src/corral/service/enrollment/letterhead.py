"""What this service writes over and under every profile: its addresses, its names, what it is trusted by, and its
signature."""

import hashlib
import uuid
from urllib.parse import urlsplit

from corral.apple.profile import AcmeIdentity, EnrollmentFacts, IdentitySource, ScepIdentity, profile_service
from corral.lifecycle.policy import Attestation
from corral.lifecycle.state import IdentityKind
from corral.pki import cms
from corral.service.authorities.authorities import Authorities
from corral.service.errors import RequestRefused
from corral.store.vault import Vault


class Letterhead:
    def __init__(
        self, authorities: Authorities, vault: Vault, public_url: str, organization: str, attestation: Attestation
    ) -> None:
        """`attestation` says whether profiles with an identity by ACME ask a device to attest."""
        self._authorities = authorities
        self._vault = vault
        self.url = public_url.rstrip("/")
        self._organization = organization
        self._attestation = attestation
        host = (urlsplit(self.url).hostname or "localhost").lower()
        self._namespace = uuid.uuid5(uuid.NAMESPACE_URL, self.url)
        self._identifier = ".".join([*reversed(host.split(".")), "corral", "enrollment"])

    def first_profile(self, url: str, challenge: str) -> bytes:
        """The profile that begins an over-the-air enrollment, unsigned: devices post to `url`."""
        return profile_service(
            url=url,
            challenge=challenge,
            identifier=f"{self._identifier}.over-the-air",
            payload_uuid=self._uuid("over-the-air"),
            display_name=f"{self._organization}: enrollment",
            organization=self._organization,
        )

    async def facts(self) -> EnrollmentFacts:
        """Of enrollment profiles that are given out now. Raises RequestRefused without a push certificate."""
        certificates = [each for each in await self._vault.push_certificates() if not each.stopped]
        if not certificates:
            raise RequestRefused(
                "There is no push certificate yet, and a profile must name its topic: see `corral push-cert request`."
            )
        newest = max(certificates, key=lambda each: each.imported_at)
        return EnrollmentFacts(
            identifier=self._identifier,
            uuid=self._uuid("profile"),
            organization=self._organization,
            display_name=f"{self._organization}: device management",
            server_url=f"{self.url}/mdm",
            check_in_url=f"{self.url}/checkin",
            topic=newest.topic,
            trust_roots=self._authorities.roots,
            mdm_uuid=self._uuid("mdm"),
        )

    def source(self, identity: IdentityKind) -> IdentitySource:
        """How a device gets its identity certificate."""
        if identity is IdentityKind.ACME:
            return AcmeIdentity(f"{self.url}/acme/directory", attest=self._attestation is not Attestation.OFF)
        return self.scep()

    def scep(self) -> ScepIdentity:
        """By the authority that issues now."""
        authority = self._authorities.current
        # Devices compare SHA-1 at every version that was ever documented, and a second preimage of it is still out
        # of reach.
        fingerprint = hashlib.sha1(authority.der, usedforsecurity=False).digest()
        name = self._authorities.roster.scep_name(authority)
        return ScepIdentity(url=f"{self.url}/scep", name=name, ca_fingerprint=fingerprint)

    def _uuid(self, name: str) -> str:
        return str(uuid.uuid5(self._namespace, name)).upper()

    def sign(self, profile: bytes, signer: str) -> bytes:
        """By the authority that signed the device's first profile, though it may be retired: no other is taken."""
        held = self._authorities.roster.find(signer)
        if held is None:
            raise RequestRefused(f"The authority {signer} that signed this profile is not known here any more.")
        return cms.sign(profile, held.authority.certificate, held.authority.key)
