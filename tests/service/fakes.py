"""What the verbs of the service rest on, in memory: a clock to turn, and stores that remember what they were told."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from corral.apns.client import PushClient
from corral.apns.push import Accepted, Outcome, Push
from corral.lifecycle.change import Event
from corral.lifecycle.state import DeliveryState, Instant
from corral.store.contacts import Attempt, Heard
from corral.store.errors import StoreUnavailable
from corral.store.events import Place, StoredEvent, TimelineEntry
from corral.store.queue import CommandRecord, QueuedCommand, StoredResult
from corral.store.vault import StoredPushCertificate
from corral.store.work import ExpiringIdentity, LeasedWork, PushRecord, PushTarget

NOW: Instant = 1_800_000_000_000


class Clock:
    def __init__(self, now: Instant = NOW) -> None:
        self.now = now

    def __call__(self) -> Instant:
        return self.now


class FakeEvents:
    def __init__(self) -> None:
        self.told: list[Event] = []

    async def append(self, events: tuple[Event, ...]) -> None:
        self.told += events

    async def read(self, after: int, limit: int, device_id: str | None = None) -> tuple[StoredEvent, ...]:
        found = [each for each in self._stored() if device_id in (None, each.event.device_id)]
        return tuple([each for each in found if each.sequence > after][:limit])

    async def some(self, sequences: Sequence[int]) -> Mapping[int, StoredEvent]:
        return {each.sequence: each for each in self._stored() if each.sequence in sequences}

    async def last(self) -> int:
        return len(self.told)

    async def last_before(self, at: Instant) -> int:
        return sum(1 for each in self.told if each.at < at)

    def _stored(self) -> list[StoredEvent]:
        return [StoredEvent(sequence=n, event=event) for n, event in enumerate(self.told, 1)]

    async def timeline(self, device_id: str, before: Place, limit: int) -> tuple[TimelineEntry, ...]:
        del device_id, before, limit
        return ()

    @property
    def kinds(self) -> list[str]:
        return [event.type for event in self.told]


class FakeVault:
    def __init__(self, *certificates: StoredPushCertificate) -> None:
        self.certificates = {each.topic: each for each in certificates}
        self.secrets: dict[str, bytes] = {}
        self.told: list[Event] = []

    async def get_secret(self, name: str) -> bytes | None:
        return self.secrets.get(name)

    async def keep_secret(self, name: str, value: bytes) -> bytes:
        return self.secrets.setdefault(name, value)

    async def put_secret(self, name: str, value: bytes, events: tuple[Event, ...] = ()) -> None:
        self.secrets[name] = value
        self.told += events

    async def delete_secret(self, name: str) -> None:
        self.secrets.pop(name, None)

    async def push_certificates(self) -> tuple[StoredPushCertificate, ...]:
        return tuple(self.certificates.values())

    async def put_push_certificate(self, certificate: StoredPushCertificate, events: tuple[Event, ...] = ()) -> None:
        self.certificates[certificate.topic] = certificate
        self.told += events

    async def stop_topic(self, topic: str, why: str) -> None:
        self.certificates[topic] = replace(self.certificates[topic], stopped=why)

    async def close_breaker(self, now: Instant, events: tuple[Event, ...] = ()) -> None:
        del now
        self.told += events

    async def breaker_opened_at(self) -> Instant | None:
        return None


@dataclass
class FakeWork:
    """Work in memory. `failing` makes the next calls raise, one each."""

    due: dict[tuple[str, str], Instant] = field(default_factory=dict[tuple[str, str], Instant])
    targets: dict[str, PushTarget] = field(default_factory=dict[str, PushTarget])
    attempts: int = 0
    finished: list[str] = field(default_factory=list[str])
    returned: dict[str, Instant] = field(default_factory=dict[str, Instant])
    records: list[PushRecord] = field(default_factory=list[PushRecord])
    unreachable: dict[str, str] = field(default_factory=dict[str, str])
    events: list[Event] = field(default_factory=list[Event])
    silent: tuple[str, ...] = ()
    waiting: tuple[tuple[str, str], ...] = ()
    asked: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])
    leases: int = 0
    failing: list[Exception] = field(default_factory=list[Exception])

    async def lease(self, kind: str, now: Instant, until: Instant, limit: int) -> tuple[LeasedWork, ...]:
        self.leases += 1
        if self.failing:
            raise self.failing.pop(0)
        assert until > now
        taken = [key for (of_kind, key), due in self.due.items() if of_kind == kind and due <= now][:limit]
        for key in taken:
            del self.due[kind, key]
        return tuple(LeasedWork(kind=kind, key=key, attempts=self.attempts, due_at=now, lease="lease") for key in taken)

    async def finish(self, works: Sequence[LeasedWork]) -> None:
        self.finished += [work.key for work in works]

    async def put_back(self, works: Sequence[tuple[LeasedWork, Instant]]) -> None:
        for work, due_at in works:
            self.returned[work.key] = self.due[work.kind, work.key] = due_at

    async def add(self, kind: str, keys: Sequence[str], due_at: Instant) -> None:
        for key in keys:
            self.due[kind, key] = min(due_at, self.due.get((kind, key), due_at))

    async def next_due(self, kind: str) -> Instant | None:
        return min((due for (of_kind, _), due in self.due.items() if of_kind == kind), default=None)

    async def push_targets(self, channel_ids: Sequence[str]) -> tuple[PushTarget, ...]:
        return tuple(self.targets[key] for key in channel_ids if key in self.targets)

    async def traces(self, channel_ids: Sequence[str]) -> tuple[tuple[str, str], ...]:
        del channel_ids
        return ()

    async def record_pushes(self, records: Sequence[PushRecord]) -> None:
        self.records += records

    async def mark_unreachable(self, channel_id: str, token: bytes, why: str, event: Event) -> bool:
        if self.targets[channel_id].token != token:
            return False
        self.unreachable[channel_id] = why
        self.events.append(event)
        return True

    async def topic_arrived(self, topic: str) -> int:
        del topic
        return 0

    async def waiting_channels(
        self, silent_since: Instant, pushed_before: Instant, now: Instant, limit: int
    ) -> tuple[str, ...]:
        self.asked.append(("silent", silent_since, pushed_before, now, limit))
        return self.silent

    async def unconfigured(self, awaiting_before: Instant, limit: int) -> tuple[tuple[str, str], ...]:
        self.asked.append(("unconfigured", awaiting_before, limit))
        return self.waiting

    async def expiring(self, before: Instant, limit: int) -> tuple[ExpiringIdentity, ...]:
        self.asked.append(("expiring", before, limit))
        return ()

    async def unrenewable(self, before: Instant, warned: int, limit: int) -> tuple[str, ...]:
        self.asked.append(("unrenewable", before, limit))
        return ()

    async def superseded(self, issuers: Sequence[str], begun_by: Instant, limit: int) -> tuple[ExpiringIdentity, ...]:
        self.asked.append(("superseded", begun_by, limit))
        return ()


class FakeQueue:
    """A queue that knows which channels can be queued for, and remembers what was."""

    def __init__(self, *open_channels: str) -> None:
        self.open = set(open_channels)
        self.told: list[Event] = []
        self.queued: list[tuple[QueuedCommand, tuple[str, ...]]] = []
        self.bodies: dict[str, bytes] = {}
        self.cancelled: list[tuple[str, str | None, Event]] = []
        self.cleared: list[tuple[str, Event]] = []
        self.answers: list[tuple[str, StoredResult]] = []
        self.expired: list[tuple[Instant, int]] = []

    async def enqueue(
        self, command: QueuedCommand, channel_ids: Sequence[str], events: tuple[Event, ...] = ()
    ) -> tuple[str, ...]:
        self.told += events
        self.queued.append((command, tuple(channel_ids)))
        self.bodies.setdefault(command.uuid, command.body)
        return tuple(each for each in channel_ids if each in self.open)

    async def cancel(self, command_uuid: str, channel_id: str | None, event: Event, now: Instant) -> int:
        del now
        self.cancelled.append((command_uuid, channel_id, event))
        return 1

    async def clear(self, connection_id: str, event: Event, now: Instant) -> int:
        del now
        self.cleared.append((connection_id, event))
        return 2

    async def list(
        self,
        *,
        device_id: str | None,
        command_uuid: str | None,
        state: DeliveryState | None,
        before: int | None,
        limit: int,
    ) -> tuple[CommandRecord, ...]:
        del device_id, command_uuid, state, before, limit
        return ()

    async def command_body(self, command_uuid: str) -> bytes | None:
        return self.bodies.get(command_uuid)

    async def results(self, command_uuid: str, channel_id: str | None) -> tuple[StoredResult, ...]:
        del command_uuid, channel_id
        return ()

    async def recent(self, request_type: str, channel_ids: Sequence[str], each: int = 1) -> tuple[StoredResult, ...]:
        del each
        return tuple(
            answer for kind, answer in self.answers if kind == request_type and answer.channel_id in channel_ids
        )

    async def expire(self, now: Instant, limit: int) -> int:
        self.expired.append((now, limit))
        return 0


class FakeAcme:
    """Remembers what was swept."""

    def __init__(self) -> None:
        self.swept: list[tuple[Instant, int]] = []

    async def forget_expired(self, now: Instant, limit: int) -> int:
        self.swept.append((now, limit))
        return 0


class FakeContacts:
    """Remembers what is flushed; `down` makes it unavailable."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.attempts: list[Attempt] = []
        self.flushes = 0
        self.down = False

    async def flush(self, heard: Sequence[Heard], attempts: Sequence[Attempt]) -> None:
        if self.down:
            raise StoreUnavailable("down")
        self.flushes += 1
        self.heard += heard
        self.attempts += attempts

    async def last_seen(self, connection_ids: Sequence[str]) -> dict[str, Instant]:
        return dict.fromkeys(connection_ids, NOW)


class FakePushService(PushClient):
    """Answers each push as told by its topic or token; everything else is accepted."""

    def __init__(self) -> None:
        super().__init__("https://push.invalid")
        self.outcomes: dict[bytes | str, Outcome] = {}
        self.pushes: list[Push] = []
        self.loaded: list[str] = []
        self.unloaded: list[str] = []

    def load(self, topic: str, certificate_pem: bytes, key_pem: bytes) -> None:
        del certificate_pem, key_pem
        self.loaded.append(topic)

    def unload(self, topic: str) -> None:
        self.unloaded.append(topic)

    async def send_many(
        self, pushes: Iterable[Push], report: Callable[[Push, Outcome], None], *, at_once: int = 1000
    ) -> None:
        del at_once
        for push in pushes:
            self.pushes.append(push)
            chosen = self.outcomes.get(push.token) or self.outcomes.get(push.topic)
            report(push, chosen or Accepted(push.push_id))


def target(channel_id: str, **fields: Any) -> PushTarget:
    plain: dict[str, Any] = {
        "channel_id": channel_id,
        "connection_id": channel_id.split("/")[0],
        "device_id": "UDID-1",
        "topic": "com.apple.mgmt.test",
        "token": channel_id.encode(),
        "magic": "magic",
        "token_updated_at": NOW - 1000,
    }
    return PushTarget(**{**plain, **fields})


def push_certificate(topic: str = "com.apple.mgmt.test", **fields: Any) -> StoredPushCertificate:
    plain: dict[str, Any] = {
        "topic": topic,
        "certificate_pem": b"certificate",
        "key_pem": b"key",
        "apple_account": "owner@example.org",
        "not_after": NOW + 1_000_000,
        "imported_at": NOW,
    }
    return StoredPushCertificate(**{**plain, **fields})


async def nobody_waits(connection: str) -> None:
    """For who is told of connections that no push can reach."""
    del connection
