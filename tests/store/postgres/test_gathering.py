"""Batches are made of what arrives together, and nobody in one suffers for another."""

import asyncio
from collections.abc import Sequence

import pytest

from corral.store.errors import StoreUnavailable
from corral.store.postgres.gathering import LARGEST_BATCH, MOST_WAITING, Gatherer


class Slow:
    """Doubles numbers, batch by batch, once it is let; 13 is bad luck for its member, 666 for its whole batch."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.let = asyncio.Event()

    async def __call__(self, members: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(members))
        await self.let.wait()
        if 666 in members:
            raise StoreUnavailable("everybody")
        return [ValueError("bad luck") if member == 13 else member * 2 for member in members]


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_that_is_alone_does_not_wait_and_those_that_come_meanwhile_go_together() -> None:
    act = Slow()
    gatherer = Gatherer(act, 1)
    first = asyncio.create_task(gatherer.ask(1))
    await turn()
    assert act.batches == [[1]]
    later = [asyncio.create_task(gatherer.ask(number)) for number in (2, 3, 4)]
    await turn()
    assert act.batches == [[1]]
    act.let.set()
    assert [await task for task in (first, *later)] == [2, 4, 6, 8]
    assert act.batches == [[1], [2, 3, 4]]


async def test_there_are_as_many_batches_at_a_time_as_lanes() -> None:
    act = Slow()
    gatherer = Gatherer(act, 2)
    tasks: list[asyncio.Task[int]] = []
    for number in range(4):
        tasks.append(asyncio.create_task(gatherer.ask(number)))
        await turn()
    assert act.batches == [[0], [1]]
    act.let.set()
    assert await asyncio.gather(*tasks) == [0, 2, 4, 6]


async def test_members_of_one_key_are_never_in_one_batch_and_keep_their_order() -> None:
    act = Slow()
    act.let.set()
    gatherer = Gatherer(act, 1, lambda number: number % 10)
    answers = await asyncio.gather(*(gatherer.ask(number) for number in (1, 11, 2, 21, 31)))
    assert answers == [2, 22, 4, 42, 62]
    assert act.batches == [[1, 2], [11], [21], [31]]


async def test_a_batch_has_a_largest_size() -> None:
    act = Slow()
    act.let.set()
    gatherer = Gatherer(act, 1)
    await asyncio.gather(*(gatherer.ask(number) for number in range(1000, 1300)))
    assert [len(batch) for batch in act.batches] == [LARGEST_BATCH, LARGEST_BATCH, 300 - 2 * LARGEST_BATCH]


async def test_a_member_fails_alone() -> None:
    act = Slow()
    act.let.set()
    gatherer = Gatherer(act, 1)
    good, bad = await asyncio.gather(gatherer.ask(1), gatherer.ask(13), return_exceptions=True)
    assert good == 2
    assert isinstance(bad, ValueError)


async def test_what_ends_a_batch_ends_it_for_all_of_it_and_the_next_goes_on() -> None:
    act = Slow()
    gatherer = Gatherer(act, 1)
    doomed = [asyncio.create_task(gatherer.ask(number)) for number in (1, 666)]
    await turn()
    after = asyncio.create_task(gatherer.ask(2))
    act.let.set()
    for task in doomed:
        with pytest.raises(StoreUnavailable):
            await task
    assert await after == 4


async def test_who_gives_up_waiting_disturbs_nobody() -> None:
    act = Slow()
    gatherer = Gatherer(act, 1)
    tasks = [asyncio.create_task(gatherer.ask(number)) for number in (1, 2)]
    await turn()
    tasks[0].cancel()
    await turn()
    act.let.set()
    assert await tasks[1] == 4
    assert await gatherer.ask(3) == 6


async def test_beyond_what_can_wait_the_answer_is_no_at_once() -> None:
    act = Slow()
    gatherer = Gatherer(act, 1)
    first = asyncio.create_task(gatherer.ask(0))
    await turn()
    tasks = [asyncio.create_task(gatherer.ask(number)) for number in range(1000, 1000 + MOST_WAITING)]
    await turn()
    with pytest.raises(StoreUnavailable, match="not keeping up"):
        await gatherer.ask(1)
    act.let.set()
    assert await first == 0
    assert len(await asyncio.gather(*tasks)) == MOST_WAITING


async def test_closing_finishes_what_was_asked_and_takes_nothing_new() -> None:
    act = Slow()
    gatherer = Gatherer(act, 1)
    tasks = [asyncio.create_task(gatherer.ask(number)) for number in (1, 2)]
    await turn()
    tasks.append(asyncio.create_task(gatherer.ask(3)))
    await turn()
    asyncio.get_running_loop().call_later(0.01, act.let.set)
    await gatherer.close()
    assert await asyncio.gather(*tasks) == [2, 4, 6]
    with pytest.raises(StoreUnavailable, match="closed"):
        await gatherer.ask(4)
