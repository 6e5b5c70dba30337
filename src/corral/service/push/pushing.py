"""Pushes: after the commit, coalesced a channel, with an answer for every answer of Apple's service."""

import random
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from corral.apns.client import PushClient
from corral.apns.push import (
    Accepted,
    Broken,
    CertificateRefused,
    Misconfigured,
    Outcome,
    Push,
    RetryLater,
    Unregistered,
)
from corral.lifecycle.change import Event
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.state import DAY, MINUTE, SECOND, Instant
from corral.logs import lines
from corral.service.clock import Clock, to_instant
from corral.service.tracing import UNTRACED, Traces
from corral.store.errors import StoreUnavailable
from corral.store.events import EventStore
from corral.store.vault import Vault
from corral.store.work import LeasedWork, PushRecord, PushTarget, WorkStore

UNREGISTERED = "Apple: unregistered"
"""Why no push reaches a channel whose token is dead."""

KEPT_FOR = 7 * DAY
"""How long Apple keeps a push for a device that is off; it keeps the last one only."""

LEASE = 30 * SECOND
"""Longer than a batch takes that Apple does not answer, and as long as pushes wait after a process died."""
BATCH = 200
"""What a batch begins and ends with is done in one turn of the loop, in which no device is answered."""

_WORDS: Mapping[type[Outcome], str] = {
    Accepted: "accepted",
    Unregistered: "unregistered",
    RetryLater: "retry-later",
    CertificateRefused: "certificate-refused",
    Misconfigured: "misconfigured",
    Broken: "broken",
}


class Pushing:
    """Takes due push work and sends it. Work whose worker dies is taken again when its lease runs out."""

    def __init__(
        self,
        work: WorkStore,
        vault: Vault,
        events: EventStore,
        client: PushClient,
        clock: Clock,
        count: Callable[[str], None],
        gone: Callable[[str], Awaitable[None]],
        traces: Traces = UNTRACED,
    ) -> None:
        """`count` gets a word for the outcome of every push; `gone` each connection that no push can reach."""
        self._work = work
        self._vault = vault
        self._events = events
        self._client = client
        self._clock = clock
        self._count = count
        self._gone = gone
        self._traces = traces
        self._jitter = random.SystemRandom().random
        self._loaded: dict[str, Instant] = {}
        """Topics that the client has a certificate for, by when that was imported."""

    async def load_certificates(self) -> None:
        """Bring the client up to what the vault holds: another process may have imported or stopped one."""
        usable = {each.topic: each for each in await self._vault.push_certificates() if not each.stopped}
        for topic in self._loaded.keys() - usable.keys():
            del self._loaded[topic]
            self._client.unload(topic)
        for topic, certificate in usable.items():
            if self._loaded.get(topic) != certificate.imported_at:
                self._client.load(topic, certificate.certificate_pem, certificate.key_pem)
                self._loaded[topic] = certificate.imported_at

    async def push_due(self, kind: str) -> int:
        """Send what is due of this kind of work; returns how many rows were taken."""
        now = self._clock()
        leased = await self._work.lease(kind, now, now + LEASE, BATCH)
        if not leased:
            return 0
        targets = {each.channel_id: each for each in await self._work.push_targets([w.key for w in leased])}
        if any(each.topic not in self._loaded for each in targets.values()):
            await self.load_certificates()
        outcomes = await self._send(list(targets.values()))
        await self._settle(leased, targets, outcomes)
        return len(leased)

    async def _send(self, targets: Sequence[PushTarget]) -> Mapping[str, Outcome]:
        expiration = (self._clock() + KEPT_FOR) // 1000
        known = {str(uuid.uuid4()): target for target in targets}
        waiting = await self._work.traces([each.channel_id for each in targets]) if self._traces.follows else ()
        following = self._traces.push(known, waiting)
        outcomes: dict[str, Outcome] = {}

        def pushes() -> Iterator[Push]:
            for push_id, target in known.items():
                push = Push(target.token, target.topic, target.magic, expiration, push_id)
                following.begin(push)
                yield push

        def sent(push: Push, outcome: Outcome) -> None:
            following.end(push, outcome)
            outcomes[known[push.push_id].channel_id] = outcome

        await self._client.send_many(pushes(), sent)
        return outcomes

    async def _settle(
        self,
        leased: Sequence[LeasedWork],
        targets: Mapping[str, PushTarget],
        outcomes: Mapping[str, Outcome],
    ) -> None:
        now = self._clock()
        finished: list[LeasedWork] = []
        again: list[tuple[LeasedWork, Instant]] = []
        records: list[PushRecord] = []
        refused: dict[str, str] = {}
        for work in leased:
            target, outcome = targets.get(work.key), outcomes.get(work.key)
            if target is None:
                await self._tell_gone(work.key)
            if target is None or outcome is None:
                finished.append(work)
                continue
            records.append(PushRecord(channel_id=work.key, at=now, outcome=_name(outcome)))
            self._count(_WORDS[type(outcome)])
            match outcome:
                case Accepted():
                    finished.append(work)
                case Unregistered():
                    await self._unregistered(target, outcome, now)
                    finished.append(work)
                case RetryLater(after_seconds=after):
                    again.append((work, now + self._delay(work.attempts, after)))
                case CertificateRefused(reason=reason):
                    refused[target.topic] = reason
                    finished.append(work)
                case Misconfigured() | Broken():
                    await self._alarm(target, outcome, now)
                    finished.append(work)
        await self._work.record_pushes(records)
        await self._work.finish(finished)
        await self._work.put_back(again)
        for topic, reason in refused.items():
            await self._stop(topic, reason, now)

    async def _unregistered(self, target: PushTarget, outcome: Unregistered, now: Instant) -> None:
        """Only a token that is older than Apple's word is dead; a newer one was sent since."""
        if outcome.timestamp is not None and to_instant(outcome.timestamp) < target.token_updated_at:
            return
        event = self._event("push.unregistered", target, now, outcome.reason)
        await self._work.mark_unreachable(target.channel_id, target.token, UNREGISTERED, event)
        await self._tell_gone(target.channel_id)

    async def _tell_gone(self, channel: str) -> None:
        """What it means to others is no reason not to settle the other pushes of the batch."""
        if "/" in channel:  # a user's
            return
        try:
            await self._gone(channel)
        except (OperationRefused, StoreUnavailable) as error:
            lines.pushing_gone(connection=channel, why=str(error))

    async def _alarm(self, target: PushTarget, outcome: Misconfigured | Broken, now: Instant) -> None:
        """The token stays: a wrong certificate or environment must not look like a fleet that is gone."""
        await self._events.append((self._event("push.misconfigured", target, now, outcome.reason),))

    async def _stop(self, topic: str, reason: str, now: Instant) -> None:
        self._client.unload(topic)
        self._loaded.pop(topic, None)
        if topic in {each.topic for each in await self._vault.push_certificates()}:
            await self._vault.stop_topic(topic, reason)
            stopped = Event(type="push.topic-stopped", at=now, data={"topic": topic, "reason": reason})
            await self._events.append((stopped,))

    def _event(self, kind: str, target: PushTarget, now: Instant, reason: str) -> Event:
        return Event(
            type=kind,
            at=now,
            device_id=target.device_id,
            connection_id=target.connection_id,
            data={"channel": target.channel_id, "reason": reason},
        )

    def _delay(self, attempts: int, after_seconds: float | None) -> Instant:
        """Exponential from two seconds to an hour, with jitter; not before what the service asked for."""
        backoff = min(2 * SECOND * 2 ** min(attempts, 12), 60 * MINUTE)
        jittered = int(backoff * (0.5 + self._jitter() / 2))
        return max(jittered, int((after_seconds or 0) * 1000))


def _name(outcome: Outcome) -> str:
    return "accepted" if isinstance(outcome, Accepted) else outcome.reason
