"""Turns at a webhook, over a real store: what is sent when, and what becomes of what is not taken."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract.test_webhooks import webhook
from corral.lifecycle.change import Event
from corral.lifecycle.state import DAY, HOUR, MINUTE, SECOND, Instant
from corral.outgoing import Reply
from corral.service.webhooks import delivering
from corral.service.webhooks.delivering import Delivering
from corral.store.store import Store
from corral.store.webhooks import Webhook
from kept_databases import fresh_sqlite
from service.webhooks.receivers import Receiver, answer

START: Instant = 1_790_000_000_000


class Stage:
    """One webhook that is held, its receiver, and a clock that a test turns."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.receiver = Receiver()
        self.now = START
        self.counted: list[str] = []
        self.number = 0
        self.delivering = Delivering(
            store.webhooks, store.events, self.receiver, lambda: self.now, self.counted.append, lambda: 0.5
        )

    async def add(self, made: Webhook) -> None:
        await self.store.webhooks.add(made, event("webhook.added", None))
        await self.store.webhooks.lease("me", self.now, self.now + 99 * DAY, 9)
        await self.store.webhooks.rewind(made.id, await self.store.events.last(), event("webhook.replayed", None))
        await self.store.webhooks.rewind(made.id, await self.store.events.last(), event("webhook.replayed", None))
        self.passed = await self.store.events.last()

    async def happen(self, *devices: str | None, kind: str = "test.happened") -> None:
        made = list[Event]()
        for each in devices:
            self.number += 1
            made.append(event(kind, each, self.number, at=self.now))
        await self.store.events.append(tuple(made))

    async def turn(self) -> Instant | None:
        return await self.delivering.turn("me", "W1")

    async def settle(self, most: int = 50) -> Instant:
        """Turns until there is nothing to do now; when there will be."""
        for _ in range(most):
            due = await self.turn()
            assert due is not None
            if due > self.now:
                return due
        raise AssertionError("it never rests")

    async def webhook(self) -> Webhook:
        found = await self.store.webhooks.find("W1")
        assert found is not None
        return found

    async def kinds(self) -> list[str]:
        return [each.event.type for each in await self.store.events.read(self.passed, 1000)]


def event(kind: str, device: str | None, number: int = 0, at: Instant = START) -> Event:
    life = f"life of {device}" if device else None
    return Event(type=kind, at=at, device_id=device, connection_id=life, data={"n": number})


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with fresh_sqlite(tmp_path / "corral.db", b"k" * 32) as store:
        made = Stage(store)
        await made.add(webhook(types=("test.*", "webhook.*")))
        await made.settle()
        made.now += SECOND
        made.receiver.taken.clear()
        made.receiver.called.clear()
        yield made


async def test_what_happens_is_told_once_and_only_what_is_wanted(stage: Stage) -> None:
    await stage.happen("A", "B", None)
    await stage.happen("A", kind="other.thing")
    await stage.happen("A")
    due = await stage.settle()
    assert sorted(stage.receiver.numbers) == [1, 2, 3, 5]
    assert stage.counted[-4:] == ["taken"] * 4
    assert due == stage.now + delivering.LOOK_AGAIN
    await stage.settle()
    assert len(stage.receiver.taken) == 4
    assert (await stage.webhook()).passed == await stage.store.events.last()


async def test_events_of_a_device_are_in_order_and_those_of_others_do_not_wait(stage: Stage) -> None:
    stage.receiver.refuses["A"] = answer(400)
    await stage.happen("A", "B", "A", "C", "A", "B")
    await stage.settle()
    assert sorted(stage.receiver.numbers) == [2, 4, 6]
    await stage.happen("A", "B")
    await stage.settle()
    assert sorted(stage.receiver.numbers) == [2, 4, 6, 8]
    assert [each.data["n"] for each in stage.receiver.called if each.device_id == "A"] == [1]
    stage.receiver.refuses.clear()
    stage.now += 10 * SECOND
    await stage.settle()
    assert [each.data["n"] for each in stage.receiver.taken if each.device_id == "A"] == [1, 3, 5, 7]
    assert [each.data["n"] for each in stage.receiver.taken if each.device_id == "B"] == [2, 6, 8]


async def test_a_connection_and_its_device_are_one(stage: Stage) -> None:
    """The first events of a life may not know the device yet."""
    first = Event(type="test.happened", at=START, connection_id="life of A", data={"n": 1})
    stage.receiver.always = answer(500)
    await stage.store.events.append((first, event("test.happened", "A", 2), event("test.happened", "A", 3)))
    await stage.settle()
    assert [each.data["n"] for each in stage.receiver.called] == [1]
    stage.receiver.always = None
    stage.now += MINUTE
    await stage.settle()
    assert stage.receiver.numbers == [1, 2, 3]


async def test_attempts_come_ever_more_seldom_with_one_id(stage: Stage) -> None:
    stage.receiver.refuses["A"] = answer(500)
    await stage.happen("A")
    waits = list[float]()
    for _ in range(9):
        await stage.settle()
        (letter,) = await stage.store.webhooks.waiting("W1", 9)
        waits.append((letter.due_at - stage.now) / SECOND)
        stage.now = letter.due_at
    assert waits == [5, 15, 45, 135, 405, 1215, 3645, 10800, 10800]
    assert len(set(stage.receiver.ids[-9:])) == 1


async def test_after_three_days_an_event_is_dead_and_the_next_of_its_device_goes(stage: Stage) -> None:
    stage.receiver.refuses["A"] = answer(422)
    await stage.happen("A", "A")
    while not (dead := await stage.store.webhooks.dead("W1", None, 9)):
        due = await stage.turn()
        stage.now = max(due or 0, stage.now + MINUTE)
        assert stage.now < START + 4 * DAY
    assert 3 * DAY <= stage.now - START < 3 * DAY + 4 * HOUR
    assert [each.problem for each in dead] == ["answered 422 Unprocessable Entity"]
    assert "webhook.letter-dead" in await stage.kinds()
    stage.receiver.refuses.clear()
    await stage.settle()
    assert stage.receiver.numbers[-1] == 2
    assert "webhook.letter-dead" not in [each.type for each in stage.receiver.taken], "not told of its own"
    assert await stage.store.webhooks.resend("W1", None, stage.now, event("webhook.resent", None)) == 1
    await stage.settle()
    assert sorted(n for n in stage.receiver.numbers if n) == [1, 2]
    assert await stage.store.webhooks.dead("W1", None, 9) == ()


async def test_a_receiver_that_is_down_gets_one_call_at_a_time_and_everything_when_it_is_back(stage: Stage) -> None:
    stage.receiver.always = answer(503)
    await stage.happen(*(f"D{n % 50}" for n in range(300)))
    due = await stage.settle()
    assert len(stage.receiver.called) <= delivering.HOPELESS + delivering.AT_ONCE + 1
    calls = len(stage.receiver.called)
    for _ in range(20):
        stage.now = due
        due = await stage.settle()
    assert len(stage.receiver.called) - calls == 20, "one a pause"
    assert due - stage.now <= 6 * MINUTE
    stage.receiver.always = None
    stage.now = due
    await stage.settle()
    assert sorted(stage.receiver.numbers) == list(range(1, 301))
    for device in range(50):
        numbers = [each.data["n"] for each in stage.receiver.taken if each.device_id == f"D{device}"]
        assert numbers == sorted(numbers)
    health = (await stage.webhook()).health
    assert (health.failing_since, health.succeeded_at, health.problem) == (None, stage.now, "")


async def test_devices_whose_events_are_never_taken_do_not_stop_the_others(stage: Stage) -> None:
    for device in "ABCD":
        stage.receiver.refuses[device] = answer(500)
    await stage.happen(*"ABCD")
    await stage.settle()
    await stage.happen("E")
    for _ in range(4):
        stage.now = await stage.settle()
    assert stage.receiver.numbers == [5]


async def test_a_receiver_that_was_down_for_three_days_is_left_and_goes_on_where_it_stood(stage: Stage) -> None:
    stage.receiver.down = True
    await stage.happen(*"ABCDE")
    due: Instant | None = stage.now
    while due is not None:
        stage.now = max(due, stage.now)
        assert stage.now < START + 4 * DAY
        due = await stage.turn()
    found = await stage.webhook()
    assert (found.disabled_at, found.disabled_why) == (stage.now, "no call has succeeded for three days")
    assert "nobody is there" in found.health.problem
    assert (await stage.kinds())[-1] == "webhook.disabled"
    assert await stage.store.webhooks.dead("W1", None, 9) == ()
    stage.receiver.down = False
    await stage.store.webhooks.enable("W1", stage.now, event("webhook.enabled", None))
    await stage.settle()
    assert sorted(n for n in stage.receiver.numbers if n) == [1, 2, 3, 4, 5]


async def test_410_disables(stage: Stage) -> None:
    stage.receiver.always = answer(410)
    await stage.happen("A")
    assert await stage.turn() is None
    found = await stage.webhook()
    assert (found.disabled_at, found.disabled_why) == (stage.now, "answered 410 Gone")


@pytest.mark.parametrize(
    ("reply", "seconds"),
    [
        (answer(429, retry_after="40"), 40),
        (answer(503, retry_after="99999999"), 3600),
        (answer(503, retry_after="Mon, 21 Sep 2026 14:14:21 GMT"), 60),
        (answer(503, retry_after="soon"), 5),
        (answer(500, retry_after="40"), 5),
    ],
    ids=["seconds", "far too many", "a date", "no time", "another status"],
)
async def test_a_receiver_says_when_to_come_again(stage: Stage, reply: Reply, seconds: int) -> None:
    stage.receiver.always = reply
    await stage.happen("A")
    due = await stage.settle()
    letters = await stage.store.webhooks.waiting("W1", 9)
    assert max(due, *(each.due_at for each in letters)) - stage.now == seconds * SECOND


async def test_so_many_wait_at_most(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "MOST_LETTERS", 150)
    stage.receiver.refuses |= {f"D{n}": answer(500) for n in range(400)}
    for n in range(400):
        await stage.happen(f"D{n}")
        await stage.happen("fine") if n % 50 == 0 else None
    for _ in range(30):
        await stage.turn()
        stage.now += SECOND
    assert 150 <= len(await stage.store.webhooks.waiting("W1", 9999)) < 150 + delivering.BATCH


async def test_an_event_that_is_forgotten_meanwhile_is_no_letter_any_more(stage: Stage) -> None:
    stage.receiver.refuses["A"] = answer(500)
    await stage.happen("A")
    await stage.settle()
    from corral.store.retention import Kind

    await stage.store.retention.prune(Kind.EVENTS, stage.now + 1, 1000)
    stage.now += MINUTE
    await stage.settle()
    assert await stage.store.webhooks.waiting("W1", 9) == ()


async def test_who_does_not_hold_it_calls_nobody(stage: Stage) -> None:
    await stage.happen("A")
    assert await stage.delivering.turn("somebody else", "W1") is None
    assert stage.receiver.called == []


async def test_a_turn_that_is_overtaken_by_a_replay_counts_for_nothing(stage: Stage) -> None:
    await stage.happen("A")
    began = (await stage.webhook()).passed
    settle = stage.store.webhooks.settle

    async def overtaken(holder: str, webhook_id: str, progress: object) -> bool:
        await stage.store.webhooks.rewind("W1", began - 1, event("webhook.replayed", None))
        stage.store.webhooks.settle = settle  # pyright: ignore[reportAttributeAccessIssue] - once only
        return await settle(holder, webhook_id, progress)  # pyright: ignore[reportArgumentType]

    stage.store.webhooks.settle = overtaken  # pyright: ignore[reportAttributeAccessIssue]
    await stage.settle()
    assert stage.receiver.numbers.count(1) == 2, "sent again, as the replay says"
