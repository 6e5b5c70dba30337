"""What administrators do with webhooks."""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from corral.lifecycle.change import Event
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.state import Instant
from corral.lifecycle.vocabulary import VOCABULARY
from corral.outgoing import KeptLines, Outgoing, OutgoingError
from corral.service.clock import Clock
from corral.service.errors import NotFound, RequestRefused
from corral.service.webhooks.answer import Refused
from corral.service.webhooks.delivering import Delivering
from corral.service.webhooks.message import new_secret, shown_secret
from corral.store.events import EventStore, StoredEvent
from corral.store.webhooks import Letter, Letters, Webhook, WebhookStore

MOST = 50
MOST_SECRETS = 3
"""Good at one time."""


@dataclass(frozen=True, slots=True)
class Tested:
    """How a test event was answered; `problem` empty: it was taken."""

    problem: str
    milliseconds: int


class Webhooks:
    def __init__(
        self, store: WebhookStore, events: EventStore, delivering: Delivering, outgoing: Outgoing, clock: Clock
    ) -> None:
        self._store = store
        self._events = events
        self.delivering = delivering
        self._outgoing = outgoing
        self._clock = clock

    async def list(self) -> tuple[tuple[Webhook, Letters], ...]:
        letters = await self._store.letters()
        return tuple((each, letters.get(each.id, Letters())) for each in await self._store.all())

    async def show(self, webhook_id: str) -> tuple[Webhook, Letters]:
        return await self._find(webhook_id), (await self._store.letters()).get(webhook_id, Letters())

    async def add(self, url: str, types: Sequence[str], note: str, by: str) -> tuple[Webhook, str]:
        """A webhook for what happens from now on, and its secret. Raises RequestRefused, OperationRefused."""
        self._check(url, types)
        if len(await self._store.all()) >= MOST:
            raise OperationRefused(f"There are {MOST} webhooks, and no more are served; remove one first.")
        secret = new_secret()
        webhook = Webhook(
            id=f"wh_{secrets.token_hex(6)}",
            url=url,
            note=note,
            types=tuple(types),
            secrets=(secret,),
            created_at=self._clock(),
            created_by=by,
            passed=await self._events.last(),
        )
        await self._store.add(webhook, self._event("webhook.added", webhook, by, types=list(types)))
        return webhook, shown_secret(secret)

    async def change(
        self,
        webhook_id: str,
        by: str,
        *,
        url: str | None = None,
        types: Sequence[str] | None = None,
        note: str | None = None,
        enabled: bool | None = None,
    ) -> None:
        """What is None stays as it is; all of it is one commit. Disabled, nothing is sent; enabled, it goes on where it
        stood. Raises NotFound, RequestRefused."""
        webhook, now = await self._find(webhook_id), self._clock()
        changed = replace(
            webhook,
            url=webhook.url if url is None else url,
            types=webhook.types if types is None else tuple(types),
            note=webhook.note if note is None else note,
        )
        self._check(changed.url, changed.types)
        names = [name for name in ("url", "types", "note") if getattr(changed, name) != getattr(webhook, name)]
        events = [self._event("webhook.changed", webhook, by, fields=names)] if names else []
        is_enabled = webhook.disabled_at is None
        if enabled is False and is_enabled:
            changed = replace(changed, disabled_at=now, disabled_why=f"by {by}")
            events.append(self._event("webhook.disabled", webhook, by, why="by hand"))
        if enabled is True and not is_enabled:
            changed = replace(changed, disabled_at=None, disabled_why="")
            events.append(self._event("webhook.enabled", webhook, by))
        if events:
            await self._configure(changed, *events, enabled_at=now if enabled and not is_enabled else None)

    async def remove(self, webhook_id: str, by: str) -> None:
        webhook = await self._find(webhook_id)
        if not await self._store.remove(webhook_id, self._event("webhook.removed", webhook, by)):
            raise _unknown(webhook_id)

    async def rotate(self, webhook_id: str, overlap: Instant, by: str) -> tuple[Webhook, str]:
        """Another secret signs from now on; those before sign beside it for `overlap` (ms). Raises NotFound."""
        webhook, now = await self._find(webhook_id), self._clock()
        ends = now + overlap
        former = [replace(each, until=min(each.until or ends, ends)) for each in webhook.secrets]
        secret = new_secret()
        good = [each for each in former if each.until is not None and each.until > now][: MOST_SECRETS - 1]
        rotated = replace(webhook, secrets=(secret, *good))
        await self._configure(rotated, self._event("webhook.rotated", webhook, by))
        return rotated, shown_secret(secret)

    async def test(self, webhook_id: str) -> Tested:
        """Send an event that is in no outbox, once, and say how it was answered. Raises NotFound."""
        webhook = await self._find(webhook_id)
        event = Event(type="webhook.test", at=self._clock(), data={"webhook": webhook_id})
        begun = time.perf_counter()
        told = await self.delivering.call(webhook, StoredEvent(sequence=0, event=event))
        self.delivering.forget(webhook_id)
        taken = round((time.perf_counter() - begun) * 1000)
        return Tested(told.problem if isinstance(told, Refused) else "", taken)

    async def replay(self, webhook_id: str, by: str, *, after: int | None = None, since: Instant | None = None) -> int:
        """Send again what happened behind a number or since a time; returns the number.

        Raises NotFound, and RequestRefused for a number that no event has yet: all up to there would never be sent.
        """
        webhook = await self._find(webhook_id)
        if (after is None) == (since is None):
            raise RequestRefused("Give either the number after which to begin, or a time.")
        number = after if after is not None else await self._events.last_before(since or 0)
        last = await self._events.last()
        if number > last:
            raise RequestRefused(f"There is no event {number} yet, the last one is {last}.")
        event = self._event("webhook.replayed", webhook, by, after=number)
        if not await self._store.rewind(webhook_id, number, event):
            raise _unknown(webhook_id)
        return number

    async def dead(
        self, webhook_id: str, before: int | None, limit: int
    ) -> tuple[tuple[Letter, ...], Mapping[int, StoredEvent]]:
        """Dead letters, the latest events first, and the events of those that are still kept. Raises NotFound."""
        await self._find(webhook_id)
        letters = await self._store.dead(webhook_id, before, limit)
        return letters, await self._events.some([each.sequence for each in letters])

    async def resend(self, webhook_id: str, sequences: Sequence[int] | None, by: str) -> int:
        """Try dead letters again (None: all); returns how many. Raises NotFound, OperationRefused."""
        webhook = await self._find(webhook_id)
        if webhook.disabled_at is not None:
            raise OperationRefused(f"Webhook {webhook_id} is disabled; enable it first.")
        event = self._event("webhook.resent", webhook, by)
        count = await self._store.resend(webhook_id, sequences, self._clock(), event)
        if count == 0 and sequences:
            raise NotFound(f"None of these events is a dead letter of {webhook_id}.")
        return count

    def _check(self, url: str, types: Sequence[str]) -> None:
        try:
            KeptLines(self._outgoing, url)
        except OutgoingError as error:
            raise RequestRefused(str(error)) from None
        if not types:
            raise RequestRefused("A webhook without types would be told nothing; `*` is everything.")
        for pattern in types:
            if not any(fnmatchcase(name, pattern) for name in VOCABULARY):
                raise RequestRefused(f"No event is of a type like {pattern!r}; `GET /event-types` lists them.")

    async def _configure(self, webhook: Webhook, *events: Event, enabled_at: Instant | None = None) -> None:
        if not await self._store.configure(webhook, *events, enabled_at=enabled_at):
            raise _unknown(webhook.id)

    async def _find(self, webhook_id: str) -> Webhook:
        found = await self._store.find(webhook_id)
        if found is None:
            raise _unknown(webhook_id)
        return found

    def _event(self, kind: str, webhook: Webhook, by: str, **data: object) -> Event:
        return Event(type=kind, at=self._clock(), data={"webhook": webhook.id, "by": by, **data})


def _unknown(webhook_id: str) -> NotFound:
    return NotFound(f"There is no webhook {webhook_id}; see `corral webhook list`.")
