"""When the disk fails nothing is acknowledged, and when it works again so does the store, by itself."""

import asyncio
from pathlib import Path

import apsw
import pytest

from contract import values as v
from corral.lifecycle.change import Change
from corral.lifecycle.state import Snapshot
from corral.store.devices import Committed, Next
from corral.store.errors import StoreUnavailable
from corral.store.sqlite import open_sqlite, writer
from corral.store.sqlite.connecting import connect, typed
from store.sqlite.conftest import SEALER, Disk, run


@pytest.mark.parametrize(
    ("error", "operation", "words"),
    [
        (apsw.FullError, "write", "the disk is full"),
        (apsw.IOError, "write", "the disk cannot be read or written"),
        (apsw.IOError, "sync", "the disk cannot be read or written"),
    ],
)
async def test_a_write_that_fails_is_told_and_the_next_one_works(
    disk: Disk, path: Path, error: type[apsw.Error], operation: str, words: str
) -> None:
    async with open_sqlite(path, SEALER, create=True) as store:
        await store.devices.commit(v.enrolled())
        disk.fail(error, operation)
        changing = [
            store.devices.commit(v.enrolled(2)),
            store.devices.exchange(v.report()),
            store.queue.enqueue(v.command(), ["C1"]),
            store.ready(),
        ]
        for outcome in await asyncio.gather(*changing, return_exceptions=True):
            assert isinstance(outcome, StoreUnavailable)
            assert words in str(outcome)
            assert "\n" not in str(outcome)
        assert await store.devices.exchange(v.idle()) == Next("C1"), "polls are read all the same"
        disk.mend()
        assert await store.queue.results("U1", None) == ()
        assert (await store.devices.load(v.contact("cert 2", "D2"))).device is None
        assert await store.devices.commit(v.enrolled(2)) == Committed()
        assert await store.devices.exchange(v.report()) == Next("C1")
        await store.ready()
    async with open_sqlite(path, SEALER) as store:
        assert len(await store.queue.results("U1", None)) == 1
        assert (await store.devices.load(v.contact("cert 2", "D2"))).device is not None


async def test_reads_that_fail_are_told_and_the_next_ones_work(disk: Disk, path: Path) -> None:
    async with open_sqlite(path, SEALER, create=True) as store:
        await store.devices.commit(v.enrolled())
    async with open_sqlite(path, SEALER) as store:
        disk.fail(apsw.IOError, "read")
        for read in (
            lambda: store.devices.exchange(v.idle()),
            lambda: store.devices.load(v.contact()),
            lambda: store.grants.links(1, None),
            lambda: store.directory.counts(),
        ):
            with pytest.raises(StoreUnavailable, match="cannot be read or written"):
                await read()
        disk.mend()
        assert await store.devices.exchange(v.idle()) == Next("C1")
        assert (await store.directory.counts())["connected"] == 1


async def test_a_failed_member_of_a_lost_batch_wakes_nobody(disk: Disk, path: Path) -> None:
    async with open_sqlite(path, SEALER, create=True) as store:
        await store.devices.commit(v.enrolled())
        woken = v.Woken()
        store.on_work(woken)
        disk.fail(apsw.IOError, "sync")
        with pytest.raises(StoreUnavailable):
            await store.work.add("push", ["C1"], v.NOW)
        disk.mend()
        assert woken == []
        assert await store.work.next_due("push") is None


async def test_a_stranger_that_holds_the_lock_makes_it_unavailable_for_as_long(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PATIENCE", 50)
    async with open_sqlite(path, SEALER, create=True) as store:
        stranger = connect(path, read_only=False, patience=50)
        typed(stranger).execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked by something else"):
            await store.devices.commit(v.enrolled())
        assert await store.devices.load(v.contact()) == Snapshot()
        typed(stranger).execute("ROLLBACK")
        stranger.close()
        assert await store.devices.commit(v.enrolled()) == Committed()


async def test_a_failing_checkpoint_stops_nobody(disk: Disk, path: Path) -> None:
    """The log grows until the database itself can be written again."""
    async with open_sqlite(path, SEALER, create=True) as store:
        await store.devices.commit(v.enrolled())
        big = v.command("big", body=b"x" * 8_000_000)
        await store.queue.enqueue(big, ["C1"])
        for number in range(5):
            assert await store.devices.commit(Change(events=(v.event(f"e{number}"),))) == Committed()
            await asyncio.sleep(0.01)
        disk.fail(apsw.IOError, "write")
        with pytest.raises(StoreUnavailable):
            await store.devices.commit(Change(events=(v.event("lost"),)))
        disk.mend()
        assert await store.devices.commit(Change(events=(v.event("kept"),))) == Committed()
        assert [each.event.type for each in await store.events.read(0, 99)] == [
            *(f"e{number}" for number in range(5)),
            "kept",
        ]


async def test_a_closed_store_says_so(path: Path) -> None:
    async with open_sqlite(path, SEALER, create=True) as store:
        await store.devices.commit(v.enrolled())
    for late in (
        store.devices.commit(v.enrolled(2)),
        store.devices.exchange(v.idle()),
        store.devices.load(v.contact()),
        store.directory.counts(),
    ):
        with pytest.raises(StoreUnavailable, match="closed"):
            await late


async def test_what_was_asked_before_the_close_is_still_written(path: Path) -> None:
    async with open_sqlite(path, SEALER, create=True) as store:
        asked = [asyncio.ensure_future(store.devices.commit(v.enrolled(n))) for n in range(300)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*asked) == [Committed()] * 300
    async with open_sqlite(path, SEALER) as store:
        assert await store.directory.counts() == {"connected": 300, f"topics:{v.TOPIC}": 300}


async def test_readiness_is_proven_by_writing_at_most_once_a_second(disk: Disk, path: Path) -> None:
    async with open_sqlite(path, SEALER, create=True) as store:
        await store.ready()
        disk.fail(apsw.FullError, "write")
        await store.ready()
        await asyncio.sleep(1.05)
        with pytest.raises(StoreUnavailable, match="disk is full"):
            await store.ready()
        disk.mend()
        await store.ready()


async def test_values_sealed_with_a_key_that_is_gone_make_it_unavailable(path: Path) -> None:
    async with open_sqlite(path, SEALER, create=True) as store:
        await store.vault.put_secret("a", b"secret")
        await store.devices.commit(v.enrolled())
    run(path, "UPDATE secret SET value = x'00'; UPDATE channel SET token = magic")
    async with open_sqlite(path, SEALER) as store:
        with pytest.raises(StoreUnavailable, match="key that is not configured"):
            await store.vault.get_secret("a")
        with pytest.raises(StoreUnavailable, match="moved from another place"):
            await store.devices.load(v.contact())
        with pytest.raises(StoreUnavailable, match="moved from another place"):
            await store.work.push_targets(["C1"])
        assert await store.devices.exchange(v.idle()) == Next("C1")
