"""Who may enroll comes to a grant, and a grant to the profile that a device installs; enrollment links among it."""

import asyncio
import hashlib
import secrets
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from corral.apple.profile import (
    ALL_ACCESS_RIGHTS,
    AcmeIdentity,
    EnrollmentMode,
    ScepIdentity,
    enclosed,
    enrollment_profile,
    identity_profile,
)
from corral.lifecycle.admitted import Admitted, admission, grant_of, serves_again
from corral.lifecycle.change import Event
from corral.lifecycle.policy import Attestation
from corral.lifecycle.state import HOUR, Connection, EnrollmentKind, Grant, IdentityKind, Instant, Link
from corral.pki import cms
from corral.service.authorities.authorities import Authorities
from corral.service.clock import Clock, fresh_id
from corral.service.enrollment.challenges import Challenges, EnrollChallenge
from corral.service.enrollment.letterhead import Letterhead
from corral.service.errors import NotFound, OverCapacity, RequestRefused
from corral.service.kept_profile import KeptProfile, read_kept
from corral.store.devices import Committed, DeviceStore
from corral.store.events import EventStore
from corral.store.grants import GrantStore
from corral.store.vault import Vault

AT_ONCE = 64
"""Profiles that are signed for strangers at the same time, at most."""

AGAIN = 16
"""Grants for one device within an hour that are looked through for one that nobody has used yet."""

_KEPT = "profile."

_MODES = {EnrollmentKind.ACCOUNT_USER: EnrollmentMode.BYOD, EnrollmentKind.ACCOUNT_DEVICE: EnrollmentMode.ADDE}


class Enrolling:
    def __init__(
        self,
        authorities: Authorities,
        challenges: Challenges,
        grants: GrantStore,
        devices: DeviceStore,
        vault: Vault,
        events: EventStore,
        public_url: str,
        organization: str,
        clock: Clock,
        identity: IdentityKind = IdentityKind.SCEP,
        attestation: Attestation = Attestation.WANTED,
    ) -> None:
        """`identity` is what profiles for links have; `attestation` whether ACME's ask a device to attest."""
        self._authorities = authorities
        self._challenges = challenges
        self._grants = grants
        self._devices = devices
        self._vault = vault
        self._events = events
        self._letterhead = Letterhead(authorities, vault, public_url, organization, attestation)
        self._clock = clock
        self._identity = identity
        self._under_way = 0
        self._remembered: set[str] = set()

    async def create_link(
        self,
        *,
        uses: int | None,
        expires_at: Instant,
        device_id: str | None = None,
        serial_number: str | None = None,
        note: str = "",
        identity: IdentityKind | None = None,
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
            identity=identity,
        )
        data = {"link": link.id, "by": by, "uses": uses, "note": note}
        event = Event(type="link.created", at=now, data=data)
        await self._grants.add_link(link, _digest(token), (event,))
        return link, token

    def link_url(self, token: str) -> str:
        return f"{self._letterhead.url}/enroll/{token}"

    async def find_link(self, token: str) -> Link | None:
        """The link of a token, whatever its state; None if there is none. Looking counts nothing."""
        return await self._grants.find_link(_digest(token)) if 16 <= len(token) <= 64 else None

    async def revoke_link(self, link_id: str, by: str) -> None:
        now = self._clock()
        event = Event(type="link.revoked", at=now, data={"link": link_id, "by": by})
        if not await self._grants.revoke_link(link_id, now, (event,)):
            raise NotFound(f"There is no enrollment link {link_id}, or it is withdrawn already.")

    async def profile(self, link: Link, *, signed: bool = True, identity: IdentityKind | None = None) -> bytes:
        """The enrollment profile for one device under this link, with a challenge of its own; `identity` None is what
        the link has as its own, else the installation.

        Raises RequestRefused without a push certificate, since the profile must name its topic, and OverCapacity.
        """
        kept = await self._fresh(identity or link.identity or self._identity, signed=signed)
        secret = self._challenges.for_link(link.id, await self._remember(kept))
        return await self._give_out(lambda: _build(kept, secret), kept)

    async def first_profile(self, token: str, challenge: str) -> bytes:
        """The profile that begins an over-the-air enrollment by this link, signed. It lets nobody in by itself."""
        profile = self._letterhead.first_profile(f"{self.link_url(token)}/over-the-air", challenge)
        return await asyncio.to_thread(self._letterhead.sign, profile, self._authorities.current.id)

    async def admit(self, admitted: Admitted, expires_at: Instant) -> Grant:
        """A grant for who was admitted, stored, with its event.

        A device that asks again for the same admission gets the grant that it did not use yet, so that asking often
        fills nothing. Raises RequestRefused without a push certificate, and StoreUnavailable.
        """
        now = self._clock()
        kept = await self._kept(admitted)
        wanted = grant_of(
            admitted,
            grant_id=fresh_id(),
            connection_id=fresh_id(),
            profile=kept.encode(),
            now=now,
            expires_at=expires_at,
        )
        for number in range(AGAIN if admitted.is_bound else 0):
            wanted = replace(wanted, id=_numbered(admitted, now // HOUR, number))
            found = await self._stored(wanted.id)
            if found is None and await self._add(wanted, admitted):
                return replace(wanted, version=1)
            # Somebody else may have been first.
            found = found or await self._stored(wanted.id)
            if found is not None and serves_again(found, wanted, now):
                return found
        wanted = replace(wanted, id=fresh_id())
        if not await self._add(wanted, admitted):
            raise OverCapacity("This enrollment is being asked for by several requests at once; try again.")
        return replace(wanted, version=1)

    async def profile_for(self, grant: Grant, *, enclosed_for: bytes | None = None) -> bytes:
        """The enrollment profile of an admission; however often it is given out, it stands for this one grant.

        With `enclosed_for`, a certificate (DER), only its holder can read it. Raises OverCapacity.
        """
        kept, secret = _kept(grant), self._challenges.for_grant(grant.id)
        if enclosed_for is None:
            return await self._give_out(lambda: _build(kept, secret), kept)
        return await self._give_out(lambda: enclosed(_build(kept, secret), partial(_enclose, enclosed_for)), kept)

    async def identity_profile(self, grant: Grant) -> bytes | None:
        """A profile with an identity under this grant and nothing else, signed; None where identities come by ACME.

        Raises OverCapacity.
        """
        kept, secret = _kept(grant), self._challenges.for_grant(grant.id)
        if isinstance(kept.source, AcmeIdentity):
            return None
        return await self._give_out(
            lambda: identity_profile(kept.facts, kept.source, secret, identity_uuid=_fresh_uuid()), kept
        )

    def renewed(self, life: Connection) -> bytes:
        """What the life's profile is to be from its next renewal on: everything that a device insists on is repeated
        exactly, its signer among it; it comes to trust those authorities that are believed now."""
        kept = read_kept(life.profile)
        if kept is None:
            raise RequestRefused(
                "The enrollment profile of this connection is not known here, so it cannot be repeated; "
                "enroll the device again."
            )
        source = kept.source
        if isinstance(source, ScepIdentity):
            asked = self._letterhead.scep()
            source = replace(source, name=asked.name, ca_fingerprint=asked.ca_fingerprint)
        facts = replace(kept.facts, trust_roots=self._authorities.roots)
        return replace(kept, facts=facts, source=source).encode()

    def renewal_profile(self, grant: Grant) -> bytes:
        """The profile that renews an identity, as `renewed` said it is to be."""
        kept = read_kept(grant.profile)
        if kept is None:
            raise RequestRefused("This grant has no enrollment profile.")
        profile = _build(kept, self._challenges.for_grant(grant.id))
        return self._letterhead.sign(profile, kept.signer) if kept.signed else profile

    def profile_identifier(self, life: Connection) -> str:
        """What RemoveProfile must name to end this life; empty if it is not known."""
        kept = read_kept(life.profile)
        return kept.facts.identifier if kept else ""

    async def kept(self, challenge: EnrollChallenge, identity: IdentityKind = IdentityKind.SCEP) -> bytes:
        """What a renewal will have to repeat of the profile that this challenge stands in, as it was given out."""
        if not challenge.kept:
            return await self.keep(signed=challenge.signed, identity=identity)
        stored = await self._vault.get_secret(_KEPT + challenge.kept)
        if stored is None:
            # Nothing is guessed: it may have asked for an attested key, which whoever asks now may not have.
            raise RequestRefused("This profile is not known here any more; download it again.")
        return stored

    async def keep(self, *, signed: bool, identity: IdentityKind = IdentityKind.SCEP) -> bytes:
        """What a renewal will have to repeat of the profiles that are given out for links now."""
        return (await self._fresh(identity, signed=signed)).encode()

    async def _fresh(self, identity: IdentityKind, *, signed: bool) -> KeptProfile:
        signer = self._authorities.current.id if signed else ""
        return KeptProfile(await self._letterhead.facts(), self._letterhead.source(identity), signed, signer)

    async def _remember(self, kept: KeptProfile) -> str:
        """The name of what is kept. The same for all devices until a setting or the push certificate changes, so that
        giving out a profile writes nothing."""
        body = kept.encode()
        name = hashlib.sha256(body).hexdigest()[:16]
        if name not in self._remembered:
            await self._vault.put_secret(_KEPT + name, body)
            self._remembered.add(name)
        return name

    async def _stored(self, grant_id: str) -> Grant | None:
        state = await self._grants.grant_state(grant_id)
        return state.grant if state is not None else None

    async def _add(self, grant: Grant, admitted: Admitted) -> bool:
        return isinstance(await self._devices.commit(admission(grant, admitted)), Committed)

    async def _give_out(self, build: Callable[[], bytes], kept: KeptProfile) -> bytes:
        if self._under_way >= AT_ONCE:
            raise OverCapacity("Too many enrollment profiles are asked for at once; try again in a few seconds.")
        self._under_way += 1
        try:
            profile = build()
            return await asyncio.to_thread(self._letterhead.sign, profile, kept.signer) if kept.signed else profile
        finally:
            self._under_way -= 1

    async def _kept(self, admitted: Admitted) -> KeptProfile:
        mode = _MODES.get(admitted.kind)
        facts = replace(
            await self._letterhead.facts(),
            mode=mode,
            managed_account=admitted.account if mode is not None else None,
            access_rights=None if mode is EnrollmentMode.BYOD else ALL_ACCESS_RIGHTS,
        )
        return KeptProfile(facts, self._letterhead.source(admitted.identity), True, self._authorities.current.id)


def _build(kept: KeptProfile, secret: str) -> bytes:
    return enrollment_profile(kept.facts, kept.source, secret, identity_uuid=_fresh_uuid())


def _enclose(certificate: bytes, content: bytes) -> bytes:
    return cms.encrypt(content, certificate)


def _fresh_uuid() -> str:
    return str(uuid.uuid4()).upper()


def _kept(grant: Grant) -> KeptProfile:
    kept = read_kept(grant.profile)
    if kept is None:
        raise RequestRefused("This grant has no enrollment profile.")
    return kept


def _numbered(admitted: Admitted, hour: int, number: int) -> str:
    """The name of a grant that everybody comes to who admits the same device within the same hour.

    Nobody can guess a challenge from it: that has a MAC.
    """
    text = "\0".join([admitted.kind, admitted.device_id or "", admitted.serial_number or "", admitted.account or ""])
    return hashlib.sha256(f"{text}\0{hour}\0{number}".encode()).hexdigest()[:32]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
