"""The command queue as people steer it: enqueue to many, cancel, clear, list."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from corral.lifecycle.change import Event
from corral.lifecycle.state import FOREVER, Consequence, Delivery, DeliveryState, Instant
from corral.lifecycle.trace import trace


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedCommand:
    """One command for any number of channels.

    `replaces_like`: open deliveries of the same request type in those channels are superseded. `unless_open`: channels
    are left out that have an open one of the same request type and of this priority or a lower one.
    """

    uuid: str
    request_type: str
    body: bytes = field(repr=False)
    consequence: Consequence = Consequence.PLAIN
    priority: int = 0
    not_before: Instant = 0
    expires_at: Instant = FOREVER
    created_at: Instant
    created_by: str = ""
    replaces_like: bool = False
    unless_open: int | None = None
    trace: str | None = field(default_factory=trace, compare=False)
    """The W3C `traceparent` that it is queued in, if that is followed: for the first MOST_FOLLOWED channels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRecord:
    """A delivery with its command and, once there, its result: what a list shows."""

    delivery: Delivery
    device_id: str
    connection_id: str
    created_at: Instant
    created_by: str
    delivered_at: Instant | None = None
    attempts: int = 0
    finished_at: Instant | None = None
    result_status: str | None = None
    result_unreadable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResult:
    channel_id: str
    command_uuid: str
    status: str
    body: bytes = field(repr=False)
    received_at: Instant
    unreadable: bool


class QueueStore(Protocol):
    async def enqueue(
        self, command: QueuedCommand, channel_ids: Sequence[str], events: tuple[Event, ...] = ()
    ) -> tuple[str, ...]:
        """Queue for these channels, with push work, in one commit.

        Returns the channels that exist, have not ended, and whose connection is connected or ending; the others are
        skipped. A uuid that exists already is queued for channels that do not have it yet, so that a repeated call
        does no harm.
        """
        ...

    async def cancel(self, command_uuid: str, channel_id: str | None, event: Event, now: Instant) -> int:
        """Cancel the open deliveries of a command (in one channel or all), except consequential renewals and removals
        of the life cycle itself; the event is written once for each. Returns how many.
        """
        ...

    async def clear(self, connection_id: str, event: Event, now: Instant) -> int:
        """Cancel all open plain deliveries of a connection's channels. Returns how many."""
        ...

    async def list(
        self,
        *,
        device_id: str | None,
        command_uuid: str | None,
        state: DeliveryState | None,
        before: int | None,
        limit: int,
    ) -> tuple[CommandRecord, ...]:
        """Newest first; `before` is the `sequence` of the last row of the page before."""
        ...

    async def command_body(self, command_uuid: str) -> bytes | None: ...

    async def results(self, command_uuid: str, channel_id: str | None) -> tuple[StoredResult, ...]: ...

    async def recent(self, request_type: str, channel_ids: Sequence[str], each: int = 1) -> tuple[StoredResult, ...]:
        """What these channels acknowledged last of commands of this type, `each` at most of one, newest first."""
        ...

    async def expire(self, now: Instant, limit: int) -> int:
        """Close open deliveries whose time is over, with an event each; returns how many."""
        ...
