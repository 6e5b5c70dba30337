"""The embedded database under the service."""

import shutil
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

import apsw

from benchmarks.backend import DatabaseFloor
from corral.app import DATABASE
from corral.sealing import Sealer
from corral.store.sqlite import open_sqlite
from corral.store.sqlite.connecting import typed
from corral.store.store import Store

_ROW: Final = b"x" * 1000
_SETUP = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "CREATE TABLE floor (id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
)


class Embedded:
    name = "SQLite"

    def __init__(self, fleet: Path) -> None:
        self._fleet = fleet

    def settings(self) -> Mapping[str, Any]:
        return {}

    def open_store(self, data: Path, sealer: Sealer) -> AbstractAsyncContextManager[Store]:
        return open_sqlite(data / DATABASE, sealer)

    def copy(self, data: Path) -> Mapping[str, str]:
        shutil.copy(self._fleet / DATABASE, data / DATABASE)
        return {}

    def floors(self, folder: Path, seconds: float) -> tuple[DatabaseFloor, ...]:
        """Commits one after the other, each flushed to the same disk."""
        connection = apsw.Connection(str(folder / "floor.db"))
        floor = typed(connection)
        for statement in _SETUP:
            floor.execute(statement).fetchall()
        count, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds:
            floor.execute("INSERT INTO floor (body) VALUES (?)", (_ROW,)).fetchall()
            count += 1
        connection.close()
        return (DatabaseFloor("durable inserts of one row, one after the other", count / elapsed),)

    def commits(self, data: Path) -> int:
        """The counter `iChange` in the header of SQLite's shared-memory file ("WAL-mode File Format", 2.1). It counts
        all processes' commits and no reads."""
        with (data / f"{DATABASE}-shm").open("rb") as index:
            index.seek(8)
            return int.from_bytes(index.read(4), "little")

    def cpu(self) -> float:
        return 0.0
