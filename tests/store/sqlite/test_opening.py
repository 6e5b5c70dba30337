"""What is opened, what is refused, and what lies on the disk."""

# ruff: noqa: ASYNC240 - a test may look at its files

import multiprocessing
import os
import stat
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest

from contract import values as v
from corral.sealing import Sealer
from corral.store.errors import StoreRefused
from corral.store.migrations import Migration
from corral.store.sqlite import SqliteStore, open_sqlite
from corral.store.sqlite import store as store_module
from corral.store.sqlite.connecting import connect, typed
from corral.store.sqlite.database import exclusive
from corral.store.store import Store
from store.sqlite.conftest import SEALER, run


async def refuse(path: Path, words: str, *, sealer: Sealer = SEALER, create: bool = False) -> None:
    with pytest.raises(StoreRefused, match=words) as refusal:
        async with open_sqlite(path, sealer, create=create):
            pass
    assert "\n" not in str(refusal.value)
    assert str(path.parent) in str(refusal.value) or "version" in str(refusal.value)


def test_it_is_a_store(store: SqliteStore) -> None:
    whole: Store = store
    assert whole.devices is store.devices


async def test_a_missing_database_is_not_made_by_accident(path: Path) -> None:
    await refuse(path, "There is no database .* `corral init`")
    assert not list(path.parent.iterdir())


async def test_an_existing_database_is_not_made_again(path: Path) -> None:
    async with open_sqlite(path, SEALER, create=True) as store:
        await store.devices.commit(v.enrolled())
    await refuse(path, "is there already", create=True)
    async with open_sqlite(path, SEALER) as store:
        assert (await store.directory.counts())["connected"] == 1


async def test_work_that_a_dead_process_had_leased_is_due_again(path: Path) -> None:
    async with open_sqlite(path, SEALER, create=True) as store:
        await store.work.add("push", ["first", "again"], v.NOW)
        await store.work.lease("push", v.NOW, v.NOW + 60_000, 10)
        await store.work.add("push", ["again"], v.NOW - 5)
        assert await store.work.lease("push", v.NOW, v.NOW + 60_000, 10) == ()
    async with open_sqlite(path, SEALER) as store:
        taken = await store.work.lease("push", v.NOW, v.NOW + 60_000, 10)
    assert [(work.key, work.due_at) for work in taken] == [("again", v.NOW - 5), ("first", v.NOW)]


async def test_a_folder_that_is_missing_is_named(path: Path) -> None:
    await refuse(path.parent / "nowhere" / "corral.db", "nowhere", create=True)


async def test_a_second_service_is_refused(store: SqliteStore, path: Path) -> None:
    del store
    await refuse(path, rf"in use by another Corral \(process {os.getpid()}\); stop that one first")


def _hold(path: Path, started: Event) -> None:
    with exclusive(path):
        started.set()
        os.kill(os.getpid(), 9)


async def test_a_service_that_was_killed_holds_nothing(path: Path) -> None:
    async with open_sqlite(path, SEALER, create=True):
        pass
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    holder = context.Process(target=_hold, args=(path, started))
    holder.start()
    assert started.wait(30)
    holder.join(30)
    async with open_sqlite(path, SEALER):
        pass


async def test_another_key_is_refused(path: Path) -> None:
    async with open_sqlite(path, SEALER, create=True):
        pass
    await refuse(path, "sealed with another key", sealer=Sealer([b"x" * 32]))


async def test_a_new_key_beside_the_old_one_is_fine(path: Path) -> None:
    old, new = b"o" * 32, b"n" * 32
    async with open_sqlite(path, Sealer([old]), create=True) as store:
        await store.vault.put_secret("a", b"old")
    async with open_sqlite(path, Sealer([new, old])) as store:
        assert await store.vault.get_secret("a") == b"old"


async def test_a_newer_database_is_refused_and_left_as_it_is(path: Path) -> None:
    async with open_sqlite(path, SEALER, create=True):
        pass
    run(path, "PRAGMA user_version = 99")
    before = path.read_bytes()
    await refuse(path, "version 99")
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"not a database at all", b"SQLite format 3\x00" + bytes(200)])
async def test_what_is_no_database_of_ours_is_refused_and_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    await refuse(path, "is not a database of Corral")
    assert path.read_bytes() == content


async def test_the_database_of_another_program_is_refused_and_left_as_it_is(path: Path) -> None:
    run(path, "CREATE TABLE t (x); INSERT INTO t VALUES (1)")
    before = path.read_bytes()
    await refuse(path, "is not a database of Corral")
    assert path.read_bytes() == before


async def test_a_damaged_database_is_refused(path: Path) -> None:
    async with open_sqlite(path, SEALER, create=True):
        pass
    content = bytearray(path.read_bytes())
    content[100:4096] = bytes(3996)
    path.write_bytes(content)
    await refuse(path, "Cannot use")


def offer(monkeypatch: pytest.MonkeyPatch, *migrations: Migration) -> None:
    def read(back_end: str) -> tuple[Migration, ...]:
        assert back_end == "sqlite"
        return migrations

    monkeypatch.setattr(store_module, "read_migrations", read)


async def test_what_was_begun_and_not_finished_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Migration(1, "broken", "CREATE TABLE meta (x); SELECT nonsense FROM nowhere")
    offer(monkeypatch, broken)
    await refuse(path, "nowhere", create=True)
    assert [each.name for each in path.parent.iterdir()] == ["corral.db.lock"]


async def test_a_migration_is_made_whole_or_not_at_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_sqlite(path, SEALER, create=True) as store:
        await store.devices.commit(v.enrolled())
    real = store_module.read_migrations("sqlite")
    number = len(real) + 1
    broken = Migration(number, "broken", "CREATE TABLE extra (x); DELETE FROM delivery; SELECT nonsense FROM nowhere")
    offer(monkeypatch, *real, broken)
    await refuse(path, "nowhere")
    good = Migration(number, "good", "CREATE TABLE extra (x INTEGER) STRICT")
    offer(monkeypatch, *real, good)
    for _ in range(2):
        async with open_sqlite(path, SEALER) as store:
            assert (await store.directory.counts())["connected"] == 1
    monkeypatch.undo()
    await refuse(path, f"version {number}")


async def test_nobody_else_may_read_the_files(path: Path) -> None:
    former = os.umask(0)
    try:
        async with open_sqlite(path, SEALER, create=True) as store:
            await store.devices.commit(v.enrolled())
            await store.devices.load(v.contact())
            names = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
        path.chmod(0o644)
        async with open_sqlite(path, SEALER) as store:
            await store.devices.commit(v.enrolled(2))
            again = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    finally:
        os.umask(former)
    everything = {"corral.db", "corral.db-wal", "corral.db-shm", "corral.db.lock"}
    assert names == again == dict.fromkeys(everything, 0o600)


async def test_a_commit_is_flushed_and_the_file_is_never_mapped(store: SqliteStore, path: Path) -> None:
    del store
    connection = connect(path, read_only=False, patience=100)
    settings: dict[str, Any] = {}
    for name in ("journal_mode", "synchronous", "foreign_keys", "mmap_size", "wal_autocheckpoint"):
        row = typed(connection).execute(f"PRAGMA {name}").fetchone()
        assert row is not None
        settings[name] = row[0]
    connection.close()
    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "mmap_size": 0,
        "wal_autocheckpoint": 0,
    }


async def test_after_the_end_all_is_in_one_file(path: Path) -> None:
    async with open_sqlite(path, SEALER, create=True) as store:
        await store.devices.commit(v.enrolled())
    assert sorted(each.name for each in path.parent.iterdir()) == ["corral.db", "corral.db.lock"]
