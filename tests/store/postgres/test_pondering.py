"""What takes too long to read is given up, and holds up neither lists nor those who ask next."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from corral.store.errors import TakesTooLong
from corral.store.inventory_question import AT_ONCE
from corral.store.postgres import PostgresStore
from corral.store.postgres.connecting import Session, Target
from corral.store.postgres.database import Database
from corral.store.postgres.pondering import Pondering


@pytest.fixture
async def database(store: PostgresStore, url: str) -> AsyncIterator[Database]:
    del store
    made = Database(Target(url), connections=8)
    yield made
    await made.close()


async def slow(sql: Session) -> object:
    return await sql.all("SELECT pg_sleep(30)")


async def one(sql: Session) -> object:
    return [tuple(row) for row in await sql.all("SELECT 1")]


async def given_up(pondering: Pondering, longest: float) -> None:
    with pytest.raises(TakesTooLong):
        await pondering.ponder(slow, longest)


async def test_a_slow_question_is_given_up_and_the_next_is_answered(database: Database) -> None:
    pondering = Pondering(database)
    for _ in range(2):
        await given_up(pondering, 0.05)
        assert await pondering.ponder(one, 10) == [(1,)]


async def test_who_waits_for_others_too_long_is_told_so_and_lists_are_read_meanwhile(database: Database) -> None:
    pondering = Pondering(database)
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(given_up(pondering, 0.6))
        await asyncio.sleep(0.1)
        group.create_task(given_up(pondering, 0.1))
        async with asyncio.timeout(0.4):
            assert await database.read(one) == [(1,)]
    assert await pondering.ponder(one, 10) == [(1,)]
