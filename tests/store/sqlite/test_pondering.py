"""What takes too long to read is given up, and holds up neither lists nor those who ask next."""

import asyncio
from pathlib import Path

import apsw
import pytest

from corral.store.errors import StoreUnavailable, TakesTooLong
from corral.store.inventory_question import AT_ONCE
from corral.store.sqlite import SqliteStore
from corral.store.sqlite.connecting import typed
from corral.store.sqlite.database import Database
from corral.store.sqlite.pondering import Pondering

ENDLESS = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


def endless(connection: apsw.Connection) -> object:
    return typed(connection).execute(ENDLESS).fetchone()


def one(connection: apsw.Connection) -> object:
    return typed(connection).execute("SELECT 1").fetchone()


async def test_an_endless_question_is_given_up_and_the_next_is_answered(store: SqliteStore, path: Path) -> None:
    del store
    pondering = Pondering(path)
    for _ in range(2):
        with pytest.raises(TakesTooLong):
            await pondering.ponder(endless, 0.05)
        assert await pondering.ponder(one, 10) == (1,)
    await pondering.close()


async def test_who_waits_for_others_too_long_is_told_so(store: SqliteStore, path: Path) -> None:
    del store
    pondering = Pondering(path)
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(given_up(pondering, 0.4))
        await asyncio.sleep(0.05)
        group.create_task(given_up(pondering, 0.1))
    assert await pondering.ponder(one, 10) == (1,)
    await pondering.close()


async def given_up(pondering: Pondering, longest: float) -> None:
    with pytest.raises(TakesTooLong):
        await pondering.ponder(endless, longest)


async def test_lists_are_read_meanwhile_and_closing_waits_for_nobody(store: SqliteStore, path: Path) -> None:
    del store
    database = Database(path)
    asked = [asyncio.create_task(database.ponder(lambda sql: sql.execute(ENDLESS).fetchone(), 60)) for _ in range(5)]
    await asyncio.sleep(0.05)
    assert await database.browse(lambda sql: sql.execute("SELECT 1").fetchone()) == (1,)
    async with asyncio.timeout(10):
        await database.close()
    for each in await asyncio.gather(*asked, return_exceptions=True):
        assert isinstance(each, TakesTooLong | asyncio.CancelledError)
    with pytest.raises(StoreUnavailable):
        await database.ponder(lambda sql: sql.execute("SELECT 1").fetchone(), 60)
