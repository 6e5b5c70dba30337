"""Commits are shared by those who wait, and nobody waits for somebody else's failure."""

# ruff: noqa: ASYNC240 - a test may look at its files

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from contract import values as v
from corral.lifecycle.change import Change
from corral.lifecycle.state import Snapshot
from corral.store.sqlite import SqliteStore, checkpoints, open_sqlite
from corral.store.sqlite.database import Database
from corral.store.sqlite.writer import LARGEST_BATCH, Write
from store.sqlite.conftest import SEALER


def database(store: SqliteStore) -> Database:
    return store._database  # pyright: ignore[reportPrivateUsage] - what a batch is made of shows only inside


def count_commits(store: SqliteStore) -> list[None]:
    """A list that grows with every transaction that the writer commits from now on."""
    writer = database(store)._writer  # pyright: ignore[reportPrivateUsage] - as above
    connection = writer._connection  # pyright: ignore[reportPrivateUsage] - as above
    assert connection is not None
    seen: list[None] = []

    def note() -> bool:
        seen.append(None)
        return False

    connection.set_commit_hook(note)
    return seen


async def test_those_who_wait_share_a_commit(store: SqliteStore) -> None:
    """While the first is under way a hundred gather, and are committed together."""
    started, held = threading.Event(), threading.Event()

    def lead(write: Write) -> int:
        write.sql.execute("INSERT INTO event (type, at, data) VALUES ('led', 0, '{}')")
        started.set()
        assert held.wait(10)
        return 0

    def follow(number: int) -> Callable[[Write], int]:
        def act(write: Write) -> int:
            write.sql.execute("INSERT INTO event (type, at, data) VALUES ('followed', 0, '{}')")
            return number

        return act

    leading = asyncio.ensure_future(database(store).write(lead))
    await asyncio.to_thread(started.wait, 10)
    following = [asyncio.ensure_future(database(store).write(follow(n))) for n in range(1, 101)]
    await asyncio.sleep(0)
    commits = count_commits(store)
    held.set()
    assert await asyncio.gather(leading, *following) == list(range(101))
    assert len(commits) == 2


async def test_a_batch_has_a_bound(store: SqliteStore) -> None:
    outcomes = await asyncio.gather(
        *(store.devices.commit(Change(events=(v.event(data={"n": n}),))) for n in range(3 * LARGEST_BATCH))
    )
    assert len(outcomes) == 3 * LARGEST_BATCH
    numbers = [each.event.data["n"] for each in await store.events.read(0, 10_000)]
    assert numbers == list(range(3 * LARGEST_BATCH)), "in the order in which they were asked"


async def test_what_a_member_wrote_before_it_failed_is_undone(store: SqliteStore) -> None:
    def fail(write: Write) -> None:
        write.sql.execute("INSERT INTO event (type, at, data) VALUES ('undone', 0, '{}')")
        write.woken.add("push")
        raise ZeroDivisionError

    woken = v.Woken()
    store.on_work(woken)
    good = [store.events.append((v.event(f"e{n}"),)) for n in range(3)]
    outcomes = await asyncio.gather(*good, database(store).write(fail), return_exceptions=True)
    assert [type(each) for each in outcomes] == [type(None)] * 3 + [ZeroDivisionError]
    assert sorted(each.event.type for each in await store.events.read(0, 9)) == ["e0", "e1", "e2"]
    assert woken == ["event"], "by the others, and no push by the one that failed"


async def test_alone_nobody_waits(store: SqliteStore) -> None:
    """Without others a write takes its own time: it is not held back in the hope of company."""
    await store.events.append((v.event(),))
    best = 1.0
    for _ in range(20):
        started = time.perf_counter()
        await store.events.append((v.event(),))
        best = min(best, time.perf_counter() - started)
    assert best < 0.05


async def test_a_long_list_holds_no_poll_up(store: SqliteStore) -> None:
    await store.devices.commit(v.enrolled())
    going = threading.Event()

    def dawdle(sql: object) -> str:
        del sql
        assert going.wait(10)
        return "done"

    slow = asyncio.ensure_future(database(store).browse(dawdle))
    for _ in range(10):
        assert not isinstance(await store.devices.exchange(v.idle()), Snapshot)
    await store.events.append((v.event(),))
    assert not slow.done()
    going.set()
    assert await slow == "done"


async def test_the_log_stays_bounded_under_steady_writing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "BEGIN_AT", 50)
    monkeypatch.setattr(checkpoints, "WAIT_AT", 200)
    log = path.with_name("corral.db-wal")
    largest = 0
    async with open_sqlite(path, SEALER, create=True) as store:
        await store.devices.commit(v.enrolled())

        async def write(number: int) -> None:
            nonlocal largest
            for each in range(80):
                body = f"{number} {each} ".encode() * 200
                await store.devices.exchange(v.report(f"U{number}-{each}", body=body))
                largest = max(largest, log.stat().st_size)

        await asyncio.gather(*map(write, range(32)))
        assert (await store.directory.counts())["connected"] == 1
    assert largest < 400 * 4096
    assert path.stat().st_size > 2560 * 100


async def test_a_closed_store_leaves_no_thread_behind(path: Path) -> None:
    before = set(threading.enumerate())
    async with open_sqlite(path, SEALER, create=True) as store:
        await store.devices.commit(v.enrolled())
    left = set(threading.enumerate()) - before
    assert not [thread.name for thread in left if thread.name.startswith("corral-")]
