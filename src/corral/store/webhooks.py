"""Who is told of events by a call: webhooks, and the letters that were not taken at once.

A webhook stands behind an event of the outbox (`passed`): all up to there was taken, or is a letter. Whoever delivers
for it holds its lease, and what he writes counts only as long as he does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningSecret:
    """`until` None: the one that signs from now on; others sign beside it until then."""

    key: bytes = field(repr=False)
    until: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a webhook's receiver does. `failing_since` None: its last call succeeded, or there was none yet."""

    succeeded_at: Instant = 0
    failing_since: Instant | None = None
    paused_until: Instant = 0
    problem: str = ""
    """Of the last call that failed, for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    id: str
    url: str = field(repr=False)  # secrets are put into paths and queries
    note: str = ""
    format: str = "standard"
    types: tuple[str, ...] = ("*",)
    """Patterns of event types, as a shell has them."""
    secrets: tuple[SigningSecret, ...] = field(repr=False)
    """The one that signs from now on comes first."""
    created_at: Instant
    created_by: str
    disabled_at: Instant | None = None
    disabled_why: str = ""
    passed: int = 0
    health: Health = Health()


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """An event that was not taken, or that waits behind one of the same device. `dead`: it is tried no more."""

    sequence: int
    device_id: str | None
    connection_id: str | None
    put_at: Instant
    attempts: int = 0
    tried_at: Instant = 0
    due_at: Instant = 0
    dead_at: Instant | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What came of one turn at a webhook that had passed event `before`."""

    before: int
    passed: int
    health: Health
    letters: tuple[Letter, ...] = ()
    """To be put: new ones, ones that were tried again, and ones that are dead now."""
    taken: tuple[int, ...] = ()
    """Letters that are letters no more."""
    all_due: bool = False
    """The receiver is back: every letter that waits is due now."""
    disabled_at: Instant | None = None
    disabled_why: str = ""
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Letters:
    """How many letters of a webhook there are."""

    waiting: int = 0
    dead: int = 0


class WebhookStore(Protocol):
    async def add(self, webhook: Webhook, event: Event) -> None: ...

    async def all(self) -> tuple[Webhook, ...]:
        """The oldest first."""
        ...

    async def find(self, webhook_id: str) -> Webhook | None: ...

    async def configure(self, webhook: Webhook, *events: Event, enabled_at: Instant | None = None) -> bool:
        """Write its address, note, types, secrets, and whether it is disabled; False if there is none.

        `enabled_at`: it was disabled, and goes on as if it had never failed: all letters that wait are as new.
        """
        ...

    async def enable(self, webhook_id: str, now: Instant, event: Event) -> bool:
        """As if it had never failed: all letters that wait are as new. False if it is not disabled."""
        ...

    async def rewind(self, webhook_id: str, passed: int, event: Event) -> bool:
        """Deliver from behind this number on, letters of later events among them; False if there is no webhook."""
        ...

    async def remove(self, webhook_id: str, event: Event) -> bool: ...

    async def lease(self, holder: str, now: Instant, until: Instant, limit: int) -> tuple[str, ...]:
        """Take up to so many enabled webhooks that nobody holds; their ids."""
        ...

    async def keep(self, holder: str, until: Instant) -> frozenset[str]:
        """Hold what is still held for longer; returns what that is."""
        ...

    async def release(self, holder: str, webhook_ids: Sequence[str]) -> None: ...

    async def held(self, holder: str, webhook_id: str) -> Webhook | None:
        """None if it is held by somebody else by now, or is gone."""
        ...

    async def waiting(self, webhook_id: str, limit: int) -> tuple[Letter, ...]:
        """Letters that are not dead, by their events' numbers."""
        ...

    async def settle(self, holder: str, webhook_id: str, progress: Progress) -> bool:
        """False, and nothing is written, if the holder holds it no more or it has been rewound."""
        ...

    async def dead(self, webhook_id: str, before: int | None, limit: int) -> tuple[Letter, ...]:
        """The latest events first, before this number."""
        ...

    async def resend(self, webhook_id: str, sequences: Sequence[int] | None, now: Instant, event: Event) -> int:
        """Dead letters (None: all) wait again, as new ones; returns how many, and writes the event if any."""
        ...

    async def letters(self) -> Mapping[str, Letters]:
        """Of the webhooks that have any."""
        ...

    async def forget_orphans(self, now: Instant, limit: int) -> int:
        """Delete letters whose event has been forgotten, up to so many; how many that were."""
        ...
