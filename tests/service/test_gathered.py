"""Readings that are shared."""

import asyncio

import pytest

from corral.service.gathered import Gathered


class Slow:
    """Reads a number that somebody changes; each reading waits until it is let go."""

    def __init__(self) -> None:
        self.value = 0
        self.readings = 0
        self.let_go = asyncio.Event()
        self.error: Exception | None = None

    async def read(self) -> int:
        self.readings += 1
        value = self.value
        await self.let_go.wait()
        if self.error is not None:
            raise self.error
        return value


async def test_all_who_ask_in_one_turn_share_a_reading() -> None:
    slow = Slow()
    slow.let_go.set()
    gathered = Gathered(slow.read)
    assert await asyncio.gather(*(gathered.ask() for _ in range(50))) == [0] * 50
    assert slow.readings == 1


async def test_who_asks_during_a_reading_gets_the_next_one() -> None:
    slow = Slow()
    gathered = Gathered(slow.read)
    early = asyncio.create_task(gathered.ask())
    await asyncio.sleep(0.01)
    slow.value = 1
    late = [asyncio.create_task(gathered.ask()) for _ in range(50)]
    await asyncio.sleep(0.01)
    assert slow.readings == 1
    slow.let_go.set()
    assert await early == 0
    assert await asyncio.gather(*late) == [1] * 50
    assert slow.readings == 2


async def test_an_error_is_everybodys_and_the_next_reading_is_a_new_one() -> None:
    slow = Slow()
    slow.let_go.set()
    slow.error = RuntimeError("away")
    gathered = Gathered(slow.read)
    for each in await asyncio.gather(*(gathered.ask() for _ in range(3)), return_exceptions=True):
        assert isinstance(each, RuntimeError)
    slow.error = None
    assert await gathered.ask() == 0


async def test_who_goes_away_takes_the_reading_from_nobody() -> None:
    slow = Slow()
    gathered = Gathered(slow.read)
    leaving, staying = asyncio.create_task(gathered.ask()), asyncio.create_task(gathered.ask())
    await asyncio.sleep(0.01)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    slow.let_go.set()
    assert await staying == 0
