"""The background of a process: it wakes for work, sleeps until it is due, and outlives every failure."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from corral.apns.push import Outcome, Push
from corral.lifecycle.policy import Policy
from corral.service.connections.sweeping import Sweeping
from corral.service.installation.retaining import Keep, Retaining
from corral.service.mdm.contacts import ContactBook
from corral.service.mdm.transitions import Transitions
from corral.service.push.pushing import BATCH, Pushing
from corral.store.errors import StoreUnavailable
from corral.store.retention import Kind, Pruned
from corral.worker import worker as module
from corral.worker.worker import Worker
from lifecycle.memory import MemoryStore
from service.fakes import (
    NOW,
    Clock,
    FakeAcme,
    FakeContacts,
    FakeEvents,
    FakePushService,
    FakeQueue,
    FakeVault,
    FakeWork,
    nobody_waits,
    push_certificate,
    target,
)


class NothingOld:
    """A store in which nothing is old enough to be forgotten."""

    async def prune(self, kind: Kind, before: int, limit: int, after: str = "") -> Pruned:
        del kind, before, limit, after
        return Pruned(0, None)


class House:
    """A worker over fakes, and what it is there for."""

    def __init__(
        self, sweep_every: float = 3600.0, work: FakeWork | None = None, client: FakePushService | None = None
    ) -> None:
        self.clock = Clock()
        self.work = work or FakeWork()
        self.client = client or FakePushService()
        self.contacts = FakeContacts()
        self.book = ContactBook(self.contacts, self.clock)
        self.queue = FakeQueue()
        vault = FakeVault(push_certificate())
        pushing = Pushing(self.work, vault, FakeEvents(), self.client, self.clock, lambda outcome: None, nobody_waits)
        transitions = Transitions(MemoryStore(), self.book, Policy(), self.clock)
        sweeping = Sweeping(self.queue, self.work, FakeAcme(), transitions, Policy(), self.clock)
        retaining = Retaining(NothingOld(), Keep(), self.clock)
        self.worker = Worker(self.work, pushing, sweeping, retaining, self.book, self.clock, sweep_every)

    def put(self, channel: str, due_at: int = NOW, kind: str = "push") -> None:
        self.work.targets[channel] = target(channel)
        self.work.due[kind, channel] = due_at

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        running = asyncio.create_task(self.worker.run())
        try:
            yield
            assert not running.done(), "it runs until it is cancelled"
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def pushed(self) -> list[bytes]:
        return [push.token for push in self.client.pushes]


async def until(happened: Callable[[], object], seconds: float = 20.0) -> None:
    for _ in range(int(seconds / 0.005)):
        if happened():
            return
        await asyncio.sleep(0.005)
    assert happened()


async def test_what_is_due_when_it_starts_is_pushed() -> None:
    house = House()
    house.put("C1")
    house.put("C2", kind="push-later")
    async with house.running():
        await until(lambda: len(house.pushed()) == 2)
    assert set(house.work.finished) == {"C1", "C2"}


async def test_a_commit_wakes_it() -> None:
    house = House()
    async with house.running():
        await until(lambda: house.work.leases == 2)
        house.put("C1")
        house.worker.wake("push")
        await until(house.pushed, 1.0)
    assert house.pushed() == [b"C1"]


async def test_a_wake_during_a_round_is_not_lost() -> None:
    class Busy(FakePushService):
        async def send_many(
            self, pushes: Iterable[Push], report: Callable[[Push, Outcome], None], *, at_once: int = 1000
        ) -> None:
            if not self.pushes:
                house.put("C2")
                house.worker.wake("push")
            await super().send_many(pushes, report, at_once=at_once)

    house = House(client=Busy())
    house.put("C1")
    async with house.running():
        await until(lambda: len(house.pushed()) == 2, 1.0)


async def test_a_wake_for_what_it_does_not_do_is_ignored() -> None:
    House().worker.wake("webhook")


async def test_it_sleeps_until_work_is_due() -> None:
    house = House()
    house.put("C1", NOW + 200)
    async with house.running():
        await asyncio.sleep(0.1)
        assert house.pushed() == []
        assert house.work.leases == 2, "one look a kind, and then it sleeps"
        house.clock.now = NOW + 200
        await until(house.pushed, 1.0)


async def test_it_looks_again_now_and_then_even_if_nobody_wakes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work of another process's commit, for example."""
    monkeypatch.setattr(module, "LONGEST_SLEEP", 0.05)
    house = House()
    async with house.running():
        await until(lambda: house.work.leases >= 2)
        house.put("C1")
        await until(house.pushed, 1.0)


async def test_work_that_is_overdue_and_leased_elsewhere_is_no_busy_loop() -> None:
    """`next_due` may name a time that has passed just now: it does not spin."""

    class Elsewhere(FakeWork):
        async def next_due(self, kind: str) -> int | None:
            del kind
            return NOW - 1000

    house = House(work=Elsewhere())
    async with house.running():
        await asyncio.sleep(0.2)
    assert house.work.leases < 100


async def test_a_full_batch_is_followed_by_the_next_at_once() -> None:
    house = House()
    for number in range(BATCH + 1):
        house.put(f"C{number}")
    async with house.running():
        await until(lambda: len(house.pushed()) == BATCH + 1)


@pytest.mark.parametrize(
    ("failure", "told"),
    [(StoreUnavailable("the disk is full"), "worker.store-unavailable"), (ZeroDivisionError(), "worker.failed")],
)
async def test_a_failure_is_logged_and_the_next_round_comes(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, told: str
) -> None:
    monkeypatch.setattr(module, "LONGEST_SLEEP", 0.05)
    house = House()
    house.work.failing = [failure]
    house.put("C1")
    house.put("C2", kind="push-later")
    with capture_logs() as logs:
        async with house.running():
            await until(lambda: len(house.pushed()) == 2)
    assert [entry["event"] for entry in logs if entry["log_level"] in ("warning", "error")] == [told]


async def test_contacts_are_written_about_once_a_second_and_sweeps_now_and_then() -> None:
    house = House(sweep_every=0.05)
    house.book.note("C1")
    async with house.running():
        await until(lambda: house.queue.expired and house.contacts.flushes)
    assert [each.channel_id for each in house.contacts.heard] == ["C1"]


async def test_a_store_that_is_away_stops_neither_contacts_nor_sweeps() -> None:
    house = House(sweep_every=0.05)
    house.contacts.down = True
    house.book.note("C1")
    with capture_logs() as logs:
        async with house.running():
            await until(lambda: any(entry.get("kind") == "contacts" for entry in logs))
            house.contacts.down = False
            house.book.note("C2")
            await until(lambda: house.contacts.flushes)
    assert len(house.queue.expired) > 2


async def test_finishing_writes_what_is_gathered() -> None:
    house = House()
    house.book.note("C1", "command")
    await house.worker.finish()
    assert [each.channel_id for each in house.contacts.heard] == ["C1"]
    assert len(house.contacts.attempts) == 1


async def test_finishing_without_a_store_is_said_and_is_no_failure() -> None:
    house = House()
    house.contacts.down = True
    house.book.note("C1")
    with capture_logs() as logs:
        await house.worker.finish()
    assert [entry["event"] for entry in logs] == ["worker.contacts-lost"]
