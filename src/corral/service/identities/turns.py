"""Whose turn it is: private-key operations for strangers are bounded in number."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from corral.service.errors import OverCapacity

AT_ONCE, WAITING = 2, 64
"""Operations under way, and under way or waiting for their turn, at most."""


class Turns:
    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def take(self) -> AsyncGenerator[None]:
        """Wait for a turn and keep it for the block; raises OverCapacity where too many wait already."""
        if self._waiting >= WAITING:
            raise OverCapacity("Too many certificate requests at once; try again in a few seconds.")
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1
