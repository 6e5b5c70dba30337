"""One reading for all who ask at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Gathered(Generic[T]):
    """Whoever asks while a reading is under way gets the one after it, with all who ask meanwhile.

    So nobody gets what is older than his question, and however many ask, there are never two readings at a time. An
    error of a reading is raised for all who wait for it. It belongs to one event loop.
    """

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self._read = read
        self._under_way: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def ask(self) -> T:
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._turn(self._under_way))
        # Who goes away takes the reading from nobody else.
        return await asyncio.shield(self._next)

    async def _turn(self, before: "asyncio.Task[T] | None") -> T:
        if before is not None:
            await asyncio.wait({before})
        self._under_way, self._next = self._next, None
        return await self._read()
