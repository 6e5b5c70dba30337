"""Work on long lists in the event loop, in pieces: between them the loop answers devices.

A list for a fleet of 100,000 takes some hundred milliseconds of Python. In one piece, every device that asks meanwhile
would wait as long.
"""

import asyncio
import heapq
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

PIECE = 500
"""Entries of a list that are dealt with in a millisecond or less."""


async def pieces(entries: Iterable[T]) -> AsyncIterator[Sequence[T]]:
    """The entries in their order, `PIECE` at a time."""
    remaining = iter(entries)
    while piece := tuple(islice(remaining, PIECE)):
        yield piece
        await asyncio.sleep(0)


async def in_order(entries: Iterable[str]) -> list[str]:
    """The entries sorted."""
    runs = [sorted(piece) async for piece in pieces(entries)]
    return [entry async for piece in pieces(heapq.merge(*runs)) for entry in piece]
