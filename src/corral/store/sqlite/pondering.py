"""What may take seconds to read: a few at a time, each on a connection of its own, and none for too long."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import apsw

from corral.store.errors import TakesTooLong
from corral.store.inventory_question import AT_ONCE
from corral.store.sqlite.connecting import connect, survives, unavailable

T = TypeVar("T")

_STEPS: Final = 50_000
"""Instructions of the database between two looks at the clock: about a millisecond."""
_PATIENCE: Final = 100
"""How long (ms) a read waits for a lock."""


class Pondering:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = ThreadPoolExecutor(AT_ONCE, "corral-questions")
        self._idle: list[apsw.Connection] = []
        self._closed = False

    async def ponder(self, act: Callable[[apsw.Connection], T], longest: float) -> T:
        """What `act` reads. Raises TakesTooLong after `longest` seconds, those of waiting for others among them."""
        deadline = time.monotonic() + longest
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, act, deadline)

    async def close(self) -> None:
        """What is under way is given up."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        while self._idle:
            self._idle.pop().close(True)

    def _run(self, act: Callable[[apsw.Connection], T], deadline: float) -> T:
        def is_over() -> bool:
            return self._closed or time.monotonic() > deadline

        if is_over():
            raise TakesTooLong
        connection: apsw.Connection | None = None
        try:
            connection = self._idle.pop() if self._idle else connect(self._path, read_only=True, patience=_PATIENCE)
            connection.set_progress_handler(is_over, _STEPS)
            found = act(connection)
        except apsw.Error as error:
            if connection is not None and survives(connection, error):
                self._idle.append(connection)
            raise (TakesTooLong() if isinstance(error, apsw.InterruptError) else unavailable(error)) from error
        self._idle.append(connection)
        return found
