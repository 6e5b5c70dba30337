"""When and in which order a webhook's events are tried. Pure: times and chance come in.

Two events of one device, or of one connection, are never out of order: the later one waits until the earlier one was
taken or is dead. Events of different devices do not wait for each other. Events about no device have no order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from corral.lifecycle.change import Event
from corral.lifecycle.state import DAY, HOUR, MINUTE, SECOND, Instant
from corral.service.webhooks.answer import Outcome, Refused, Taken
from corral.store.events import StoredEvent
from corral.store.webhooks import Health, Letter, Progress, Webhook

GIVE_UP = 3 * DAY
"""After so long an event is dead; and a webhook of which no call has succeeded for so long is disabled."""
DOWN = 3
"""Devices whose events fail, with no success since, before the receiver as a whole counts as down."""
_FIRST_WAIT, _LONGEST_WAIT = 5 * SECOND, 3 * HOUR
_LONGEST_PAUSE = 5 * MINUTE


def wait_after(attempts: int, chance: float) -> Instant:
    """Before the next attempt of one event: threefold each time, up to three hours, give or take a fifth.

    `chance` from 0 to 1.
    """
    wait = min(_FIRST_WAIT * 3 ** min(attempts - 1, 12), _LONGEST_WAIT)
    return int(wait * (0.8 + 0.4 * chance))


def pause_after(failing_for: Instant, chance: float) -> Instant:
    """Before the next call of a receiver that is down: half as long as it has been down, five minutes at most."""
    wait = min(max(failing_for // 2, _FIRST_WAIT), _LONGEST_PAUSE)
    return int(wait * (0.8 + 0.4 * chance))


def keys(event: Letter | Event) -> frozenset[str]:
    """What orders an event among others."""
    found = {
        f"d {event.device_id}" if event.device_id else "",
        f"c {event.connection_id}" if event.connection_id else "",
    }
    return frozenset(found - {""})


def heads(letters: Iterable[Letter]) -> list[Letter]:
    """Of letters in order, those that wait for no earlier one."""
    seen = set[str]()
    found = list[Letter]()
    for letter in letters:
        own = keys(letter)
        if not own & seen:
            found.append(letter)
        seen |= own
    return found


def is_down(first: Iterable[Letter], health: Health) -> bool:
    """Whether these heads tell that the receiver takes nothing: then one call at a time finds out when it does."""
    return sum(1 for each in first if each.attempts and each.tried_at > health.succeeded_at) >= DOWN


def lanes(batch: Sequence[StoredEvent], letters: Iterable[Letter]) -> tuple[list[list[StoredEvent]], list[StoredEvent]]:
    """What of a batch may be tried now, in lists that are in order each; and what waits behind letters."""
    blocked = {key for letter in letters for key in keys(letter)}
    by_key: dict[str, list[StoredEvent]] = {}
    made: list[list[StoredEvent]] = []
    behind: list[StoredEvent] = []
    for stored in batch:
        own = keys(stored.event)
        if own & blocked:
            behind.append(stored)
            blocked |= own
            continue
        mine = list({id(by_key[key]): by_key[key] for key in own if key in by_key}.values())
        lane = mine[0] if mine else []
        if not mine:
            made.append(lane)
        for other in mine[1:]:  # a connection whose device was not known before: two become one
            lane += other
            lane.sort(key=lambda each: each.sequence)
            made.remove(other)
            by_key |= {key: lane for key, value in by_key.items() if value is other}
        lane.append(stored)
        by_key |= dict.fromkeys(own, lane)
    # What waits behind a letter may be found out late, by an event that ties a connection to a device.
    free = [lane for lane in made if not any(keys(each.event) & blocked for each in lane)]
    behind += [each for lane in made if not any(lane is one for one in free) for each in lane]
    return free, sorted(behind, key=lambda each: each.sequence)


def new_letter(stored: StoredEvent, now: Instant) -> Letter:
    event = stored.event
    return Letter(
        sequence=stored.sequence, device_id=event.device_id, connection_id=event.connection_id, put_at=now, due_at=now
    )


def after_attempt(letter: Letter, refused: Refused, now: Instant, chance: float) -> Letter:
    attempts = letter.attempts + 1
    return replace(
        letter,
        attempts=attempts,
        tried_at=now,
        due_at=now + wait_after(attempts, chance),
        problem=refused.problem,
    )


def settle(
    webhook: Webhook,
    passed: int,
    tried: Sequence[tuple[Letter, Outcome]],
    untried: Sequence[Letter],
    taken: int,
    now: Instant,
    chance: float,
    *,
    was_down: bool = False,
) -> Progress:
    """What one turn comes to.

    `tried`: letters (of events that were taken at the first attempt there are none) with what came of them; `taken`:
    how many events were taken in all.
    """
    refused = [(letter, each) for letter, each in tried if isinstance(each, Refused)]
    gone = next((each for _, each in refused if each.gone), None)
    health = _health(webhook.health, [each for _, each in refused], taken, now, chance, was_down=was_down)
    failing_for = now - health.failing_since if health.failing_since is not None else 0
    why = gone.problem if gone else ""
    if was_down and failing_for >= GIVE_UP:
        why = why or "no call has succeeded for three days"
    letters = [after_attempt(letter, each, now, chance) for letter, each in refused]
    events = list[Event]()
    if why:
        events.append(_event("webhook.disabled", webhook, now, by="its receiver", why=why))
    else:
        for place, letter in enumerate(letters):
            if now - letter.put_at >= GIVE_UP:
                letters[place] = replace(letter, dead_at=now)
                events.append(_event("webhook.letter-dead", webhook, now, sequence=letter.sequence, why=letter.problem))
    return Progress(
        before=webhook.passed,
        passed=passed,
        health=health,
        letters=(*letters, *untried),
        taken=tuple(letter.sequence for letter, each in tried if isinstance(each, Taken)),
        all_due=was_down and taken > 0,
        disabled_at=now if why else None,
        disabled_why=why,
        events=tuple(events),
    )


def _health(
    before: Health, refused: Sequence[Refused], taken: int, now: Instant, chance: float, *, was_down: bool
) -> Health:
    until = max((each.until for each in refused), default=0)
    if taken:
        return Health(succeeded_at=now, paused_until=until)
    if not refused:
        return before
    since = before.failing_since if before.failing_since is not None else now
    pause = now + pause_after(now - since, chance) if was_down else 0
    return replace(before, failing_since=since, paused_until=max(until, pause), problem=refused[-1].problem)


def _event(kind: str, webhook: Webhook, now: Instant, **data: object) -> Event:
    return Event(type=kind, at=now, data={"webhook": webhook.id, **data})
