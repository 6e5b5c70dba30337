"""What a decision wants written and answered: values that a store carries out without knowing what they mean."""

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from corral.apple.report import Status
from corral.lifecycle.actor import Actor, acting
from corral.lifecycle.state import (
    Certificate,
    Channel,
    Connection,
    Consequence,
    Device,
    EscrowKind,
    Grant,
    Instant,
    Snapshot,
)
from corral.lifecycle.trace import trace
from corral.values import frozen


@frozen(kw_only=True)
class Event:
    """One line of a device's history; a row of the same commit as what it tells. Never holds a secret."""

    type: str
    at: Instant
    device_id: str | None = None
    connection_id: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    actor: Actor | None = field(default_factory=acting, compare=False, repr=False)
    """Who has caused it, if a person or program did: with the event goes an entry of the audit trail."""
    trace: str | None = field(default_factory=trace, compare=False, repr=False)
    """The W3C `traceparent` that it happened in, if that is followed."""


@frozen(kw_only=True)
class Work:
    """Something to do after the commit. Work of the same kind and key is one row: the earlier time wins."""

    kind: str
    key: str
    due_at: Instant


@frozen(kw_only=True)
class Result:
    """The answer of a device to a command, kept with its raw bytes."""

    channel_id: str
    command_uuid: str
    status: Status
    body: bytes = field(repr=False)
    received_at: Instant
    unreadable: bool = False


@frozen(kw_only=True)
class Escrow:
    """A secret that only the device's owner can give again: kept in versions, never deleted by a message.

    `value` None tells that the device said it holds none any more; former versions stay.
    """

    connection_id: str
    kind: EscrowKind
    value: bytes | None = field(repr=False)
    at: Instant


@frozen(kw_only=True)
class Enqueue:
    """A command that the life cycle itself puts into the queue of one channel."""

    channel_id: str
    command_uuid: str
    request_type: str
    body: bytes = field(repr=False)
    consequence: Consequence
    priority: int = 0
    not_before: Instant = 0
    expires_at: Instant | None = None
    trace: str | None = field(default_factory=trace, compare=False)
    """Of whoever has caused it, if that is followed."""


@frozen
class Room:
    """What the breaker allows: `limit` distinct connections told to leave at `since` or later, with the new one."""

    since: Instant
    limit: int


@frozen(kw_only=True)
class Change:
    """Rows to put, whole, if the device (and the grant) are still at the version that was read.

    `expects` 0: the device must not exist yet. Puts are upserts by key. The store counts the device's version up,
    whatever `device.version` says. It checks that the versions fit, that a link has a use left, that a device
    has one connected life at most, and that the breaker is closed and has `room` for one more that is told to leave,
    in the same transaction; if not it writes nothing and says `Stale`.
    """

    device_id: str | None = None
    expects: int = 0
    device: Device | None = None
    connections: tuple[Connection, ...] = ()
    channels: tuple[Channel, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    grant: Grant | None = None
    """Its `version` is the one that was read, 0 for a new one; the store counts it up."""
    link_used: str | None = None
    escrow: tuple[Escrow, ...] = ()
    result: Result | None = None
    """Stored, and its delivery closed (or deferred, for NotNow)."""
    enqueue: tuple[Enqueue, ...] = ()
    silence: tuple[str, ...] = ()
    """Connections that fall silent at `at`: open deliveries of all their channels are dropped, the channels ended."""
    retire: tuple[str, bytes] | None = None
    """A connection and the one certificate of it that stays; its other bound ones are retired."""
    at: Instant = 0
    unenrolling: str | None = None
    """A connection that counts towards the breaker."""
    room: Room | None = None
    """For `unenrolling`: several processes may have decided at once, each on what it had read."""
    trip_breaker: bool = False
    events: tuple[Event, ...] = ()
    work: tuple[Work, ...] = ()

    @property
    def is_empty(self) -> bool:
        return self == Change(device_id=self.device_id, expects=self.expects, at=self.at)


NOTHING = Change()


def merge(first: Change, then: Change) -> Change:
    """Both changes as one: later rows win over earlier rows of the same key."""
    connections = {c.id: c for c in (*first.connections, *then.connections)}
    channels = {c.id: c for c in (*first.channels, *then.channels)}
    certificates = {c.fingerprint: c for c in (*first.certificates, *then.certificates)}
    return replace(
        then,
        device_id=then.device_id or first.device_id,
        expects=first.expects if then.device_id is None else then.expects,
        device=then.device or first.device,
        connections=tuple(connections.values()),
        channels=tuple(channels.values()),
        certificates=tuple(certificates.values()),
        grant=then.grant or first.grant,
        link_used=then.link_used or first.link_used,
        escrow=(*first.escrow, *then.escrow),
        result=then.result or first.result,
        enqueue=(*first.enqueue, *then.enqueue),
        silence=(*first.silence, *then.silence),
        retire=then.retire or first.retire,
        at=max(first.at, then.at),
        unenrolling=then.unenrolling or first.unenrolling,
        room=then.room or first.room,
        trip_breaker=first.trip_breaker or then.trip_breaker,
        events=(*first.events, *then.events),
        work=(*first.work, *then.work),
    )


def news(change: Change, snapshot: Snapshot) -> Change:
    """The change without the device and the lives that stay as they were read; its version holds them anyway."""
    device = change.device if change.device != snapshot.device else None
    connections = tuple(life for life in change.connections if life not in snapshot.lives)
    if device is change.device and len(connections) == len(change.connections):
        return change
    return replace(change, device=device, connections=connections)


@frozen
class Answer:
    """A reply with its HTTP status. 401 and the unrecognized-device document come from `unenroll` only."""

    status: int
    body: bytes = field(default=b"", repr=False)
    media_type: str = ""
    reason: str = ""
    """For people and logs; sent as plain text where there is no body to send and the status is an error."""


@frozen
class NextCommand:
    """Answer 200 with the next command of this channel, or empty."""

    channel_id: str
    after_idle: bool
    only: frozenset[Consequence] | None = None
    """Restricts what may be delivered: to a device whose identity has expired, for example."""


ACCEPTED = Answer(200)
"""200 with an empty body: taken, and nothing to say."""


@frozen
class Decision:
    answer: Answer | NextCommand
    change: Change = NOTHING
