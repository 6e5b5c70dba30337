"""The admission policy of the installation: kept in the database, so that all processes go by the same."""

from functools import lru_cache

import msgspec

from corral.lifecycle.admission import AdmissionPolicy
from corral.lifecycle.change import Event
from corral.service.clock import Clock
from corral.service.enrollment.policy_document import PolicyDocument, compile_policy
from corral.service.errors import RequestRefused
from corral.service.gathered import Gathered
from corral.store.vault import Vault

_NAME = "admission.policy"
"""In the vault, since tokens of beta programs are in it."""


class Policies:
    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock
        self._stored = Gathered(lambda: vault.get_secret(_NAME))

    async def document(self) -> PolicyDocument:
        """As it was put; without a rule where nobody has put one."""
        return _read(await self._vault.get_secret(_NAME))

    async def rules(self) -> AdmissionPolicy:
        """As of now; devices that enroll at the same time share a reading."""
        return _rules(await self._stored.ask())

    async def put(self, document: PolicyDocument, by: str) -> None:
        """Raises RequestRefused for a policy that cannot be gone by; it changes nothing then."""
        try:
            compile_policy(document)
        except ValueError as error:
            raise RequestRefused(str(error)) from None
        names = [rule.name for rule in document.rules]
        event = Event(type="policy.changed", at=self._clock(), data={"by": by, "rules": names})
        await self._vault.put_secret(_NAME, msgspec.json.encode(document), (event,))


def _read(stored: bytes | None) -> PolicyDocument:
    return PolicyDocument() if stored is None else msgspec.json.decode(stored, type=PolicyDocument)


@lru_cache(2)
def _rules(stored: bytes | None) -> AdmissionPolicy:
    """Read at every enrollment and changed now and then."""
    return compile_policy(_read(stored))
