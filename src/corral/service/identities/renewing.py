"""Identity certificates are renewed before they expire: spread over time, a few at a time, and again where it failed.

Devices do not renew the identity of their MDM payload by themselves. Work `renew` of a connection is due when its
renewal is to begin, and, once begun, when somebody looks again whether it has come through.
"""

import hashlib

from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.policy import Policy
from corral.lifecycle.state import DAY, HOUR, Certificate, CertificateStatus, Instant, Phase
from corral.logs import lines
from corral.service.authorities.authorities import LEAD, Authorities, Held
from corral.service.clock import Clock
from corral.service.connections.operating import Operating
from corral.service.errors import NotFound, RequestRefused
from corral.service.identities.warnings import IdentityWarnings
from corral.service.mdm.transitions import Transitions
from corral.store.errors import StoreUnavailable
from corral.store.grants import GrantStore
from corral.store.work import LeasedWork, WorkStore

RENEW = "renew"
BY = "automatic renewal"
NOTICED = 500
AT_ONCE = 20
"""Renewals that one round begins: each makes a device install a profile and ask for a certificate."""
LEASE = 10 * 60 * 1000
FIRST_LOOK = HOUR
LAST_LOOK = 2 * DAY
"""A renewal that has not come through is looked at after an hour, then after twice as long, up to two days."""


class Renewing:
    def __init__(
        self,
        grants: GrantStore,
        work: WorkStore,
        transitions: Transitions,
        operating: Operating,
        warnings: IdentityWarnings,
        authorities: Authorities,
        policy: Policy,
        clock: Clock,
        renew_before: Instant,
    ) -> None:
        self._grants = grants
        self._work = work
        self._transitions = transitions
        self._operating = operating
        self._warnings = warnings
        self._authorities = authorities
        self._policy = policy
        self._clock = clock
        self._before = renew_before
        self._notice_at: Instant = 0
        authorities.on_change(self._notice_soon)

    def _notice_soon(self) -> None:
        """As soon as a new authority issues, the devices of the older ones have a time to move over at."""
        self._notice_at = min(self._notice_at, self._clock() + LEAD)

    async def notice(self) -> None:
        """Give every certificate that comes into its last `renew_before` a time at which its renewal begins."""
        while found := await self._work.expiring(self._clock() + self._before, NOTICED):
            due: dict[Instant, list[str]] = {}
            for each in found:
                at = begins_at(each.device_id, each.issued_at, each.not_after, self._before)
                # To the hour, so that many are put in one commit.
                due.setdefault(at - at % HOUR, []).append(each.connection_id)
            for at, connections in due.items():
                await self._work.add(RENEW, connections, at)
        await self._notice_superseded()

    async def _notice_superseded(self) -> None:
        """The same for the devices of authorities that another has taken the place of."""
        roster = self._authorities.roster
        newest = roster.issuing(self._clock())
        issuers = [each.id for each in roster.older(newest)]
        if roster.held[0].id in issuers:
            issuers.append("")
        while issuers and (found := await self._work.superseded(issuers, newest.moved_by, NOTICED)):
            due: dict[Instant, list[str]] = {}
            for each in found:
                due.setdefault(moves_at(each.device_id, newest), []).append(each.connection_id)
            for at, connections in due.items():
                await self._work.add(RENEW, connections, at)

    async def round(self) -> None:
        """Begin the renewals that are due; how each went decides when it is looked at again."""
        now = self._clock()
        if now >= self._notice_at:
            await self.notice()
            self._notice_at = now + HOUR
        for work in await self._work.lease(RENEW, now, now + LEASE, AT_ONCE):
            again = await self._renew(work)
            if again is None:
                await self._work.finish([work])
            else:
                await self._work.put_back([(work, again)])

    def _is_of(self, certificate: Certificate, authority: Held) -> bool:
        return (certificate.issuer or self._authorities.roster.held[0].id) == authority.id

    async def _renew(self, work: LeasedWork) -> Instant | None:
        """When to look again; None where there is nothing more to do for this certificate."""
        now = self._clock()
        snapshot = await self._transitions.look(work.key)
        life = snapshot.bound
        if life is None or life.phase is not Phase.CONNECTED:
            return None
        held = [
            each
            for each in await self._grants.certificates(life.id)
            if each.status is CertificateStatus.BOUND and each.heard_at is not None and not each.authority
        ]
        if not held:
            return None
        issuing = self._authorities.roster.issuing(now)
        newest = max(held, key=lambda each: (self._is_of(each, issuing), each.not_after))
        begins = begins_at(life.device_id, newest.issued_at, newest.not_after, self._before)
        if not self._is_of(newest, issuing):
            begins = min(begins, moves_at(life.device_id, issuing))
        elif newest.not_after >= now + self._before:
            return None
        if now < begins - HOUR:
            return begins
        late = begins + min(self._policy.renewal_time, (newest.not_after - begins) // 2)
        if now >= late and _looked_at(work) >= begins:
            await self._warnings.tell(newest, "its renewal does not come through")
        look = now + _pause(work.attempts)
        if life.renewal is not None and now < life.renewal.asked_at + self._policy.renewal_time:
            return look
        try:
            await self._operating.renew(life.id, BY)
        except (OperationRefused, RequestRefused, NotFound, StoreUnavailable) as error:
            lines.renewing_failed(connection=life.id, why=str(error))
        return look


def _pause(attempts: int) -> Instant:
    return min(FIRST_LOOK << min(attempts, 10), LAST_LOOK)


def _looked_at(work: LeasedWork) -> Instant:
    """When it was looked at before; 0 if it was not."""
    return work.due_at - _pause(work.attempts - 1) if work.attempts else 0


def moves_at(device_id: str, to: Held) -> Instant:
    """When a device is renewed over to a new authority: spread over the time that there is for it."""
    return to.created_at + int((to.moved_by - to.created_at) * _share(device_id))


def begins_at(device_id: str, issued_at: Instant, not_after: Instant, renew_before: Instant) -> Instant:
    """When the renewal of a certificate begins: within the first half of its last `renew_before`, by device.

    Devices that enrolled on one day do not come back on one day, and every one has half of the time left to retry.
    Never before two thirds of the validity are over, so that short certificates are not renewed all the time.
    """
    window = min(renew_before, (not_after - issued_at) // 3)
    return not_after - window + int(window * _share(device_id) / 2)


def _share(device_id: str) -> float:
    """From 0 to 1, the same for a device each time."""
    return int.from_bytes(hashlib.sha256(device_id.encode()).digest()[:4]) / 2**32
