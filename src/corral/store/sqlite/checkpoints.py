"""Copies the write-ahead log into the database without holding up those who commit.

A thread of its own copies the bulk beside the commits. What they have added meanwhile is little; the writer copies
that between two batches, and then the log starts again from its beginning.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import apsw

from corral.store.sqlite.connecting import connect

BEGIN_AT = 1000
"""Pages in the log (4 MB) from which on it is copied."""
WAIT_AT = 16_000
"""Pages (64 MB) from which on the writer waits for the copying, so that the log stays bounded."""


class Checkpoints:
    """Used by the writer's thread only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pages = 0
        self._aside = ThreadPoolExecutor(1, "corral-checkpoint")
        self._copying: Future[None] | None = None

    def note(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        """SQLite's hook after a commit: how long the log is now."""
        self._pages = pages
        return apsw.SQLITE_OK

    def between_batches(self, connection: apsw.Connection) -> None:
        """Raises apsw.Error when the database cannot be written."""
        if self._copying is None:
            if self._pages >= BEGIN_AT:
                self._copying = self._aside.submit(_copy, self._path)
            return
        if not self._copying.done() and self._pages < WAIT_AT:
            return
        copying, self._copying = self._copying, None
        copying.result()
        if self._pages >= BEGIN_AT:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self._pages = 0

    def finish(self, connection: apsw.Connection | None) -> None:
        """At the end: nothing is left in the log."""
        self._aside.shutdown()
        if connection is not None:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


def _copy(path: Path) -> None:
    connection = connect(path, read_only=False, patience=1000)
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    finally:
        connection.close(True)
