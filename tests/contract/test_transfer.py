"""Every row of a store arrives in another one, of the same back-end or the other, and the program goes on with it."""

from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import apsw
import asyncpg
import pytest

from contract import inventories
from contract import test_acme as acme
from contract import test_audit as audit
from contract import test_idempotency as keys
from contract import test_webhooks as hooks
from contract import values as v
from contract.test_apps import app
from contract.test_profiles import new, stored
from corral.apple.report import Status
from corral.lifecycle.acme_order import AttestedKey
from corral.lifecycle.change import Change, Escrow
from corral.lifecycle.state import EscrowKind
from corral.sealing import Sealer
from corral.store.access import AccessChange, Outcome
from corral.store.accounts import AccountSession, AccountToken, TokenKind
from corral.store.contacts import Attempt, Heard
from corral.store.devices import Committed, Next
from corral.store.errors import StoreRefused
from corral.store.postgres import open_postgres
from corral.store.postgres.connecting import Target as Server
from corral.store.postgres.transfer import filling_postgres, reading_postgres
from corral.store.sqlite import open_sqlite
from corral.store.sqlite.connecting import typed
from corral.store.sqlite.transfer import filling_sqlite, reading_sqlite
from corral.store.store import Store
from corral.store.transfer import TABLES, Batch, Facts, Source, Table, Target, TransferFailed, carry, opens
from corral.store.work import PushRecord
from postgres_server import execute, fresh_database

KEY = b"sealing key of the transfer test"
SEALER = Sealer([KEY])
BODY = bytes(range(256)) * 40


class Sqlite:
    """Where one installation's database may be."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "corral.db"

    def open(self, *, create: bool = False) -> AbstractAsyncContextManager[Store]:
        return open_sqlite(self.path, SEALER, create=create)

    def reading(self) -> AbstractAsyncContextManager[Source]:
        return reading_sqlite(self.path)

    def filling(self, seal: bytes) -> AbstractAsyncContextManager[Target]:
        return filling_sqlite(self.path, seal)

    def columns(self) -> set[tuple[str, str]]:
        sql = typed(apsw.Connection(str(self.path)))
        tables = [row[0] for row in sql.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {(table, row[1]) for table in tables for row in sql.execute(f"PRAGMA table_info({table})")}


class Postgres:
    def __init__(self, url: str) -> None:
        self.url = url

    def open(self, *, create: bool = False) -> AbstractAsyncContextManager[Store]:
        return open_postgres(self.url, SEALER, create=create)

    def reading(self) -> AbstractAsyncContextManager[Source]:
        return reading_postgres(Server(self.url))

    def filling(self, seal: bytes) -> AbstractAsyncContextManager[Target]:
        return filling_postgres(Server(self.url), seal)


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
def origin(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Place]:
    with PLACES[request.param](tmp_path / "origin") as place:
        yield place


@pytest.fixture(params=sorted(PLACES))
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Place]:
    with PLACES[request.param](tmp_path / "destination") as place:
        yield place


async def fill(store: Store) -> None:
    """At least one row in every table, and every kind of value."""
    await store.vault.put_secret("authority.key", b"AUTHORITY-KEY")
    await store.vault.put_push_certificate(v.push_certificate())
    everything = AccessChange(
        at=v.NOW, role=v.role(), role_is_new=True, user=v.user(), credential=v.credential(permissions=("devices:read",))
    )
    assert await store.access.commit(everything) is Outcome.DONE
    for number in (1, 2):
        await store.audit.note(audit.entry(number))
        await store.audit.chain(1)
    await store.accounts.add_session(
        AccountSession(id="S1", account="ann@example.org", subject="ann", created_at=v.NOW, expires_at=v.NOW + 9),
        (AccountToken(digest=v.fingerprint("a"), session_id="S1", kind=TokenKind.ACCESS, expires_at=v.NOW + 9),),
    )
    assert await keys.begin(store, "A1") is None
    assert await keys.begin(store, "A2", replace(keys.ASKED, key="another")) is None
    await store.idempotency.finish("A2", keys.ANSWER)
    await store.grants.add_link(v.link(note="ünïcode", uses=None), v.fingerprint("token"))
    for number in (1, 2, 3):
        change = v.enrolled(number, events=(v.event(device_id=f"D{number}", data={"text": 'quoted "ä"'}),))
        assert isinstance(await store.devices.commit(change), Committed)
    escrow = Escrow(connection_id="C1", kind=EscrowKind.UNLOCK_TOKEN, value=b"UNLOCK", at=v.NOW)
    shared = replace(v.connection("C1"), profile=b"the facts of a profile")
    grants = v.grant(profile=b"the facts of a profile", link_id="L1")
    assert isinstance(
        await store.devices.commit(
            Change(
                connections=(shared,),
                escrow=(escrow,),
                channels=(v.channel(user_id="jane", short_name="jane"),),
                grant=grants,
                unenrolling="C3",
                work=(v.work("C2"),),
            )
        ),
        Committed,
    )
    await store.collection.stir("U1", ["ProfileList"], ["C1"], v.NOW)
    await store.collection.pass_over("UserList", ["C2"], v.NOW)
    await store.acme.spend_nonce(b"nonce", v.NOW)
    await store.acme.add_account(acme.account())
    attested = AttestedKey(properties=acme.PROPERTIES, key_digest=b"k" * 32)
    await store.acme.add_order(acme.order(attested=attested))
    for uuid in ("U1", "U2", "U3"):
        await store.queue.enqueue(v.command(uuid, body=BODY), ["C1", "C2", "C3"])
    answer = await store.devices.exchange(v.report("U1", now=v.NOW + 1))
    assert isinstance(answer, Next)
    await store.contacts.flush(
        [Heard(channel_id="C1", last_seen=v.NOW, count=3)], [Attempt(channel_id="C1", command_uuid="U2", at=v.NOW)]
    )
    assert await store.work.lease("push", v.NOW + 1, v.NOW + 60_000, 1)
    await store.work.record_pushes([PushRecord(channel_id="C1", at=v.NOW, outcome="accepted")])
    await store.apps.add(app(), v.event())
    await store.profiles.add(stored(), new(), v.event())
    await store.profiles.want("p1", 1, "U1", ["C1"], v.NOW, "ann")
    await fill_ade(store)
    await inventories.fill(store)
    await store.webhooks.add(hooks.webhook(), v.event())
    assert await store.webhooks.lease("me", v.NOW, v.NOW + 9, 1)
    assert await store.webhooks.settle("me", "W1", hooks.progress(0, 3, letters=(hooks.letter(2),)))


async def fill_ade(store: Store) -> None:
    await store.ade.put_server(v.ade_server())
    await store.ade.take([v.ade_device()], v.ade_state())
    await store.ade.assign([v.assignment(due_at=v.NOW)])
    await store.ade.put_profile(v.ade_profile())
    await store.ade.put_rules("first", [v.ade_rule()])


async def rows_of(source: Source) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {table.name: [] for table in TABLES}
    async for batch in source.batches():
        found[batch.table.name] += batch.rows
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


async def moved(origin: Place, destination: Place, skip: dict[str, int] | None = None) -> dict[str, int]:
    heard: dict[str, int] = {}

    def tell(table: str, rows: int) -> None:
        heard[table] = heard.get(table, 0) + rows

    async with origin.reading() as source, destination.filling(source.facts.seal) as target:
        await carry(source, target, skip=skip, tell=tell)
    return heard


async def test_every_row_arrives(origin: Place, destination: Place) -> None:
    async with origin.open(create=True) as store:
        await fill(store)
    heard = await moved(origin, destination)
    async with origin.reading() as one, destination.reading() as other:
        assert opens(one.facts.seal, SEALER)
        assert (one.facts.seal, one.facts.counts) == (other.facts.seal, other.facts.counts)
        assert heard == {name: count for name, count in one.facts.counts.items() if count}
        assert set(heard) == {table.name for table in TABLES}, "every table is tried"
        before, after = await rows_of(one), await rows_of(other)
    for table in TABLES:
        assert before[table.name] == after[table.name], table.name


async def test_the_program_goes_on_with_what_arrived(origin: Place, destination: Place) -> None:
    async with origin.open(create=True) as store:
        await fill(store)
        last = (await store.events.read(0, 1000))[-1].sequence
    await moved(origin, destination)
    async with destination.open() as store:
        assert await store.vault.get_secret("authority.key") == b"AUTHORITY-KEY"
        assert [each.key_pem for each in await store.vault.push_certificates()] == [v.push_certificate().key_pem]
        seen = await store.devices.load(v.contact())
        assert (seen.bound and seen.bound.profile, seen.channel and seen.channel.token) == (
            b"the facts of a profile",
            v.TOKEN,
        )
        assert seen.escrow == {EscrowKind.UNLOCK_TOKEN: b"UNLOCK"}
        results = await store.queue.results("U1", None)
        assert [each.body for each in results] == [b"result of U1"]
        handed = await store.devices.exchange(v.idle(now=v.NOW + 2))
        assert isinstance(handed, Next)
        assert (handed.command_uuid, handed.body) == ("U2", BODY)
        # What is new comes after what was there.
        assert isinstance(await store.devices.commit(v.enrolled(4, events=(v.event("test.later"),))), Committed)
        assert (await store.queue.enqueue(v.command("U4"), ["C1"])) == ("C1",)
        newer = await store.events.read(last, 10)
        assert [each.event.type for each in newer] == ["test.later"]
        for uuid in ("U2", "U3"):
            handed = await store.devices.exchange(v.report(uuid, Status.ACKNOWLEDGED, now=v.NOW + 3))
        assert isinstance(handed, Next)
        assert handed.command_uuid == "U4"


async def test_numbers_are_never_given_twice(origin: Place, destination: Place) -> None:
    """Whoever reads events after a number must not miss any, even if the last ones are gone, or were never saved."""
    async with origin.open(create=True) as store:
        await store.devices.commit(v.enrolled(1, events=tuple(v.event() for _ in range(5))))
        last = (await store.events.read(0, 100))[-1].sequence
        await store.devices.forget("D1")
        assert await store.events.read(0, 100) == ()
    await moved(origin, destination, {"event": 1000})
    async with destination.open() as store:
        await store.devices.commit(v.enrolled(1, events=(v.event(),)))
        assert [each.sequence for each in await store.events.read(last, 100)] == [last + 1001]


async def test_it_is_one_moment_while_the_service_writes(origin: Place, destination: Place) -> None:
    async with origin.open(create=True) as store:
        await fill(store)
        async with origin.reading() as source, destination.filling(source.facts.seal) as target:
            counted = dict(source.facts.counts)
            await store.devices.commit(v.enrolled(7, events=(v.event(device_id="D7"),)))
            await store.queue.enqueue(v.command("late"), ["C7", "C1"])
            await store.devices.forget("D2")
            await carry(source, target)
        assert counted["device"] == 3
    async with destination.open() as store:
        assert (await store.devices.load(v.contact(device_id="D7"))).device is None
        assert (await store.devices.load(v.contact("cert 2", "D2"))).bound is not None
        assert await store.queue.command_body("late") is None


async def test_what_is_taken_is_not_overwritten(origin: Place, destination: Place) -> None:
    for place in (origin, destination):
        async with place.open(create=True) as store:
            await fill(store)
    async with origin.reading() as source:
        with pytest.raises(StoreRefused, match="not overwritten"):
            async with destination.filling(source.facts.seal) as target:
                await carry(source, target)
    async with destination.open() as store:
        assert (await store.devices.load(v.contact())).bound is not None


class Short:
    """A source that loses a row of a table on the way."""

    def __init__(self, source: Source, table: str) -> None:
        self._source = source
        self._table = table

    @property
    def facts(self) -> Facts:
        return self._source.facts

    async def batches(self) -> AsyncIterator[Batch]:
        async for batch in self._source.batches():
            yield Batch(batch.table, batch.rows[:-1]) if batch.table.name == self._table else batch


async def test_a_row_that_is_lost_leaves_nothing_behind(origin: Place, destination: Place) -> None:
    async with origin.open(create=True) as store:
        await fill(store)
    for table, why in (("event", "event has 6 rows"), ("device", "connection does not fit")):
        async with origin.reading() as source:
            with pytest.raises(TransferFailed, match=why) as failed:
                async with destination.filling(source.facts.seal) as target:
                    await carry(Short(source, table), target)
            assert "D3" not in str(failed.value), "an error tells no values"
        with pytest.raises(StoreRefused):
            async with destination.open():
                pass
    await moved(origin, destination)


async def test_another_key_is_told(origin: Place) -> None:
    async with origin.open(create=True) as store:
        await fill(store)
    async with origin.reading() as source:
        assert opens(source.facts.seal, SEALER)
        assert not opens(source.facts.seal, Sealer([b"another key of thirty-two bytes."]))
        assert KEY not in repr(source.facts).encode()


async def test_what_is_no_installation_is_refused(origin: Place, tmp_path: Path) -> None:
    if isinstance(origin, Sqlite):
        origin.path.write_bytes(b"something else, of somebody else")
    with pytest.raises(Exception, match=r"no installation|cannot be used"):
        async with origin.reading():
            pass


async def test_a_database_of_another_version_is_not_read(origin: Place) -> None:
    async with origin.open(create=True):
        pass
    if isinstance(origin, Sqlite):
        typed(apsw.Connection(str(origin.path))).execute("PRAGMA user_version = 99").fetchall()
    else:
        execute(origin.url, "INSERT INTO migration (number, name) VALUES (99, 'future')")
    with pytest.raises(StoreRefused, match="is of version 99"):
        async with origin.reading():
            pass


NOT_CARRIED = {
    "sqlite": {"sqlite_sequence", "meta", "edition"},
    "postgres": {"migration", "meta", "edition"},
}


async def test_no_column_is_forgotten(origin: Place) -> None:
    """Whoever adds a table or a column says here how it travels (and counts SCHEMA up)."""
    async with origin.open(create=True):
        pass
    if isinstance(origin, Sqlite):
        there = origin.columns()
        skipped, instead = NOT_CARRIED["sqlite"], {("profile", "id")}
        known = {(table.name, _sqlite_name(table, column)) for table in TABLES for column in table.columns}
    else:
        there = await _columns(origin.url)
        # What is given to each row, and what is made of its other columns.
        skipped, instead = NOT_CARRIED["postgres"], {("event", "transaction"), ("device", "words")}
        known = {(table.name, column) for table in TABLES for column in table.columns}
    assert {each for each in there if each[0] not in skipped} - instead == known - {(t.name, "rowid") for t in TABLES}


def _sqlite_name(table: Table, column: str) -> str:
    if column == "number":
        return "rowid"
    return "profile_id" if column == "profile_digest" and table.name != "profile" else column


async def _columns(url: str) -> set[tuple[str, str]]:
    connection = await cast(Any, asyncpg).connect(url)
    try:
        found = await connection.fetch(
            "SELECT c.table_name, c.column_name FROM information_schema.columns AS c"
            " JOIN information_schema.tables AS t USING (table_schema, table_name)"
            " WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'"
        )
        return {(row[0], row[1]) for row in found}
    finally:
        await connection.close()
