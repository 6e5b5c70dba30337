"""How this package opens SQLite, and what its errors mean to a caller."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast

import apsw

from corral.store.errors import StoreUnavailable
from corral.store.rows import Row

Values: TypeAlias = Sequence[Any] | Mapping[str, Any]


class Rows(Protocol):
    """What a statement gives."""

    def __iter__(self) -> Iterator[Row]: ...
    def fetchone(self) -> Row | None: ...
    def fetchall(self) -> list[Row]: ...


class Sql(Protocol):
    """A connection as statements see it: apsw's own, whose rows its stubs leave without types."""

    def execute(self, statement: str, values: Values = (), /) -> Rows: ...
    def executemany(self, statement: str, values: Sequence[Values], /) -> Rows: ...
    def changes(self) -> int:
        """Rows that the last statement has written."""
        ...

    def last_insert_rowid(self) -> int: ...


DATABASE_ERRORS = (
    apsw.AbortError,
    apsw.BusyError,
    apsw.CantOpenError,
    apsw.ConnectionClosedError,
    apsw.CorruptError,
    apsw.FullError,
    apsw.IOError,
    apsw.InterruptError,
    apsw.LockedError,
    apsw.NoMemError,
    apsw.NotADBError,
    apsw.PermissionsError,
    apsw.ProtocolError,
    apsw.ReadOnlyError,
)
"""Errors of the database as a whole; every other one is of the statement or the value at hand."""

_SURVIVED = (apsw.BusyError, apsw.FullError, apsw.IOError, apsw.InterruptError, apsw.LockedError)
"""Errors after which a connection is as good as before, once its transaction is rolled back."""

_REASONS: tuple[tuple[type[apsw.Error], str], ...] = (
    (apsw.FullError, "the disk is full; make room"),
    (apsw.BusyError, "it is locked by something else; nothing but the service may open it"),
    (apsw.LockedError, "it is locked by something else; nothing but the service may open it"),
    (apsw.IOError, "the disk cannot be read or written; look into the system's log"),
    (apsw.CorruptError, "it is damaged; stop the service and restore a backup"),
    (apsw.NotADBError, "it is not a SQLite database, or damaged; stop the service and restore a backup"),
    (apsw.CantOpenError, "it cannot be opened; look at the folder's existence and permissions"),
    (apsw.ReadOnlyError, "it cannot be written; look at its permissions"),
    (apsw.PermissionsError, "it cannot be written; look at its permissions"),
)

WAL_LIMIT = 64 * 2**20
"""Bytes that an emptied write-ahead log may keep on disk for the next writes."""


def typed(connection: apsw.Connection) -> Sql:
    return cast(Sql, connection)


def connect(path: Path, *, read_only: bool, patience: int) -> apsw.Connection:
    """A connection to an existing database; `patience` is how long (ms) it waits for a lock.

    Never memory-mapped: an I/O error must be an error, not a signal. Checkpoints are the writer's, not the commits'.
    """
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, statementcachesize=256)
    connection.set_busy_timeout(patience)
    # Plans that do not depend on bound values: without it SQLite prepares a statement anew for each value that could
    # tell whether a partial index fits, which makes a poll three times as long.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "mmap_size = 0",
        "wal_autocheckpoint = 0",
        f"journal_size_limit = {WAL_LIMIT}",
        "trusted_schema = OFF",
        "temp_store = MEMORY",
        f"query_only = {'ON' if read_only else 'OFF'}",
    ):
        typed(connection).execute(f"PRAGMA {pragma}").fetchall()
    return connection


def survives(connection: apsw.Connection, error: Exception) -> bool:
    """Whether this connection may be used again; its transaction is rolled back, or else it is closed.

    It is kept where that is safe: its next commit writes over what a failed one has left in the log, while one that
    is opened anew could take a commit for whole that never reached the disk.
    """
    try:
        if isinstance(error, _SURVIVED):
            if connection.in_transaction:
                typed(connection).execute("ROLLBACK")
            return True
        connection.close(True)
    except apsw.Error:
        pass
    return False


def unavailable(error: Exception) -> StoreUnavailable:
    """What a caller gets to hear; the database's own words are added, which never hold values."""
    reason = next((text for kind, text in _REASONS if isinstance(error, kind)), "it failed")
    return StoreUnavailable(f"The database cannot answer: {reason} ({error}).")
