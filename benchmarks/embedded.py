"""The embedded database under the service."""

import shutil
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

import apsw

from benchmarks.backend import DatabaseFloor, Rows, Statements
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
_HURRY: Final = ("PRAGMA synchronous = OFF", "PRAGMA cache_size = -1000000", "PRAGMA temp_store = MEMORY")
"""For what is loaded while nobody is served."""


class Embedded:
    name = "SQLite"

    def __init__(self, fleet: Path) -> None:
        self._fleet = fleet

    def settings(self) -> Mapping[str, Any]:
        return {}

    def open_store(self, data: Path, sealer: Sealer) -> AbstractAsyncContextManager[Store]:
        return open_sqlite(data / DATABASE, sealer)

    def copy(self, data: Path, of: Path | None = None) -> Mapping[str, str]:
        shutil.copy((of or self._fleet) / DATABASE, data / DATABASE)
        return {}

    def read(self, data: Path, query: str) -> list[Mapping[str, Any]]:
        connection = apsw.Connection(str(data / DATABASE))
        try:
            cursor = cast(Any, connection.cursor())
            return [
                dict(zip([each[0] for each in cursor.description], row, strict=True)) for row in cursor.execute(query)
            ]
        finally:
            connection.close()

    def fill(self, data: Path, tables: Iterable[Rows]) -> None:
        connection = apsw.Connection(str(data / DATABASE))
        sql = typed(connection)
        for pragma in _HURRY:
            sql.execute(pragma).fetchall()
        for rows in tables:
            places = ", ".join("?" * len(rows.columns))
            statement = f"INSERT INTO {rows.table} ({', '.join(rows.columns)}) VALUES ({places})"  # noqa: S608 - our own
            sql.execute("BEGIN").fetchall()
            values = iter(rows.values)
            while some := list(islice(values, 10_000)):
                sql.executemany(statement, some).fetchall()
            sql.execute("COMMIT").fetchall()
        sql.execute("ANALYZE").fetchall()
        sql.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.close()

    @contextmanager
    def counted_statements(self) -> Generator[Statements]:
        yield Statements()

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
