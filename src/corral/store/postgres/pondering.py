"""What may take seconds to read: a few at a time, so that others find a connection, and none for too long."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from asyncpg.exceptions import QueryCanceledError

from corral.store.errors import TakesTooLong
from corral.store.inventory_question import AT_ONCE
from corral.store.postgres.connecting import Session
from corral.store.postgres.database import Database

T = TypeVar("T")

_MEMORY: Final = "64MB"


class Pondering:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._free = asyncio.Semaphore(AT_ONCE)

    async def ponder(self, act: Callable[[Session], Awaitable[T]], longest: float) -> T:
        """What `act` reads. Raises TakesTooLong after `longest` seconds, those of waiting for others among them."""
        deadline = time.monotonic() + longest
        try:
            async with asyncio.timeout(longest):
                await self._free.acquire()
        except TimeoutError:
            raise TakesTooLong from None
        try:
            return await self._read(act, deadline)
        finally:
            self._free.release()

    async def _read(self, act: Callable[[Session], Awaitable[T]], deadline: float) -> T:
        async def read(sql: Session) -> T:
            left = max(deadline - time.monotonic(), 0.001)
            # Sets of a fleet are hashed in memory, or else they would be gone through for every device.
            await sql.script(f"SET LOCAL statement_timeout = {int(left * 1000) + 1}; SET LOCAL work_mem = '{_MEMORY}'")
            try:
                return await act(sql)
            except QueryCanceledError as error:
                raise TakesTooLong from error

        return await self._database.read(read)
