"""The database's machine dies, and its synchronous replica takes over: all that was answered 200 is there."""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from e2e.installation import until
from faults.stage import stage
from postgres_server import Server, execute


class Replica(Server):
    """A streaming replica of a running server, read-only until it is promoted."""

    def __init__(self, primary: Server) -> None:
        super().__init__(durable=True)
        shutil.rmtree(self.data)
        where = ("-h", "127.0.0.1", "-p", str(primary.port), "-U", "corral")
        self._run("pg_basebackup", "-D", str(self.data), *where, "--write-recovery-conf", "--checkpoint=fast")


@pytest.fixture
def primary(server: Server) -> Server:
    return server


@pytest.fixture
def replica(primary: Server) -> Generator[Replica]:
    made = Replica(primary)
    made.start()
    execute(primary.url, "ALTER SYSTEM SET synchronous_standby_names = '*'")
    execute(primary.url, "SELECT pg_reload_conf()")
    try:
        yield made
    finally:
        made.remove()


@pytest.mark.parametrize("way", ["url", "proxy"])
async def test_the_replica_takes_over(primary: Server, replica: Replica, tmp_path: Path, way: str) -> None:
    """The service is told of both servers, or of an address that moves from the one to the other."""
    hosts = f"127.0.0.1:{primary.port},127.0.0.1:{replica.port}"
    both = f"postgresql://corral@{hosts}/postgres?target_session_attrs=read-write"
    settings = {"CORRAL_DATABASE": both} if way == "url" else {}
    async with stage(tmp_path, primary.url, settings=settings) as on_stage:

        @asynccontextmanager
        async def primary_is_dead() -> AsyncGenerator[None]:
            await asyncio.to_thread(primary.stop, "immediate")
            await on_stage.turns_red("cannot be reached|connection was lost|cannot be written|is starting or stopping")
            on_stage.proxy.targets = [replica.port]
            await asyncio.sleep(1)
            yield
            await asyncio.to_thread(execute, replica.url, "SELECT pg_promote()")

        refused, _ = await on_stage.endure(primary_is_dead)
        assert refused


async def test_the_replica_is_away(primary: Server, replica: Replica, tmp_path: Path) -> None:
    """Nothing is answered 200 that lies on one machine only."""
    async with stage(tmp_path, primary.url) as on_stage:

        @asynccontextmanager
        async def replica_is_dead() -> AsyncGenerator[None]:
            await asyncio.to_thread(replica.stop, "immediate")
            await on_stage.turns_red("did not answer in time|all connections to it are busy")
            field, taken, refused = on_stage.field, on_stage.field.taken, on_stage.field.ledger.refused
            # A commit waits for the replica as long as the service's patience lasts, then its device is refused.
            await until(lambda: field.ledger.refused > refused, 20)
            assert field.taken == taken
            yield
            await asyncio.to_thread(replica.start)

        refused, _ = await on_stage.endure(replica_is_dead)
        assert refused
