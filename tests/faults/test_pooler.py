"""Behind PgBouncer in transaction mode: a whole service, faults of the database behind it, and a start untold of it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from corral.cli.process import ServiceFailed
from faults.machines import machine
from faults.stage import stage
from pgbouncer import pooled
from postgres_server import Server


async def test_a_fleet_is_served_and_loses_nothing(tmp_path: Path, server: Server) -> None:
    with pooled(server.url) as through:
        settings = {"CORRAL_DATABASE": through, "CORRAL_POOLER": "transaction"}
        async with stage(tmp_path, server.url, settings=settings) as on_stage:

            @asynccontextmanager
            async def restarted() -> AsyncGenerator[None]:
                await on_stage.recovers()
                assert on_stage.field.ledger.refused == 0, "all is well through it"
                await asyncio.to_thread(server.stop)
                await on_stage.turns_red("connection was lost|it failed|cannot be reached|in time")
                yield
                await asyncio.to_thread(server.start)

            refused, _ = await on_stage.endure(restarted)
            assert refused


async def test_a_start_that_is_not_told_of_it_says_so(tmp_path: Path, server: Server) -> None:
    async with stage(tmp_path, server.url, devices=1) as on_stage:
        with pooled(server.url) as through:
            with pytest.raises(ServiceFailed, match=r"is reached through a connection pooler: .*--pooler transaction"):
                async with machine(on_stage.corral, tmp_path / "untold", {"CORRAL_DATABASE": through}):
                    pass
            told = {"CORRAL_DATABASE": through, "CORRAL_POOLER": "transaction"}
            async with machine(on_stage.corral, tmp_path / "told", told) as service, service.admin() as api:
                assert (await api.get("/status")).is_success
