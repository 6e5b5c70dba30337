"""A service that is killed in the middle of its work, again and again, keeps everything that it has answered for."""

import asyncio
import contextlib
from pathlib import Path

import apsw
import pytest

from corral.app import DATABASE
from corral.cli.process import ServiceFailed
from corral.store.sqlite.connecting import typed
from crash.field import BEHIND_PROXY, PUSHED_AT_ONCE, Field, gather_field
from e2e.installation import installation, make_template

AT_FIRST = 12
"""Devices; one more joins before each kill, so that every kill may hit an enrollment."""


@pytest.mark.slow
async def test_ten_kills_lose_nothing(tmp_path: Path, database: str) -> None:
    await _kill_and_count(tmp_path, database, kills=10)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_fifty_kills_lose_nothing(tmp_path: Path, database: str) -> None:
    await _kill_and_count(tmp_path, database, kills=50)


async def _kill_and_count(folder: Path, database: str, kills: int) -> None:
    template = await asyncio.to_thread(make_template, folder / "template", database)
    async with installation(template, folder / "crash", BEHIND_PROXY, plain=True) as corral:
        field = await gather_field(corral, AT_FIRST + kills, AT_FIRST)
        if database == "sqlite":
            field.pushed_within = PUSHED_AT_ONCE
        for number in range(kills):
            await _disturb(field, number)
            await field.check_kept()
        await field.finish()
        await field.check_kept()
        await corral.service.stop()
        if database == "sqlite":
            assert not field.pushed_late, "a lease outlived its process"
            await asyncio.to_thread(_examine, corral.data)
    assert field.taken > 20 * kills, f"only {field.taken} commands were carried out: that was no load"
    print(
        f"{kills} kills, {field.taken} commands carried out, {field.ledger.repeated} of them handed out again, "
        f"{field.pushed_late} pushes late"
    )


async def _disturb(field: Field, number: int) -> None:
    """Work, a kill in the middle of it, and a new start, which one time in four is killed as well.

    Nobody begins anything new after the kill.
    """
    field.joined += 1
    service = field.corral.service
    async with field.at_work() as over:
        await asyncio.sleep(field.random.uniform(0.15, 0.9))
        await service.kill()
        over.set()
        if number % 4 == 3:
            await _kill_the_start(field)
        await service.start()


async def _kill_the_start(field: Field) -> None:
    """Or, now and then, the service just after it."""
    service = field.corral.service
    start = asyncio.create_task(service.start())
    await asyncio.sleep(field.random.uniform(0.1, 1.2))
    await service.kill()
    with contextlib.suppress(ServiceFailed):
        await start


def _examine(data: Path) -> None:
    """The database's own view of itself."""
    connection = apsw.Connection(str(data / DATABASE), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        assert typed(connection).execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert typed(connection).execute("PRAGMA foreign_key_check").fetchall() == []
    finally:
        connection.close()
