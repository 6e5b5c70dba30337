"""What is forgotten by age: in small pieces, each found by an index or a key, so that nobody waits for it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from corral.lifecycle.state import Instant


class Kind(StrEnum):
    RESULTS = "results"
    """Results, and deliveries that are finished, of every connection."""
    COMMANDS = "commands"
    """Commands that no delivery and no result refers to."""
    EVENTS = "events"
    PUSHES = "pushes"
    CONTACT_HOURS = "contact-hours"
    INVENTORY = "inventory-changes"
    GRANTS = "grants"
    """Grants that expired unspent, under which no certificate was issued. One with a certificate stays: what that
    certificate is good for is decided by it."""
    LINKS = "links"
    """Links that expired, were not withdrawn, and are not behind an unspent grant."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """One piece: `rows` deleted, and the key `after` which the next piece goes on; None when all was looked at."""

    rows: int
    after: str | None = None


class RetentionStore(Protocol):
    async def prune(self, kind: Kind, before: Instant, limit: int, after: str = "") -> Pruned:
        """Delete up to `limit` rows of a table that are older than `before`, looking on from a key.

        Escrow, lives, certificates and open deliveries are never deleted by age.
        """
        ...
