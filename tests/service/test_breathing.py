"""Long lists in the event loop."""

import asyncio
import random

import pytest

from corral.service.breathing import PIECE, in_order, pieces


@pytest.mark.parametrize("count", [0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 3])
async def test_pieces_hold_every_entry_once_and_in_order(count: int) -> None:
    found = [piece async for piece in pieces(range(count))]
    assert [entry for piece in found for entry in piece] == list(range(count))
    assert all(0 < len(piece) <= PIECE for piece in found)


@pytest.mark.parametrize("count", [0, 1, PIECE, 3 * PIECE + 7])
async def test_sorts_as_sorted_does(count: int) -> None:
    entries = [str(random.Random(number).random()) for number in range(count)]
    assert await in_order(entries) == sorted(entries)


async def test_others_have_their_turn_between_pieces() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await in_order(map(str, range(20 * PIECE)))
    task.cancel()
    assert turns >= 20
