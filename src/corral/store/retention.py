"""What is forgotten by age: in small pieces, each found by an index or a key, so that nobody waits for it."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from corral.lifecycle.collecting import COLLECTOR, PRIORITY
from corral.lifecycle.state import Instant


class Kind(StrEnum):
    RESULTS = "results"
    """Results, and deliveries that are finished, of every connection."""
    COLLECTED = "collected"
    """The same of what the schedule of the inventory has asked for, and what has been taken in; never the newest answer
    of its kind that a channel has given, from which is read what a command or a profile is aimed at."""
    COMMANDS = "commands"
    """Commands that no delivery and no result refers to."""
    COLLECTED_COMMANDS = "collected-commands"
    """The same of what the schedule of the inventory has asked for."""
    EVENTS = "events"
    PUSHES = "pushes"
    CONTACT_HOURS = "contact-hours"
    INVENTORY = "inventory-changes"
    GRANTS = "grants"
    """Grants that expired unspent, under which no certificate was issued. One with a certificate stays: what that
    certificate is good for is decided by it."""
    LINKS = "links"
    """Links that expired, were not withdrawn, and are not behind an unspent grant."""


BY_SCHEDULE = f"created_by = '{COLLECTOR}'"
"""True of a command that the schedule of the inventory has queued."""

IS_SPARE = (
    f"d.priority = {PRIORITY} AND d.state <> 'open'"
    f" AND EXISTS (SELECT 1 FROM command WHERE uuid = d.command_uuid AND {BY_SCHEDULE})"
    " AND (d.state <> 'acknowledged' OR (d.taken_in AND EXISTS (SELECT 1 FROM delivery AS newer"
    " WHERE newer.channel_id = d.channel_id AND newer.request_type = d.request_type"
    f" AND newer.priority = {PRIORITY} AND newer.state = 'acknowledged' AND (newer.finished_at > d.finished_at"
    " OR (newer.finished_at = d.finished_at AND newer.sequence > d.sequence)))))"
)
"""True of a delivery `d` that is of the kind COLLECTED, however old it is; for both back-ends."""


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
