"""A device whose identity ends although it should have been renewed long since: told 60, 30, 7 and 1 days before, and
when it is over, once each and device.

Where renewals come through nothing is told: they begin early enough. One that nobody can renew from here (a certificate
of a foreign authority, a connection that came from elsewhere without its profile) is told just by its date.
"""

from corral.lifecycle import operating
from corral.lifecycle.expiry import WARN_DAYS, warning
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.state import DAY, HOUR, Certificate, CertificateStatus, Instant
from corral.service.clock import Clock
from corral.service.mdm.transitions import Transitions
from corral.store.grants import GrantStore
from corral.store.work import WorkStore

AT_ONCE = 200
"""Devices that one round tells of."""


class IdentityWarnings:
    def __init__(self, grants: GrantStore, work: WorkStore, transitions: Transitions, clock: Clock) -> None:
        self._grants = grants
        self._work = work
        self._transitions = transitions
        self._clock = clock
        self._look_at: Instant = 0

    async def round(self) -> None:
        """Those that nobody can renew from here, once an hour: it reads every certificate."""
        now, left = self._clock(), AT_ONCE
        if now < self._look_at:
            return
        self._look_at = now + HOUR
        for days in sorted((0, *WARN_DAYS)):
            found = await self._work.unrenewable(now + days * DAY, days, left)
            for connection_id in found:
                held = [each for each in await self._grants.certificates(connection_id) if _speaks(each)]
                if held:
                    await self.tell(max(held, key=lambda each: each.not_after), "it cannot be renewed from here")
            left -= len(found)
            if left <= 0:
                self._look_at = now
                return

    async def tell(self, certificate: Certificate, why: str) -> None:
        """If it has come nearer to its end than was told before. Raises StoreUnavailable."""
        days = warning(certificate.not_after, self._clock())
        if days is None or (certificate.warned_days is not None and certificate.warned_days <= days):
            return
        try:
            await self._transitions.operate(
                certificate.connection_id,
                lambda seen, moment: operating.warn_of_expiry(seen, certificate, days, why, moment),
            )
        except OperationRefused:
            return


def _speaks(certificate: Certificate) -> bool:
    return certificate.status is CertificateStatus.BOUND and certificate.heard_at is not None
