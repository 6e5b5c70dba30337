"""One database file in one process: polls read it inline, one thread writes it, and long lists are read aside."""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import apsw

from corral.sealing import SealError
from corral.store.errors import StoreRefused, StoreUnavailable
from corral.store.sqlite.connecting import Row, Sql, connect, survives, typed, unavailable
from corral.store.sqlite.pondering import Pondering
from corral.store.sqlite.writer import CLOSED, Write, Writer

T = TypeVar("T")

READ_PATIENCE = 100
"""How long (ms) a read waits for a lock; in write-ahead mode it never has to but in a recovery."""


class Database:
    """`read` and `one` take some 10 us and run in the event loop; `browse` is for what may take milliseconds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wakes: list[Callable[[str], None]] = []
        # Open from the beginning to the end, so that the log's index outlives a writer that has to open itself anew.
        self._reader: apsw.Connection | None = connect(path, read_only=True, patience=READ_PATIENCE)
        self._writer = Writer(path, self._wake)
        self._browser: apsw.Connection | None = None
        self._aside = ThreadPoolExecutor(1, "corral-lists")
        self._pondering = Pondering(path)
        self._closed = False

    def one(self, statement: str, values: Sequence[Any] = ()) -> Row | None:
        """The first row of one statement, which is its own moment."""
        try:
            return typed(self._reader or self._open_reader()).execute(statement, values).fetchone()
        except apsw.Error as error:
            raise self._failed(error) from error

    def all(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        try:
            return typed(self._reader or self._open_reader()).execute(statement, values).fetchall()
        except apsw.Error as error:
            raise self._failed(error) from error

    def read(self, act: Callable[[Sql], T]) -> T:
        """Several statements that see the database at one moment."""
        try:
            return _at_one_moment(self._reader or self._open_reader(), act)
        except SealError as error:
            raise StoreUnavailable(str(error)) from error
        except apsw.Error as error:
            raise self._failed(error) from error

    async def browse(self, act: Callable[[Sql], T]) -> T:
        """The same on a thread and a connection of its own, so that a long list holds no poll up."""
        if self._closed:
            raise StoreUnavailable(CLOSED)
        return await asyncio.get_running_loop().run_in_executor(self._aside, self._browse, act)

    async def ponder(self, act: Callable[[Sql], T], longest: float) -> T:
        """The same for what may take seconds, and holds no list up. Raises TakesTooLong after `longest` seconds."""
        if self._closed:
            raise StoreUnavailable(CLOSED)
        return await self._pondering.ponder(partial(_at_one_moment, act=act), longest)

    async def write(self, act: Callable[[Write], T]) -> T:
        """The value of `act`, durable when this returns; it shares its commit with others."""
        try:
            return await self._writer.write(act)
        except SealError as error:
            raise StoreUnavailable(str(error)) from error

    def on_work(self, wake: Callable[[str], None]) -> None:
        self._wakes.append(wake)

    async def close(self) -> None:
        self._closed = True
        await asyncio.to_thread(self._aside.shutdown)
        await self._pondering.close()
        await self._writer.close()
        for connection in (self._reader, self._browser):
            if connection is not None:
                with contextlib.suppress(apsw.Error):
                    connection.close(True)
        self._reader = self._browser = None

    def _open_reader(self) -> apsw.Connection:
        if self._closed:
            raise StoreUnavailable(CLOSED)
        self._reader = connect(self._path, read_only=True, patience=READ_PATIENCE)
        return self._reader

    def _failed(self, error: apsw.Error) -> StoreUnavailable:
        if self._reader is not None and not survives(self._reader, error):
            self._reader = None
        return unavailable(error)

    def _browse(self, act: Callable[[Sql], T]) -> T:
        try:
            if self._browser is None:
                self._browser = connect(self._path, read_only=True, patience=READ_PATIENCE)
            return _at_one_moment(self._browser, act)
        except SealError as error:
            raise StoreUnavailable(str(error)) from error
        except apsw.Error as error:
            if self._browser is not None and not survives(self._browser, error):
                self._browser = None
            raise unavailable(error) from error

    def _wake(self, kind: str) -> None:
        for wake in self._wakes:
            wake(kind)


def _at_one_moment(connection: apsw.Connection, act: Callable[[Sql], T]) -> T:
    reading = typed(connection)
    reading.execute("BEGIN")
    try:
        value = act(reading)
    except Exception:
        with contextlib.suppress(apsw.Error):  # some errors have ended the transaction
            reading.execute("ROLLBACK")
        raise
    reading.execute("COMMIT")
    return value


@contextlib.contextmanager
def exclusive(path: Path) -> Generator[None]:
    """Hold the database for this process alone, by a lock on a file beside it that ends with the process."""
    lock = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreRefused(f"Cannot open {lock}: {error.strerror}.") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            raise StoreRefused(f"{path} is in use by another Corral (process {owner}); stop that one first.") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
