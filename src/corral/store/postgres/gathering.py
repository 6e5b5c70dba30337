"""Makes batches of what arrives together, without making anything wait that is alone.

While a batch is in flight newcomers gather, and the next batch takes them all: one round trip and one commit for as
many as there are.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from corral.store.errors import StoreUnavailable
from corral.store.postgres.pool import CLOSED

Member = TypeVar("Member")
Value = TypeVar("Value")

LARGEST_BATCH = 128
MOST_WAITING = 8192
"""Beyond it the database is not keeping up, and a quick refusal is worth more than a place in the queue."""


class Gatherer(Generic[Member, Value]):
    """Calls `act` with up to `LARGEST_BATCH` members, in up to `lanes` batches at a time.

    `act` gives a value, or the error that is to be raised, for each member; an error that it raises is everybody's.
    Members of the same `key` (None: of none) are never in one batch. It belongs to one event loop.
    """

    def __init__(
        self,
        act: Callable[[Sequence[Member]], Awaitable[Sequence[Value | Exception]]],
        lanes: int,
        key: Callable[[Member], Hashable] | None = None,
    ) -> None:
        self._act = act
        self._key = key
        self._free = lanes
        self._waiting: list[tuple[Member, asyncio.Future[Value]]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._started = False
        self._closed = False

    async def ask(self, member: Member) -> Value:
        if self._closed:
            raise StoreUnavailable(CLOSED)
        if len(self._waiting) >= MOST_WAITING:
            raise StoreUnavailable("The database is not keeping up with what is asked of it.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Value] = loop.create_future()
        self._waiting.append((member, future))
        if self._free and not self._started:
            # At the end of this turn of the loop, so that all that the turn brings goes together.
            self._started = True
            loop.call_soon(self._start)
        return await future

    async def close(self) -> None:
        """Finish what has begun or waits."""
        self._closed = True
        while self._running or self._waiting:
            await asyncio.sleep(0)
            await asyncio.gather(*self._running)

    def _start(self) -> None:
        self._started = False
        if self._free and self._waiting:
            self._free -= 1
            task = asyncio.get_running_loop().create_task(self._run())
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._carry_out(self._take())
        finally:
            self._free += 1

    async def _carry_out(self, batch: list[tuple[Member, asyncio.Future[Value]]]) -> None:
        try:
            values = await self._act([member for member, _ in batch])
        except Exception as error:
            values = [error] * len(batch)
        except BaseException:
            for _, future in batch:
                future.cancel()
            raise
        for (_, future), value in zip(batch, values, strict=True):
            if future.done():
                continue
            if isinstance(value, Exception):
                future.set_exception(value)
            else:
                future.set_result(value)

    def _take(self) -> list[tuple[Member, asyncio.Future[Value]]]:
        waiting = self._waiting
        if self._key is None:
            self._waiting = waiting[LARGEST_BATCH:]
            return waiting[:LARGEST_BATCH]
        batch: list[tuple[Member, asyncio.Future[Value]]] = []
        left: list[tuple[Member, asyncio.Future[Value]]] = []
        taken: set[Hashable] = set()
        for each in waiting:
            key = self._key(each[0])
            if len(batch) < LARGEST_BATCH and key not in taken:
                batch.append(each)
                taken.add(key)
            else:
                left.append(each)
        self._waiting = left
        return batch
