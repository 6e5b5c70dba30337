"""Devices, their lives, channels and certificates: what every message of a device reads and changes."""

from dataclasses import field
from typing import Protocol, TypeAlias

from corral.apple.report import Status
from corral.lifecycle.change import Change, Event
from corral.lifecycle.state import Consequence, Instant, Snapshot
from corral.values import frozen


@frozen(kw_only=True)
class Contact:
    """What a message claims and proves: what `load` finds its Snapshot by.

    `named` is the connection that a certificate of our own names; it is looked up where the fingerprint is not
    known. `breaker_since` bounds the unenrolling answers that count.
    """

    fingerprint: bytes
    device_id: str
    user_id: str = ""
    named: str | None = None
    command_uuid: str | None = None
    breaker_since: Instant = 0


@frozen(kw_only=True)
class Ask:
    """An exchange: a poll (Idle) or a report, which asks for the next command."""

    contact: Contact
    status: Status
    body: bytes = field(default=b"", repr=False)
    unreadable: bool = False
    now: Instant
    push_again_at: Instant = 0
    """When a channel that says NotNow is to be pushed again."""


@frozen
class Next:
    """The next command of a channel, its plist as it was queued; `body` is empty when there is none.

    `trace` is what it was queued in, `answered` the same of the command that was reported on: W3C `traceparent`s.
    """

    channel_id: str
    command_uuid: str = ""
    body: bytes = field(default=b"", repr=False)
    trace: str | None = None
    answered: str | None = None


@frozen
class Committed:
    pass


@frozen
class Stale:
    """Nothing was written: the device or grant has changed since, or a link has no use left."""


CommitOutcome: TypeAlias = Committed | Stale


class DeviceStore(Protocol):
    """Every method raises StoreUnavailable when the database cannot answer."""

    async def exchange(self, ask: Ask) -> Next | Snapshot:
        """One statement for ordinary traffic.

        Acts only if the fingerprint is of a BOUND certificate, not expired at `ask.now`, of a connection of just this
        device that is open with `now < recheck_at`, the user channel (if one is named) exists and is not ended,
        and the named delivery is plain or unknown. Then it stores the result, closes the delivery (NotNow: defers
        it, counts it, and puts push work at `push_again_at`), and returns the next command by the rule of
        `lifecycle.queue`, deferred ones only for Idle. A result is durable when this returns. Idle writes nothing,
        but where commands are deferred: they are offered again like all others, so that one session does them all.
        A repeated result, or one for a command that is gone, is stored once and does no harm. Otherwise it has
        written nothing and returns the Snapshot that `load` would.
        """
        ...

    async def load(self, contact: Contact) -> Snapshot:
        """Read at one moment. `device` is that of `contact.device_id`; with an empty fingerprint `bound` is None."""
        ...

    async def load_connection(self, connection_id: str, breaker_since: Instant) -> Snapshot:
        """The same for the device of a connection, with that as `bound` and its device channel; empty if unknown."""
        ...

    async def commit(self, change: Change) -> CommitOutcome:
        """All of the change, durably, or nothing. Applying the same change again must do no harm."""
        ...

    async def next(
        self, channel_id: str, now: Instant, *, after_idle: bool, only: frozenset[Consequence] | None = None
    ) -> Next:
        """The next command of a channel, without any check of who asks."""
        ...

    async def forget(self, device_id: str, events: tuple[Event, ...] = ()) -> bool:
        """Delete all that is known of a device; False if there is none. The caller has checked that it may go."""
        ...
