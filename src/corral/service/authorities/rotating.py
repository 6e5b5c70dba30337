"""Rolling the certificate authority over: a successor, the devices that move to it, and the end of the old one."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from corral.lifecycle.change import Event
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.state import DAY, MINUTE, Instant
from corral.pki.authority import create_authority
from corral.service.authorities.authorities import LEAD, Authorities, AuthorityFile, Held, Roster
from corral.service.clock import Clock, to_datetime
from corral.service.errors import NotFound, RequestRefused
from corral.service.kept_profile import read_kept
from corral.store.ade import AdeStore
from corral.store.directory import Directory
from corral.store.work import WorkStore

TURN = "authority"
"""The kind of work that stands for changing the roster: whoever has leased it is alone with that."""
LONGEST_MOVE = 3650
"""Days over which the devices of the old authority may be renewed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An authority, and what depends on it: `identities` are devices that speak under a certificate of it, `profiles`
    devices whose enrollment profile it has signed, `only_root` those of them that trust no other one for TLS."""

    held: Held
    state: str
    identities: int
    profiles: int
    only_root: int


class Rotating:
    """`own_tls`: devices know this service by an authority of ours."""

    def __init__(
        self,
        authorities: Authorities,
        file: AuthorityFile,
        directory: Directory,
        work: WorkStore,
        ade: AdeStore,
        clock: Clock,
        *,
        organization: str,
        own_tls: bool,
    ) -> None:
        self._authorities = authorities
        self._file = file
        self._directory = directory
        self._work = work
        self._ade = ade
        self._clock = clock
        self._organization = organization
        self._own_tls = own_tls

    async def refresh(self) -> None:
        """Take what other processes have done."""
        roster = await self._file.read()
        if roster is not None:
            self._authorities.take(roster)

    async def standing(self) -> tuple[Standing, ...]:
        """All authorities, the newest first."""
        await self.refresh()
        roster, now = self._authorities.roster, self._clock()
        identities = roster.devices(await self._directory.issuers())
        first = roster.held[0].id
        profiles: dict[str, int] = {}
        only: dict[str, int] = {}
        for body, lives in await self._directory.profiles():
            kept = read_kept(body)
            if kept is None:
                continue
            if kept.signed:
                signer = kept.signer or first
                profiles[signer] = profiles.get(signer, 0) + lives
            trusted = [each.id for each in roster.trusted if each.authority.der in kept.facts.trust_roots]
            if self._own_tls and len(trusted) == 1:
                only[trusted[0]] = only.get(trusted[0], 0) + lives
        return tuple(
            Standing(
                held=each,
                state=_state(roster, each, now),
                identities=identities[each.id],
                profiles=profiles.get(each.id, 0),
                only_root=only.get(each.id, 0),
            )
            for each in reversed(roster.held)
        )

    async def rotate(self, over: Instant, by: str) -> Held:
        """A new authority: believed at once, issuing after LEAD; the devices of the others are renewed over to it
        within `over`, each at a time of its own. Raises OperationRefused."""
        if not 0 <= over <= LONGEST_MOVE * DAY:
            raise RequestRefused(f"The devices can be moved over within {LONGEST_MOVE} days at most.")

        async def add(roster: Roster, now: Instant) -> Held:
            if roster.issuing(now) != roster.trusted[-1]:
                raise OperationRefused("A new authority was made just now, and does not issue yet.")
            name = f"{self._organization[:40]} Device Authority {len(roster.held) + 1}"
            authority = await asyncio.to_thread(create_authority, name, to_datetime(now))
            new = Held(authority=authority, created_at=now, issues_from=now + LEAD, moved_by=now + over)
            data = {**_named(new), "by": by, "moved_by": to_datetime(new.moved_by).isoformat()}
            told = Event(type="authority.rotated", at=now, data=data)
            self._authorities.take(await self._file.add(roster, new, told))
            return new

        return await self._alone(add)

    async def retire(self, authority_id: str, *, force: bool, by: str) -> Held:
        """Believe an authority no longer. Refused, with numbers, while devices depend on it, unless `force`.

        Raises NotFound and OperationRefused.
        """

        async def retire(roster: Roster, now: Instant) -> Held:
            old = roster.find(authority_id) if authority_id else None
            if old is None:
                raise NotFound(f"There is no authority {authority_id}; see `corral authority list`.")
            if old.retired_at is not None:
                raise OperationRefused(f"Authority {old.id} is retired already.")
            if old not in roster.older(roster.issuing(now)):
                raise OperationRefused(f"Authority {old.id} is the newest: make its successor first (rotate).")
            dependent = await self._dependent(roster, old)
            if dependent and not force:
                raise OperationRefused(
                    f"There are {'; '.join(dependent)}. Wait until the devices are renewed; forced, "
                    "they would have to enroll again."
                )
            data = {**_named(old), "by": by, "dependent": dependent}
            told = Event(type="authority.retired", at=now, data=data)
            self._authorities.take(await self._file.retire(roster, old, now, told))
            return old

        return await self._alone(retire)

    async def _dependent(self, roster: Roster, old: Held) -> list[str]:
        (standing,) = [each for each in await self.standing() if each.held.id == old.id]
        told: list[str] = []
        if standing.identities:
            told.append(f"devices with a certificate of {old.id}: {standing.identities:,}")
        if standing.only_root:
            told.append(f"devices that know this service by {old.id} alone: {standing.only_root:,}")
        for server in await self._ade.servers() if self._own_tls else ():
            told += [
                f"profile {each.name} of server {server.name}, which names {old.id} alone: define it again"
                for each in await self._ade.profiles(server.name)
                if _names_only(json.loads(each.document), old, roster)
            ]
        return told

    async def _alone(self, act: Callable[[Roster, Instant], Awaitable[Held]]) -> Held:
        """One change at a time, over all processes, on the roster as it stands."""
        now = self._clock()
        if await self._work.next_due(TURN) is None:
            await self._work.add(TURN, ["all"], now)
        leased = await self._work.lease(TURN, now, now + MINUTE, 1)
        if not leased:
            raise OperationRefused("The authorities are being changed by somebody else right now; look, and try again.")
        try:
            await self.refresh()
            return await act(self._authorities.roster, now)
        finally:
            await self._work.finish(leased)


def _named(held: Held) -> dict[str, str]:
    return {"authority": held.id, "subject": held.authority.certificate.subject.rfc4514_string()}


def _state(roster: Roster, held: Held, now: Instant) -> str:
    if held.retired_at is not None:
        return "retired"
    if held == roster.issuing(now):
        return "issuing"
    return "believed" if held.issues_from <= now else "coming"


def _names_only(document: dict[str, object], old: Held, roster: Roster) -> bool:
    """Whether a device in Setup Assistant would know the service by nothing else, once this authority is retired."""
    anchors = msgspec.convert(document.get("anchor_certs", []), list[str])
    others = {base64.b64encode(each.authority.der).decode() for each in roster.trusted if each.id != old.id}
    return base64.b64encode(old.authority.der).decode() in anchors and not others & set(anchors)
