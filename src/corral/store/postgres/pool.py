"""A few connections of one process, opened when needed and thrown away when anything is wrong with them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

from asyncpg.exceptions import DiskFullError

from corral.store.errors import StoreUnavailable
from corral.store.postgres.connecting import Session, is_lost, unavailable

CLOSED = "The database is closed: the service is stopping."
REST = 0.25
"""Seconds after a failed attempt to connect in which nobody tries again: callers get their answer at once."""

FULL_FOR = 3.0
"""Seconds in which a database that had no room is taken to have none; little things may still find a place."""


class Pool:
    """At most `size` sessions, made by `connect`. Whoever waits for one waits at most `patience` seconds."""

    def __init__(self, connect: Callable[[], Awaitable[Session]], size: int, patience: float) -> None:
        self._connect = connect
        self._patience = patience
        self._free = asyncio.Semaphore(size)
        self._idle: list[Session] = []
        self._failure: tuple[float, StoreUnavailable] | None = None
        self._full: tuple[float, StoreUnavailable] | None = None
        self._closed = False

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncGenerator[Session]:
        """A session for this caller alone. A lost one is not used again, nor are those that may be lost like it.

        Raises StoreUnavailable for what concerns the database as a whole; every other error is the statement's own.
        """
        await self._wait()
        session = None
        try:
            session = await self._take()
            await session.renew_plans()
            yield session
        except BaseException as error:
            if session is not None and (is_lost(error) or not isinstance(error, Exception)):
                session.terminate()
            if is_lost(error):
                self._drop_idle()
                failure = unavailable(error)
                if isinstance(error, DiskFullError):
                    self._full = time.monotonic(), failure
                raise failure from error
            raise
        finally:
            if session is not None and not session.is_closed:
                if self._closed:
                    session.terminate()
                else:
                    self._idle.append(session)
            self._free.release()

    def check_room(self) -> None:
        """Raises what somebody was told just now, if the database had no room for what was to be written."""
        if self._full is not None and time.monotonic() - self._full[0] < FULL_FOR:
            raise self._full[1]

    async def close(self) -> None:
        self._closed = True
        idle, self._idle = self._idle, []
        for session in idle:
            await session.close()

    async def _wait(self) -> None:
        if self._free.locked():
            try:
                async with asyncio.timeout(self._patience):
                    await self._free.acquire()
            except TimeoutError:
                raise StoreUnavailable("The database cannot answer: all connections to it are busy.") from None
        else:
            await self._free.acquire()

    async def _take(self) -> Session:
        if self._closed:
            raise StoreUnavailable(CLOSED)
        while self._idle:
            session = self._idle.pop()
            if not session.is_closed:
                return session
        if self._failure is not None and time.monotonic() - self._failure[0] < REST:
            raise self._failure[1]
        try:
            session = await self._connect()
        except Exception as error:
            failure = unavailable(error)
            self._failure = time.monotonic(), failure
            raise failure from error
        self._failure = None
        return session

    def _drop_idle(self) -> None:
        """What ended one connection has mostly ended them all, and not every one has noticed."""
        idle, self._idle = self._idle, []
        for session in idle:
            session.terminate()
