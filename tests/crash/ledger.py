"""What devices and their operator were told: a service that is killed has to keep to every word of it."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class Account:
    """One device's part. Results are `unverified` until the service was asked for them after its next start."""

    udid: str
    authenticated: bool = False
    token_sent: datetime | None = None
    """When the device sent the last TokenUpdate that was answered 200."""
    attempted: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Commands that somebody tried to queue, answered or not, by their UUID."""
    queued: set[str] = field(default_factory=set[str])
    """Those for which the operator was told that they are."""
    given: Counter[str] = field(default_factory=Counter[str])
    """How often each was handed to the device."""
    taken: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Results that the service has answered 200 for."""
    unverified: list[str] = field(default_factory=list[str])

    @property
    def connected(self) -> bool:
        return self.token_sent is not None

    @property
    def owed(self) -> set[str]:
        """Commands that must still come."""
        return self.queued - self.taken.keys()


@dataclass(slots=True)
class Ledger:
    """`broken` has one line for each promise that was not kept; `refused` counts answers that it was not now possible,
    and `slowest` is the longest time, in seconds, that a device waited for an answer."""

    accounts: dict[str, Account] = field(default_factory=dict[str, Account])
    broken: list[str] = field(default_factory=list[str])
    refused: int = 0
    slowest: float = 0

    def account(self, udid: str) -> Account:
        return self.accounts.setdefault(udid, Account(udid))

    def accuse(self, what: str) -> None:
        if len(self.broken) < 100:
            self.broken.append(what)

    @property
    def repeated(self) -> int:
        """Commands that were handed out more than once."""
        return sum(count > 1 for account in self.accounts.values() for count in account.given.values())
