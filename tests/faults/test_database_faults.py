"""The database goes away under load, in every way that it can: devices are told to come again, and nothing is lost."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from faults.conftest import own_server
from faults.stage import Stage, stage
from postgres_server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'corral' AND pid <> pg_backend_pid()"


server = pytest.fixture(scope="module")(own_server)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on_stage(server: Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stage]:
    async with stage(tmp_path_factory.mktemp("stage"), server.url) as made:
        yield made


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_it_is_restarted(on_stage: Stage, server: Server, mode: str) -> None:
    @asynccontextmanager
    async def restarted() -> AsyncGenerator[None]:
        await asyncio.to_thread(server.stop, mode)
        await on_stage.turns_red("cannot be reached|stopped|connection was lost")
        await asyncio.sleep(1)
        yield
        await asyncio.to_thread(server.start)

    refused, _ = await on_stage.endure(restarted)
    assert refused


async def test_its_connections_are_cut_in_the_middle_of_transactions(on_stage: Stage) -> None:
    cut = 0

    @asynccontextmanager
    async def cut_again_and_again() -> AsyncGenerator[None]:
        nonlocal cut
        for _ in range(60):
            await on_stage.execute(_CUT)
            await asyncio.sleep(0.05)
            cut += on_stage.proxy.cut()
            await asyncio.sleep(0.05)
        yield

    await on_stage.endure(cut_again_and_again)
    assert cut > 10


async def test_it_is_slow(on_stage: Stage) -> None:
    @asynccontextmanager
    async def slow() -> AsyncGenerator[None]:
        on_stage.proxy.delay = 0.05
        await asyncio.sleep(3)
        assert await on_stage.readiness() == (200, "ok\n"), "late is not never"
        yield
        on_stage.proxy.heal()

    await on_stage.endure(slow)


async def test_it_says_nothing_any_more(on_stage: Stage) -> None:
    @asynccontextmanager
    async def silent() -> AsyncGenerator[None]:
        on_stage.field.ledger.slowest = 0
        on_stage.proxy.hold()
        await on_stage.turns_red("did not answer in time|busy")
        await asyncio.sleep(3)
        yield
        on_stage.proxy.heal()

    refused, _ = await on_stage.endure(silent)
    assert refused
    assert on_stage.field.ledger.slowest < 15, "nobody waits for long"


async def test_it_cannot_be_written(on_stage: Stage) -> None:
    @asynccontextmanager
    async def read_only() -> AsyncGenerator[None]:
        await on_stage.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await on_stage.execute("SELECT pg_reload_conf()")
        await on_stage.turns_red("it is a standby, or read-only")
        await asyncio.sleep(1)
        yield
        await on_stage.execute("ALTER SYSTEM RESET default_transaction_read_only")
        await on_stage.execute("SELECT pg_reload_conf()")

    refused, _ = await on_stage.endure(read_only)
    assert refused
