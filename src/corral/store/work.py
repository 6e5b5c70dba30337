"""Background work as rows: leased by a worker, finished, or put back. A worker that dies loses its lease."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant

TRACES = 5
"""Of one channel: a push is for all that waits there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedWork:
    kind: str
    key: str
    attempts: int
    due_at: Instant
    lease: str
    """Names this lease: finishing and putting back do nothing once somebody else has taken the work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushTarget:
    """What a push to a channel needs."""

    channel_id: str
    connection_id: str
    device_id: str
    topic: str
    token: bytes = field(repr=False)
    magic: str = field(repr=False)
    token_updated_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRecord:
    """How a push went, for the timeline."""

    channel_id: str
    at: Instant
    outcome: str
    """`accepted`, or the service's reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiringIdentity:
    """A connected life and the certificate of our own that it speaks under."""

    connection_id: str
    device_id: str
    issued_at: Instant
    not_after: Instant


class WorkStore(Protocol):
    async def lease(self, kind: str, now: Instant, until: Instant, limit: int) -> tuple[LeasedWork, ...]:
        """Take up to `limit` rows that are due and not leased (or whose lease has run out), oldest first."""
        ...

    async def finish(self, works: Sequence[LeasedWork]) -> None:
        """Remove them. A row whose due time was set anew meanwhile stays."""
        ...

    async def put_back(self, works: Sequence[tuple[LeasedWork, Instant]]) -> None:
        """Release with a new due time, and count the attempt."""
        ...

    async def add(self, kind: str, keys: Sequence[str], due_at: Instant) -> None:
        """Put work; a row of the same kind and key keeps the earlier time."""
        ...

    async def next_due(self, kind: str) -> Instant | None:
        """When the next work of that kind may be leased (leased work: when its lease ends), to sleep until."""
        ...

    async def push_targets(self, channel_ids: Sequence[str]) -> tuple[PushTarget, ...]:
        """Of those channels, the ones that can be pushed.

        That is: not ended, with a token and magic, reachable, of a connected or ending life.
        """
        ...

    async def traces(self, channel_ids: Sequence[str]) -> tuple[tuple[str, str], ...]:
        """What is open in these channels and followed, TRACES at most of each: channel and W3C `traceparent`."""
        ...

    async def record_pushes(self, records: Sequence[PushRecord]) -> None: ...

    async def mark_unreachable(self, channel_id: str, token: bytes, why: str, event: Event) -> bool:
        """If the channel still has this token: no more pushes until its next TokenUpdate. False if it has another."""
        ...

    async def topic_arrived(self, topic: str) -> int:
        """A push certificate for this topic is there now: channels that waited for it can be pushed, and are."""
        ...

    async def waiting_channels(
        self, silent_since: Instant, pushed_before: Instant, now: Instant, limit: int
    ) -> tuple[str, ...]:
        """Reachable channels with an eligible open delivery that were silent, and not pushed, since those times."""
        ...

    async def unconfigured(self, awaiting_before: Instant, limit: int) -> tuple[tuple[str, str], ...]:
        """Who has waited in Setup Assistant since before then and has no open command that ends it, the longest first.

        Connected lives (connection, "") without DeviceConfigured, their users (connection, user) without
        UserConfigured.
        """
        ...

    async def expiring(self, before: Instant, limit: int) -> tuple[ExpiringIdentity, ...]:
        """Lives whose certificate ends before then, the earliest first, for which there is no work `renew` yet.

        Only connected ones that have been heard under it, and whose profile is known, so that it can be repeated. A
        life may appear with two certificates while a renewal is between them.
        """
        ...

    async def unrenewable(self, before: Instant, warned: int, limit: int) -> tuple[str, ...]:
        """Connected lives that have been heard under a certificate that ends before then and cannot be renewed from
        here (of a foreign authority, or of a life whose profile is not known), and were not warned of yet at so many
        days or fewer."""
        ...

    async def superseded(self, issuers: Sequence[str], begun_by: Instant, limit: int) -> tuple[ExpiringIdentity, ...]:
        """The same kind of lives whose certificate is of one of these authorities, for which no work `renew` is there
        that is due before then or was begun."""
        ...
