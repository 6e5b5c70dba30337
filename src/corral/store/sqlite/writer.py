"""The one writer: a thread that takes all that waits as one transaction, a savepoint a member.

While a commit is in flight newcomers gather, and the next commit takes them together, so that its flush to disk is
shared; alone, a member is committed at once. A member that fails is rolled back alone.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import apsw

from corral.store.errors import StoreUnavailable
from corral.store.sqlite.checkpoints import Checkpoints
from corral.store.sqlite.connecting import DATABASE_ERRORS, Sql, connect, survives, typed, unavailable

T = TypeVar("T")

LARGEST_BATCH = 256
PATIENCE = 2000
"""How long (ms) the writer waits for a lock that only a stranger can hold."""
CLOSED = "The database is closed: the service is stopping."


@dataclass(frozen=True, slots=True)
class Write:
    """What a member of a batch works with; `woken` takes the kinds of work that it has put."""

    sql: Sql
    woken: set[str]


@dataclass(slots=True)
class _Member:
    act: Callable[[Write], Any]
    future: asyncio.Future[Any]
    value: Any = None
    error: Exception | None = None
    woken: set[str] = field(default_factory=set[str])


class Writer:
    """Belongs to the event loop that it was made in; `wake` is called there with each kind of work after a commit."""

    def __init__(self, path: Path, wake: Callable[[str], None]) -> None:
        self._path = path
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._waiting: queue.SimpleQueue[_Member | None] = queue.SimpleQueue()
        self._connection: apsw.Connection | None = None
        self._checkpoints = Checkpoints(path)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="corral-writer", daemon=True)
        self._thread.start()

    async def write(self, act: Callable[[Write], T]) -> T:
        """The value of `act`, once it is on disk. What it raises is raised here, and nothing of it is written."""
        if self._closed:
            raise StoreUnavailable(CLOSED)
        future: asyncio.Future[T] = self._loop.create_future()
        self._waiting.put(_Member(act, future))
        return await future

    async def close(self) -> None:
        """Write what waits, empty the log into the database, and end."""
        self._closed = True
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        last = False
        while not last:
            batch, last = self._take()
            if batch:
                self._commit(batch)
                with contextlib.suppress(RuntimeError):  # nobody waits any more: the loop is closed
                    self._loop.call_soon_threadsafe(self._answer, batch)
            self._checkpoint()
        self._finish()

    def _take(self) -> tuple[list[_Member], bool]:
        """All that waits, at least one; and whether it is the last."""
        member = self._waiting.get()
        batch: list[_Member] = []
        with contextlib.suppress(queue.Empty):
            while member is not None:
                batch.append(member)
                if len(batch) == LARGEST_BATCH:
                    return batch, False
                member = self._waiting.get_nowait()
            return batch, True
        return batch, False

    def _commit(self, batch: list[_Member]) -> None:
        try:
            writing = typed(self._connection or self._open())
            writing.execute("BEGIN IMMEDIATE")
            for member in batch:
                _run_member(writing, member)
            writing.execute("COMMIT")
        except Exception as error:
            self._recover(error)
            for member in batch:
                member.error, member.woken = unavailable(error), set()

    def _open(self) -> apsw.Connection:
        connection = connect(self._path, read_only=False, patience=PATIENCE)
        connection.set_wal_hook(self._checkpoints.note)
        self._connection = connection
        return connection

    def _recover(self, error: Exception) -> None:
        if self._connection is not None and not survives(self._connection, error):
            self._connection = None

    def _answer(self, batch: list[_Member]) -> None:
        """In the event loop: answer everybody, then wake the workers."""
        woken: set[str] = set()
        for member in batch:
            woken |= member.woken
            if member.future.done():
                continue
            if member.error is not None:
                member.future.set_exception(member.error)
            else:
                member.future.set_result(member.value)
        for kind in sorted(woken):
            self._wake(kind)

    def _checkpoint(self) -> None:
        if self._connection is None:
            return
        try:
            self._checkpoints.between_batches(self._connection)
        except Exception as error:
            self._recover(error)  # the log grows meanwhile; if nothing works, the next batch says so

    def _finish(self) -> None:
        with contextlib.suppress(apsw.Error):
            self._checkpoints.finish(self._connection)
        if self._connection is not None:
            with contextlib.suppress(apsw.Error):
                self._connection.close(True)


def _run_member(writing: Sql, member: _Member) -> None:
    """Run one member in a savepoint. Raises only what concerns the whole batch."""
    writing.execute("SAVEPOINT member")
    write = Write(writing, set())
    try:
        member.value = member.act(write)
    except DATABASE_ERRORS:
        raise
    except Exception as error:
        writing.execute("ROLLBACK TO member")
        member.error = error
    else:
        member.woken = write.woken
    writing.execute("RELEASE member")
