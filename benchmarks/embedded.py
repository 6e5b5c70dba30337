"""The embedded database as the benchmarks see it; another back-end gets a module with the same functions.

`open_store` for what is put in beforehand, `durable_inserts` for the floor, `commits` for proof of what was written.
"""

import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

import apsw

from corral.app import DATABASE
from corral.sealing import Sealer
from corral.store.sqlite import open_sqlite
from corral.store.sqlite.connecting import typed
from corral.store.store import Store

NAME: Final = "SQLite"

_ROW = b"x" * 1000
_SETUP = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "CREATE TABLE floor (id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
)


def open_store(data: Path, sealer: Sealer) -> AbstractAsyncContextManager[Store]:
    return open_sqlite(data / DATABASE, sealer)


def durable_inserts(folder: Path, seconds: float) -> float:
    """Commits a second of one row of 1,000 bytes, one after the other, each flushed to the same disk."""
    connection = apsw.Connection(str(folder / "floor.db"))
    floor = typed(connection)
    for statement in _SETUP:
        floor.execute(statement).fetchall()
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        floor.execute("INSERT INTO floor (body) VALUES (?)", (_ROW,)).fetchall()
        count += 1
    connection.close()
    return count / elapsed


def commits(data: Path) -> int:
    """Transactions written so far: the counter `iChange` in the header of SQLite's shared-memory file ("WAL-mode
    File Format", 2.1). It counts all processes' commits and no reads."""
    with (data / f"{DATABASE}-shm").open("rb") as index:
        index.seek(8)
        return int.from_bytes(index.read(4), "little")
