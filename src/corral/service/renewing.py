"""Identity certificates are renewed before they expire: spread over time, a few at a time, and again where it failed.

Devices do not renew the identity of their MDM payload by themselves. Work `renew` of a connection is due when its
renewal is to begin, and, once begun, when somebody looks again whether it has come through.
"""

import hashlib

import structlog

from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.policy import Policy
from corral.lifecycle.state import DAY, HOUR, CertificateStatus, Instant, Phase
from corral.service.clock import Clock
from corral.service.errors import NotFound, RequestRefused
from corral.service.operating import Operating
from corral.service.transitions import Transitions
from corral.store.errors import StoreUnavailable
from corral.store.grants import GrantStore
from corral.store.work import LeasedWork, WorkStore

_log = structlog.get_logger("corral.renewing")

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
        policy: Policy,
        clock: Clock,
        renew_before: Instant,
    ) -> None:
        self._grants = grants
        self._work = work
        self._transitions = transitions
        self._operating = operating
        self._policy = policy
        self._clock = clock
        self._before = renew_before
        self._notice_at: Instant = 0

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
        newest = max(held, key=lambda each: each.not_after)
        if newest.not_after >= now + self._before:
            return None
        begins = begins_at(life.device_id, newest.issued_at, newest.not_after, self._before)
        if now < begins - HOUR:
            return begins
        look = now + min(FIRST_LOOK << min(work.attempts, 10), LAST_LOOK)
        if life.renewal is not None and now < life.renewal.asked_at + self._policy.renewal_time:
            return look
        try:
            await self._operating.renew(life.id, BY)
        except (OperationRefused, RequestRefused, NotFound, StoreUnavailable) as error:
            _log.warning("renewing.failed", connection=life.id, why=str(error))
        return look


def begins_at(device_id: str, issued_at: Instant, not_after: Instant, renew_before: Instant) -> Instant:
    """When the renewal of a certificate begins: within the first half of its last `renew_before`, by device.

    Devices that enrolled on one day do not come back on one day, and every one has half of the time left to retry.
    Never before two thirds of the validity are over, so that short certificates are not renewed all the time.
    """
    window = min(renew_before, (not_after - issued_at) // 3)
    share = int.from_bytes(hashlib.sha256(device_id.encode()).digest()[:4]) / 2**32
    return not_after - window + int(window * share / 2)
