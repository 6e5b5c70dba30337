"""An installation of every release is opened by this program, read, and worked with; so is its backup restored.

`releases/<version>/` was written by that release itself (`releases/keep.py`).
"""

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from contract import values as v
from corral.apple.report import Status
from corral.backup import Archive
from corral.lifecycle.state import EscrowKind, Phase
from corral.sealing import Sealer
from corral.store.access import Held
from corral.store.devices import Committed, Next
from corral.store.errors import StoreRefused
from corral.store.migrations import read_migrations
from corral.store.postgres import open_postgres
from corral.store.postgres.connecting import Target as Server
from corral.store.postgres.transfer import filling_postgres, reading_postgres
from corral.store.sqlite import open_sqlite
from corral.store.sqlite.transfer import filling_sqlite, reading_sqlite
from corral.store.store import Store
from corral.store.transfer import TABLES, Source, Target, carry, opens
from postgres_server import connect, execute, fresh_database

RELEASES = Path(__file__).parent / "releases"
VERSIONS = sorted(each.name for each in RELEASES.iterdir() if each.is_dir() and each.name[0].isdigit())
SEALER = Sealer([b"the sealing key of kept releases"])
PASSPHRASE = b"the passphrase of kept releases"
BODY = bytes(range(256)) * 40

RELEASED = {
    "0001_start.sql": {
        "postgres": "f6bc668697c5c51f089da1e497858501cb9ffee0807a29addc1cb8b650fb853e",
        "sqlite": "eb5f1151c6ad0850986820900943b555db4715b7ab8290e41a5ec4652fd80714",
    },
}
"""SHA-256 of each migration that a release came with: whoever must correct one adds another."""


class Sqlite:
    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "corral.db"

    def put(self, release: str) -> None:
        connection = sqlite3.connect(self.path)
        connection.executescript((RELEASES / release / "sqlite.sql").read_text(encoding="utf-8"))
        connection.close()

    def open(self, sealer: Sealer = SEALER, *, create: bool = False) -> AbstractAsyncContextManager[Store]:
        return open_sqlite(self.path, sealer, create=create)

    def reading(self) -> AbstractAsyncContextManager[Source]:
        return reading_sqlite(self.path)

    def filling(self, seal: bytes) -> AbstractAsyncContextManager[Target]:
        return filling_sqlite(self.path, seal)

    async def version(self) -> int:
        return (await self._rows("PRAGMA user_version"))[0][0]

    async def schema(self) -> set[tuple[Any, ...]]:
        """Every column and every index; not the texts, which ALTER TABLE leaves in another form."""
        found = set[tuple[Any, ...]]()
        for kind, name, table, sql in await self._rows("SELECT type, name, tbl_name, sql FROM sqlite_schema"):
            if kind == "index":
                found.add((kind, name, table, " ".join((sql or "").split())))
            else:
                for _, column, type_, required, default, _ in await self._rows(f"PRAGMA table_info({name})"):
                    found.add((kind, name, column, type_, required, default))
        return found

    async def _rows(self, question: str) -> list[Any]:
        connection = sqlite3.connect(self.path)
        try:
            return connection.execute(question).fetchall()
        finally:
            connection.close()


class Postgres:
    name = "postgres"

    def __init__(self, url: str) -> None:
        self.url = url

    def put(self, release: str) -> None:
        execute(self.url, (RELEASES / release / "postgres.sql").read_text(encoding="utf-8"))

    def open(self, sealer: Sealer = SEALER, *, create: bool = False) -> AbstractAsyncContextManager[Store]:
        return open_postgres(self.url, sealer, create=create)

    def reading(self) -> AbstractAsyncContextManager[Source]:
        return reading_postgres(Server(self.url))

    def filling(self, seal: bytes) -> AbstractAsyncContextManager[Target]:
        return filling_postgres(Server(self.url), seal)

    async def version(self) -> int:
        return (await self._rows("SELECT max(number) FROM migration"))[0][0]

    async def schema(self) -> set[tuple[Any, ...]]:
        columns = await self._rows(
            "SELECT table_name, column_name, data_type, collation_name, is_nullable, column_default, is_identity"
            " FROM information_schema.columns WHERE table_schema = 'public'"
        )
        indexes = await self._rows("SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")
        stored = await self._rows(
            "SELECT relname, array_to_string(reloptions, ' ') FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        bound = await self._rows(
            "SELECT conrelid::regclass::text, contype::text, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace AND contype <> 'n'"
        )
        return {tuple(row) for row in [*columns, *indexes, *stored, *bound]}

    async def _rows(self, question: str) -> list[Any]:
        connection = await connect(self.url)
        try:
            return await connection.fetch(question)
        finally:
            await connection.close()


Place = Sqlite | Postgres


@contextmanager
def _sqlite(folder: Path) -> Generator[Place]:
    folder.mkdir()
    yield Sqlite(folder)


@contextmanager
def _postgres(_folder: Path) -> Generator[Place]:
    with fresh_database() as url:
        yield Postgres(url)


PLACES: dict[str, Callable[[Path], AbstractContextManager[Place]]] = {"postgres": _postgres, "sqlite": _sqlite}


@pytest.fixture(params=sorted(PLACES))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Place]:
    with PLACES[request.param](tmp_path / "place") as made:
        yield made


@pytest.fixture(params=sorted(PLACES))
def new(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Place]:
    with PLACES[request.param](tmp_path / "new") as made:
        yield made


@pytest.fixture(params=VERSIONS)
def release(request: pytest.FixtureRequest) -> str:
    return request.param


async def expect_all(store: Store) -> None:
    """What the release had been given is what the store's protocols give now."""
    assert await store.vault.get_secret("authority.key") == b"AUTHORITY-KEY"
    assert await store.vault.push_certificates() == (v.push_certificate(),)
    held = await store.access.find(v.credential().digest)
    assert held == Held(v.credential(role="administrator"), None, None), "it could do everything, and still can"
    assert await store.vault.breaker_opened_at() is None
    seen = await store.devices.load(v.contact())
    assert seen.device is not None
    assert (seen.device.id, seen.device.serial_number) == ("D1", "SERIAL-D1")
    assert seen.bound is not None
    assert (seen.bound.phase, seen.bound.profile) == (Phase.CONNECTED, b"the facts of a profile")
    assert seen.channel is not None
    assert (seen.channel.token, seen.channel.magic) == (v.TOKEN, v.MAGIC)
    assert seen.escrow == {EscrowKind.UNLOCK_TOKEN: b"UNLOCK"}
    assert [(each.command_uuid, each.body) for each in await store.queue.results("U1", None)] == [
        ("U1", b"result of U1")
    ]
    assert [each.event.data for each in await store.events.read(0, 100)] == [{"text": 'quoted "ä"'}] * 3


async def work_with(store: Store) -> None:
    """What was begun is finished, and new things come after the old."""
    last = (await store.events.read(0, 100))[-1].sequence
    handed = await store.devices.exchange(v.idle(now=v.NOW + 2))
    assert isinstance(handed, Next)
    assert (handed.command_uuid, handed.body) == ("U2", BODY)
    assert (await store.queue.enqueue(v.command("U4"), ["C1"])) == ("C1",)
    for uuid in ("U2", "U3"):
        handed = await store.devices.exchange(v.report(uuid, Status.ACKNOWLEDGED, now=v.NOW + 3))
    assert isinstance(handed, Next)
    assert handed.command_uuid == "U4"
    assert isinstance(await store.devices.commit(v.enrolled(4, events=(v.event("test.later"),))), Committed)
    assert [each.event.type for each in await store.events.read(last, 100)] == ["test.later"]
    leased = await store.work.lease("push", v.NOW + 120_000, v.NOW + 180_000, 10)
    assert {each.key for each in leased} >= {"C1", "C2"}
    assert await store.devices.forget("D3")
    assert (await store.devices.load(v.contact("cert 3", "D3"))).bound is None


async def test_it_is_brought_up_to_date_and_goes_on(place: Place, release: str) -> None:
    place.put(release)
    async with place.open() as store:
        await expect_all(store)
        await work_with(store)
    assert await place.version() == read_migrations(place.name)[-1].number
    async with place.open() as store:
        assert await store.queue.results("U3", None)


async def test_no_row_is_lost_by_it(place: Place, release: str) -> None:
    place.put(release)
    async with place.open():
        pass
    async with place.reading() as source:
        assert opens(source.facts.seal, SEALER)
        kept = ["command", "connection", "credential", "delivery", "device", "escrow", "event", "result", "work"]
        assert {name: source.facts.counts[name] for name in kept} == {
            "command": 3,
            "connection": 3,
            "credential": 1,
            "delivery": 9,
            "device": 3,
            "escrow": 1,
            "event": 3,
            "result": 1,
            "work": 3,
        }
        came = {table.name: 0 for table in TABLES}
        async for batch in source.batches():
            came[batch.table.name] += len(batch.rows)
        assert came == dict(source.facts.counts)


async def test_it_becomes_what_a_new_installation_is(
    place: Place, release: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place.put(release)
    async with place.open():
        pass
    with PLACES[place.name](tmp_path_factory.mktemp("fresh") / "fresh") as fresh:
        async with fresh.open(create=True):
            pass
        assert await place.schema() == await fresh.schema()


async def test_with_another_key_it_stays_as_it_was(place: Place, release: str) -> None:
    place.put(release)
    before, schema = await place.version(), await place.schema()
    with pytest.raises(StoreRefused, match="sealed with another key"):
        async with place.open(Sealer([b"another key of thirty-two bytes."])):
            pass
    assert (await place.version(), await place.schema()) == (before, schema)


async def test_its_backup_is_restored(new: Place, release: str) -> None:
    with await asyncio.to_thread((RELEASES / release / "backup").open, "rb") as file:
        archive = Archive(file, PASSPHRASE)
        assert archive.header.version == release
        async with new.filling(archive.facts.seal) as target:
            await carry(archive, target)
    async with new.open() as store:
        await expect_all(store)
        await work_with(store)


@pytest.mark.parametrize("back_end", sorted(PLACES))
def test_a_released_migration_never_changes(back_end: str) -> None:
    found = {
        f"{each.number:04}_{each.name}.sql": hashlib.sha256(each.sql.encode()).hexdigest()
        for each in read_migrations(back_end)
    }
    assert {name: found.get(name) for name in RELEASED} == {
        name: digests[back_end] for name, digests in RELEASED.items()
    }
