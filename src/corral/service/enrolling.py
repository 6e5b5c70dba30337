"""Enrollment links, and the profile that a device installs."""

import asyncio
import hashlib
import secrets
import uuid
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

import msgspec

from corral.apple.profile import EnrollmentFacts, enrollment_profile
from corral.lifecycle.change import Event
from corral.lifecycle.state import Connection, Grant, Instant, Link
from corral.pki import cms
from corral.pki.authority import Authority
from corral.service.challenges import Challenges
from corral.service.clock import Clock
from corral.service.errors import NotFound, OverCapacity, RequestRefused
from corral.store.events import EventStore
from corral.store.grants import GrantStore
from corral.store.vault import Vault

CAPABILITIES = (
    "com.apple.mdm.per-user-connections",
    "com.apple.mdm.bootstraptoken",
    "com.apple.mdm.token",
)
ALL_RIGHTS = 8191
AT_ONCE = 64
"""Profiles that are signed for strangers at the same time, at most."""


@dataclass(frozen=True, slots=True)
class KeptProfile:
    """What a renewal must repeat exactly: a device refuses an update that is signed by another, or not at all."""

    facts: EnrollmentFacts
    signed: bool


class Enrolling:
    def __init__(
        self,
        authority: Authority,
        challenges: Challenges,
        grants: GrantStore,
        vault: Vault,
        events: EventStore,
        public_url: str,
        organization: str,
        clock: Clock,
    ) -> None:
        self._authority = authority
        self._challenges = challenges
        self._grants = grants
        self._vault = vault
        self._events = events
        self._url = public_url.rstrip("/")
        self._organization = organization
        self._clock = clock
        self._under_way = 0
        host = (urlsplit(self._url).hostname or "localhost").lower()
        self._namespace = uuid.uuid5(uuid.NAMESPACE_URL, self._url)
        self._identifier = ".".join([*reversed(host.split(".")), "corral", "enrollment"])

    async def create_link(
        self,
        *,
        uses: int | None,
        expires_at: Instant,
        device_id: str | None = None,
        serial_number: str | None = None,
        note: str = "",
        by: str = "",
    ) -> tuple[Link, str]:
        """A new link and its token, which only its URL shows: what is kept is a hash."""
        now = self._clock()
        if uses is not None and uses < 1:
            raise RequestRefused("A link needs at least one use.")
        if expires_at <= now:
            raise RequestRefused("A link must expire in the future.")
        token = secrets.token_urlsafe(24)
        link = Link(
            id=secrets.token_hex(8),
            created_at=now,
            created_by=by,
            note=note,
            uses=uses,
            expires_at=expires_at,
            device_id=device_id,
            serial_number=serial_number,
        )
        await self._grants.add_link(link, _digest(token))
        data = {"link": link.id, "by": by, "uses": uses, "note": note}
        await self._events.append((Event(type="link.created", at=now, data=data),))
        return link, token

    def link_url(self, token: str) -> str:
        return f"{self._url}/enroll/{token}"

    async def find_link(self, token: str) -> Link | None:
        """The link of a token, whatever its state; None if there is none. Looking counts nothing."""
        return await self._grants.find_link(_digest(token)) if 16 <= len(token) <= 64 else None

    async def revoke_link(self, link_id: str, by: str) -> None:
        if not await self._grants.revoke_link(link_id, self._clock()):
            raise NotFound(f"There is no enrollment link {link_id}, or it is withdrawn already.")
        event = Event(type="link.revoked", at=self._clock(), data={"link": link_id, "by": by})
        await self._events.append((event,))

    async def profile(self, link: Link, *, signed: bool = True) -> bytes:
        """The enrollment profile for one device under this link, with a challenge of its own.

        Raises RequestRefused without a push certificate, since the profile must name its topic, and OverCapacity.
        """
        if self._under_way >= AT_ONCE:
            raise OverCapacity("Too many enrollment profiles are asked for at once; try again in a few seconds.")
        self._under_way += 1
        try:
            facts = await self._facts()
            profile = _build(facts, self._challenges.for_link(link.id, signed=signed), uuid.uuid4())
            return await asyncio.to_thread(self._sign, profile) if signed else profile
        finally:
            self._under_way -= 1

    def renewal_profile(self, life: Connection, grant: Grant) -> bytes:
        """The profile that the life was enrolled by, with a new identity: everything else is repeated exactly."""
        kept = read_kept(life.profile)
        if kept is None:
            raise RequestRefused(
                "The enrollment profile of this connection is not known here, so it cannot be repeated; "
                "enroll the device again."
            )
        profile = _build(kept.facts, self._challenges.for_renewal(grant.id), uuid.uuid4())
        return self._sign(profile) if kept.signed else profile

    def profile_identifier(self, life: Connection) -> str:
        """What RemoveProfile must name to end this life; empty if it is not known."""
        kept = read_kept(life.profile)
        return kept.facts.identifier if kept else ""

    async def keep(self, *, signed: bool) -> bytes:
        """What a renewal will have to repeat of the profiles that are given out now."""
        return msgspec.json.encode(KeptProfile(await self._facts(), signed))

    async def _facts(self) -> EnrollmentFacts:
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
            scep_url=f"{self._url}/scep",
            scep_name="corral",
            server_url=f"{self._url}/mdm",
            check_in_url=f"{self._url}/checkin",
            topic=newest.topic,
            capabilities=CAPABILITIES,
            access_rights=ALL_RIGHTS,
            trust_roots=(self._authority.der,),
            mdm_uuid=self._uuid("mdm"),
        )

    def _uuid(self, name: str) -> str:
        return str(uuid.uuid5(self._namespace, name)).upper()

    def _sign(self, profile: bytes) -> bytes:
        return cms.sign(profile, self._authority.certificate, self._authority.key)


@lru_cache(256)
def read_kept(profile: bytes) -> KeptProfile | None:
    """What was kept of a life's profile; None for one that was enrolled elsewhere."""
    return msgspec.json.decode(profile, type=KeptProfile) if profile else None


def _build(facts: EnrollmentFacts, challenge: str, identity_uuid: uuid.UUID) -> bytes:
    return enrollment_profile(facts, challenge, identity_uuid=str(identity_uuid).upper())


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
