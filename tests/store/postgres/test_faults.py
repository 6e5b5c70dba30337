"""When the database goes, callers are told soon, nothing that was answered is lost, and all goes on by itself after."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Generator
from urllib.parse import urlsplit, urlunsplit

import pytest

from contract import values as v
from corral.lifecycle.change import Change
from corral.sealing import Sealer
from corral.store.devices import Committed, Next
from corral.store.errors import StoreUnavailable
from corral.store.postgres import PostgresStore, open_postgres
from postgres_server import Server, connect

SOON = 9.0
"""Seconds: more than any single patience of the store, less than what a device waits."""


@pytest.fixture
def server() -> Generator[Server]:
    """One that may be stopped and killed."""
    own = Server(durable=True)
    try:
        own.start()
        yield own
    finally:
        own.remove()


class Traffic:
    """Devices that enroll, poll and report without a pause, and remember what they were answered."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store
        self.enrolled: set[int] = set()
        self.reported: set[str] = set()
        self.refusals = 0
        self.slowest = 0.0
        self.stopping = False

    async def run(self, clients: int = 12) -> None:
        await asyncio.gather(*(self._client(number) for number in range(clients)))

    async def _client(self, client: int) -> None:
        number = client
        while not self.stopping:
            number += 1000
            begun = time.monotonic()
            try:
                await self._enroll(number)
                await self._obey(number)
            except StoreUnavailable:
                self.refusals += 1
                await asyncio.sleep(0.02)
            self.slowest = max(self.slowest, time.monotonic() - begun)

    async def _enroll(self, number: int) -> None:
        if await self._store.devices.commit(v.enrolled(number)) == Committed():
            self.enrolled.add(number)

    async def _obey(self, number: int) -> None:
        who = v.contact(f"cert {number}", f"D{number}")
        uuid = f"U{number}"
        await self._store.queue.enqueue(v.command(uuid), [f"C{number}"])
        following = await self._store.devices.exchange(v.idle(who))
        assert isinstance(following, Next)
        assert following.command_uuid == uuid
        report = v.report(uuid, contact=v.contact(f"cert {number}", f"D{number}", command_uuid=uuid))
        assert isinstance(await self._store.devices.exchange(report), Next)
        self.reported.add(uuid)

    async def check(self, store: PostgresStore) -> None:
        """All that was answered is there."""
        for number in self.enrolled:
            seen = await store.devices.load(v.contact(f"cert {number}", f"D{number}"))
            assert seen.bound is not None, number
        for uuid in self.reported:
            assert len(await store.queue.results(uuid, None)) == 1, uuid


@contextlib.asynccontextmanager
async def traffic(store: PostgresStore) -> AsyncGenerator[Traffic]:
    going = Traffic(store)
    task = asyncio.create_task(going.run())
    try:
        yield going
    finally:
        going.stopping = True
        await task


async def until(true: Callable[[], bool], within: float = 30.0) -> None:
    async with asyncio.timeout(within):
        while not true():  # noqa: ASYNC110 - what is waited for are plain numbers
            await asyncio.sleep(0.02)


async def goes_on(going: Traffic) -> None:
    before = len(going.reported)
    await until(lambda: len(going.reported) > before + 20)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restart_loses_nothing_and_is_got_over(server: Server, sealer: Sealer, mode: str) -> None:
    async with open_postgres(server.url, sealer, create=True) as store:
        async with traffic(store) as going:
            await goes_on(going)
            await asyncio.to_thread(server.stop, mode)
            await until(lambda: going.refusals > 20)
            with pytest.raises(StoreUnavailable):
                await store.ready()
            await asyncio.to_thread(server.start)
            await goes_on(going)
            await store.ready()
        assert going.slowest < SOON
    async with open_postgres(server.url, sealer) as again:
        await going.check(again)


async def test_connections_that_are_cut_again_and_again_lose_nothing(url: str, sealer: Sealer) -> None:
    cutter = await connect(url)
    try:
        async with open_postgres(url, sealer, create=True) as store:
            async with traffic(store) as going:
                for _ in range(15):
                    await asyncio.sleep(0.1)
                    await cutter.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                await goes_on(going)
            assert going.refusals
            await going.check(store)
    finally:
        await cutter.close()


class Gate:
    """A way to the server that can be shut: what was sent is swallowed, and nobody is told."""

    def __init__(self, host: str, port: int) -> None:
        self._there = host, port
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @contextlib.asynccontextmanager
    async def standing(self) -> AsyncGenerator[None]:
        listener = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            listener.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def shut(self) -> None:
        self._open.clear()

    def open(self) -> None:
        """For those that come anew; what was swallowed stays so."""
        self._open.set()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(*self._there)
        for source, target in ((reader, there[1]), (there[0], writer)):
            task = asyncio.create_task(self._pump(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                if not self._open.is_set():
                    await asyncio.Event().wait()
                target.write(data)
                await target.drain()
        except ConnectionError:
            pass
        finally:
            target.close()


async def test_a_server_that_falls_silent_holds_nobody_for_long(url: str, sealer: Sealer) -> None:
    parts = urlsplit(url)
    gate = Gate(parts.hostname or "", parts.port or 5432)
    async with gate.standing():
        through = urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{gate.port}"))
        async with open_postgres(through, sealer, create=True) as store:
            await store.devices.commit(v.enrolled())
            gate.shut()
            begun = time.monotonic()
            asked = (
                store.devices.exchange(v.idle()),
                store.devices.exchange(v.report()),
                store.devices.load(v.contact()),
                store.devices.commit(v.enrolled(2)),
                store.ready(),
            )
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert {type(answer) for answer in answers} == {StoreUnavailable}
            assert time.monotonic() - begun < SOON
            gate.open()
            async with asyncio.timeout(SOON):
                while True:
                    try:
                        assert isinstance(await store.devices.exchange(v.idle()), Next)
                        break
                    except StoreUnavailable:
                        await asyncio.sleep(0.1)
            assert await store.devices.commit(v.enrolled(3)) == Committed()


async def test_who_comes_while_nothing_can_be_reached_is_told_at_once(server: Server, sealer: Sealer) -> None:
    async with open_postgres(server.url, sealer, create=True) as store:
        await asyncio.to_thread(server.stop, "immediate")
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await store.devices.exchange(v.idle())
        begun = time.monotonic()
        many = await asyncio.gather(*(store.devices.exchange(v.idle()) for _ in range(2000)), return_exceptions=True)
        assert {type(each) for each in many} == {StoreUnavailable}
        assert time.monotonic() - begun < 2


async def test_a_database_that_may_only_be_read_says_so_and_is_tried_again(url: str, sealer: Sealer) -> None:
    """As after a fail-over to a standby that is not promoted yet."""
    name = urlsplit(url).path[1:]
    admin = await connect(url)
    try:
        async with open_postgres(url, sealer, create=True) as store:
            await store.devices.commit(v.enrolled())
            await admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await asyncio.sleep(0.3)
            with pytest.raises(StoreUnavailable, match=r"cannot be written|connection was lost"):
                await store.devices.commit(v.enrolled(2))
            with pytest.raises(StoreUnavailable, match="cannot be written"):
                await store.devices.commit(v.enrolled(2))
            with pytest.raises(StoreUnavailable):
                await store.ready()
            assert isinstance(await store.devices.exchange(v.idle()), Next)
            await admin.execute("SET default_transaction_read_only = off")
            await admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
            with contextlib.suppress(StoreUnavailable):  # of a session from before
                await store.devices.commit(v.enrolled(2))
            await store.devices.commit(v.enrolled(2))
            await store.ready()
            assert (await store.devices.load(v.contact("cert 2", "D2"))).bound is not None
    finally:
        await admin.close()


async def test_a_row_that_is_held_too_long_costs_only_who_wants_it(url: str, sealer: Sealer) -> None:
    held = await connect(url)
    try:
        async with open_postgres(url, sealer, create=True) as store:
            for number in (1, 2, 3):
                await store.devices.commit(v.enrolled(number))
            await held.execute("BEGIN; SELECT * FROM device WHERE id = 'D2' FOR UPDATE")
            changes = [Change(device_id=f"D{number}", expects=1, device=v.device(f"D{number}")) for number in (1, 2, 3)]
            one, two, three = await asyncio.gather(
                *(store.devices.commit(change) for change in changes), return_exceptions=True
            )
            assert (one, three) == (Committed(), Committed())
            assert isinstance(two, StoreUnavailable)
            await held.execute("ROLLBACK")
            assert await store.devices.commit(changes[1]) == Committed()
    finally:
        await held.close()
