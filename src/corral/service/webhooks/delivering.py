"""One turn at a webhook: read what is next, call the receiver, write down what came of it.

A turn takes a hundred events at most, and writes once. Whoever dies in one has sent a hundred events that are sent
again, under the same ids.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from corral.lifecycle.state import SECOND, Instant
from corral.outgoing import KeptLines, Outgoing, OutgoingError
from corral.service.clock import Clock
from corral.service.tracing import UNTRACED, Traces
from corral.service.webhooks import schedule
from corral.service.webhooks.answer import Outcome, Refused, Taken, outcome
from corral.service.webhooks.message import message
from corral.store.events import EventStore, StoredEvent
from corral.store.webhooks import Letter, Webhook, WebhookStore

BATCH = 100
READ_AT_ONCE = 1000
"""Events that are looked at in one turn, where a filter wants few of them."""
MOST_LETTERS = 1000
"""So many that wait, and the outbox is read no further until some of them are taken or dead."""
AT_ONCE = 8
"""Calls of one webhook at one time; to a receiver that is down, one."""
HOPELESS = 8
"""Calls of a turn that fail with none succeeding, after which the rest of the turn is left."""
LOOK_AGAIN = SECOND


def wants(webhook: Webhook, stored: StoredEvent) -> bool:
    """Never its own dead letters: each would make another."""
    event = stored.event
    if event.type == "webhook.letter-dead" and event.data.get("webhook") == webhook.id:
        return False
    return any(fnmatchcase(event.type, pattern) for pattern in webhook.types)


@dataclass(slots=True)
class _Turn:
    """What has come of it so far."""

    taken: int = 0
    failed: int = 0
    tried: list[tuple[Letter, Outcome]] = field(default_factory=list[tuple[Letter, Outcome]])
    untried: list[Letter] = field(default_factory=list[Letter])

    @property
    def is_hopeless(self) -> bool:
        return not self.taken and self.failed >= HOPELESS


class Delivering:
    """Calls receivers. `count` hears `taken` or `refused` for every call."""

    def __init__(
        self,
        store: WebhookStore,
        events: EventStore,
        outgoing: Outgoing,
        clock: Clock,
        count: Callable[[str], None],
        chance: Callable[[], float] | None = None,
        traces: Traces = UNTRACED,
    ) -> None:
        self._store = store
        self._events = events
        self._outgoing = outgoing
        self._clock = clock
        self._count = count
        self._chance = chance or random.SystemRandom().random
        self._traces = traces
        self._lines: dict[str, tuple[str, KeptLines]] = {}

    async def turn(self, holder: str, webhook_id: str) -> Instant | None:
        """When the next one is due, a time that has passed if at once; None if this holder has nothing to do there."""
        now = self._clock()
        webhook = await self._store.held(holder, webhook_id)
        if webhook is None or webhook.disabled_at is not None:
            return None
        if now < webhook.health.paused_until:
            return webhook.health.paused_until
        letters = await self._store.waiting(webhook_id, MOST_LETTERS + READ_AT_ONCE)
        first = schedule.heads(letters)
        down = schedule.is_down(first, webhook.health)
        room = len(letters) < MOST_LETTERS
        batch, passed, more = await self._read(webhook) if room else ([], webhook.passed, False)
        if down:
            batch, passed = _up_to_first_free(batch, letters, passed)
        free, behind = schedule.lanes(batch, letters)
        due = [each for each in first if each.due_at <= now][:BATCH]
        if down:
            due = [] if free else sorted(first, key=lambda each: each.tried_at)[:1]
        turn = _Turn(untried=[schedule.new_letter(each, now) for each in behind])
        await self._carry_out(webhook, due, free, turn)
        if passed == webhook.passed and not turn.tried and not turn.taken and not turn.untried:
            waits = [each.due_at for each in first if each.due_at > now]
            return min([now + LOOK_AGAIN, *waits])
        progress = schedule.settle(
            webhook, passed, turn.tried, turn.untried, turn.taken, self._clock(), self._chance(), was_down=down
        )
        if not await self._store.settle(holder, webhook_id, progress):
            return now  # it was rewound, or is another's by now: look what holds
        if progress.disabled_at is not None:
            return None
        at_once = more or turn.tried or turn.untried
        return max(progress.health.paused_until, now if at_once else now + LOOK_AGAIN)

    async def call(self, webhook: Webhook, stored: StoredEvent) -> Outcome:
        """One event, told once."""
        now = self._clock()
        told = message(webhook, stored, now)
        telling = self._traces.tell(webhook.id, webhook.url, stored)
        try:
            reply = await self._line(webhook).request("POST", {**told.headers, **telling.headers}, told.body)
        except OutgoingError as error:
            telling.end(None, type(error).__name__)
            return Refused(str(error).rstrip("."))
        telling.end(reply.status)
        return outcome(reply, self._clock())

    def forget(self, webhook_id: str) -> None:
        """Close what is kept open for it."""
        kept = self._lines.pop(webhook_id, None)
        if kept is not None:
            kept[1].close()

    def _line(self, webhook: Webhook) -> KeptLines:
        """Raises OutgoingError."""
        url, line = self._lines.get(webhook.id, ("", None))
        if line is None or url != webhook.url:
            self.forget(webhook.id)
            line = KeptLines(self._outgoing, webhook.url)
            self._lines[webhook.id] = webhook.url, line
        return line

    async def _read(self, webhook: Webhook) -> tuple[list[StoredEvent], int, bool]:
        """Events that it wants, up to which number the outbox was looked at for them, and whether there may be more."""
        limit = BATCH if webhook.types == ("*",) else READ_AT_ONCE
        found = await self._events.read(webhook.passed, limit)
        batch = list[StoredEvent]()
        passed = webhook.passed
        for each in found:
            if wants(webhook, each):
                if len(batch) == BATCH:
                    return batch, passed, True
                batch.append(each)
            passed = each.sequence
        return batch, passed, len(found) == limit

    async def _carry_out(
        self, webhook: Webhook, due: Sequence[Letter], free: Sequence[Sequence[StoredEvent]], turn: _Turn
    ) -> None:
        events = await self._events.some([each.sequence for each in due])
        # The event of a letter may have been forgotten by age: then there is nothing to tell any more.
        turn.tried += [(each, Taken()) for each in due if each.sequence not in events]
        todo = deque[Sequence[StoredEvent] | Letter](each for each in due if each.sequence in events)
        todo.extend(free)

        async def work() -> None:
            while todo:
                match todo.popleft():
                    case Letter() as letter:
                        await self._try_letter(webhook, letter, events[letter.sequence], turn)
                    case lane:
                        await self._try_lane(webhook, lane, turn)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(todo))):
                group.create_task(work())

    async def _try_letter(self, webhook: Webhook, letter: Letter, stored: StoredEvent, turn: _Turn) -> None:
        if not turn.is_hopeless:
            turn.tried.append((letter, await self._try(webhook, stored, turn)))

    async def _try_lane(self, webhook: Webhook, lane: Sequence[StoredEvent], turn: _Turn) -> None:
        """One after the other, up to the first that is not taken; what is left waits behind it."""
        now = self._clock()
        for place, stored in enumerate(lane):
            if turn.is_hopeless:
                turn.untried += [schedule.new_letter(each, now) for each in lane[place:]]
                return
            told = await self._try(webhook, stored, turn)
            if isinstance(told, Refused):
                turn.tried.append((schedule.new_letter(stored, now), told))
                turn.untried += [schedule.new_letter(each, now) for each in lane[place + 1 :]]
                return

    async def _try(self, webhook: Webhook, stored: StoredEvent, turn: _Turn) -> Outcome:
        told = await self.call(webhook, stored)
        if isinstance(told, Taken):
            turn.taken += 1
            self._count("taken")
        else:
            turn.failed += 1
            self._count("refused")
        return told


def _up_to_first_free(
    batch: Sequence[StoredEvent], letters: Sequence[Letter], passed: int
) -> tuple[list[StoredEvent], int]:
    """To find out whether a receiver is back one event is enough, and others need not become letters for it."""
    blocked = {key for letter in letters for key in schedule.keys(letter)}
    for place, each in enumerate(batch):
        own = schedule.keys(each.event)
        if not own & blocked:
            return list(batch[: place + 1]), each.sequence
        blocked |= own
    return list(batch), passed
