"""ACME accounts, orders and the nonces that were used: all of them pass, and are swept away when they have."""

from typing import Protocol

from corral.lifecycle.acme_order import AcmeAccount, AcmeOrder
from corral.lifecycle.state import Instant

MOST_ORDERS = 32
"""Orders of one account at a time."""


class Expiring(Protocol):
    async def forget_expired(self, now: Instant, limit: int) -> int:
        """Delete up to so many of each kind that are past their time; tells how many rows that were."""
        ...


class AcmeStore(Expiring, Protocol):
    async def spend_nonce(self, nonce: bytes, expires_at: Instant) -> bool:
        """False if it was spent before."""
        ...

    async def add_account(self, account: AcmeAccount) -> AcmeAccount:
        """The account of this key: the one that is there, kept for as long as the new one, or the new one."""
        ...

    async def account(self, account_id: str) -> AcmeAccount | None: ...

    async def find_account(self, thumbprint: bytes) -> AcmeAccount | None: ...

    async def add_order(self, order: AcmeOrder) -> bool:
        """False if its account has MOST_ORDERS already. The account is kept for as long as the order."""
        ...

    async def order(self, order_id: str) -> AcmeOrder | None: ...

    async def put_order(self, order: AcmeOrder) -> bool:
        """Replace it if it is at the version that was read; False, and nothing is written, if not."""
        ...
