"""All rows out of a SQLite database while a service uses it, and into a new one."""

# ruff: noqa: S608 - statements are put together of names from store/transfer.py; values are always bound

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping
from pathlib import Path

import apsw

from corral.store.errors import StoreRefused, StoreUnavailable
from corral.store.migrations import read_migrations
from corral.store.sqlite.connecting import Sql, connect, typed
from corral.store.sqlite.store import APPLICATION_ID
from corral.store.transfer import TABLES, Batch, Facts, Row, Table, TransferFailed, bounded

PATIENCE = 5000
"""How long (ms) to wait for a lock, which is held for moments only."""

_READ = {"number": "rowid", "profile_digest": "(SELECT digest FROM profile WHERE profile.id = profile_id)"}
_PUT = {"number": "rowid", "profile_digest": "profile_id"}
_PLACES = {"profile_digest": "(SELECT id FROM profile WHERE digest = ?)"}


class SqliteSource:
    """Made by `reading_sqlite`."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        seal = sql.execute("SELECT value FROM meta WHERE name = 'seal'").fetchone()
        if seal is None:
            raise StoreRefused("The database was never finished: it has no check value of its sealing key.")
        counts = {table.name: _count(sql, table) for table in TABLES}
        self.facts = Facts(seal=seal[0], counts=counts, numbers=_numbers(sql))

    async def batches(self) -> AsyncIterator[Batch]:
        for table in TABLES:
            names = ", ".join(_READ.get(column, column) for column in table.columns)
            order = f" ORDER BY {_READ.get(table.numbered, table.numbered)}" if table.numbered else ""
            found = self._sql.execute(f"SELECT {names} FROM {table.name}{order}")
            booleans = [place for place, column in enumerate(table.columns) if column in table.booleans]
            for rows in bounded(_truths(row, booleans) for row in found):
                yield Batch(table, rows)
                await asyncio.sleep(0)


class SqliteTarget:
    """Made by `filling_sqlite`."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    async def load(self, batch: Batch) -> None:
        columns = batch.table.columns
        names = ", ".join(_PUT.get(column, column) for column in columns)
        places = ", ".join(_PLACES.get(column, "?") for column in columns)
        statement = f"INSERT INTO {batch.table.name} ({names}) VALUES ({places})"
        self._sql.execute("BEGIN")
        try:
            self._sql.executemany(statement, batch.rows)
        except apsw.ConstraintError as error:
            raise TransferFailed(f"A row of table {batch.table.name} does not fit: {error}.") from error
        self._sql.execute("COMMIT")

    async def count(self, table: Table) -> int:
        return _count(self._sql, table)

    async def set_numbers(self, numbers: Mapping[str, int]) -> None:
        for name in _counted(self._sql):
            last = numbers.get(name, 0)
            self._sql.execute("DELETE FROM sqlite_sequence WHERE name = ? AND seq < ?", (name, last))
            self._sql.execute(
                "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, ?2"
                " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)",
                (name, last),
            )


@contextlib.asynccontextmanager
async def reading_sqlite(path: Path) -> AsyncGenerator[SqliteSource]:
    """The database as it is now, without the lock that a service holds. Raises StoreRefused, StoreUnavailable.

    The write-ahead log cannot start again from its beginning meanwhile, so it grows by what the service writes.
    """
    with _using(path, _open_to_read) as sql:
        sql.execute("BEGIN")
        if _number(sql, "PRAGMA application_id") != APPLICATION_ID:
            raise StoreRefused(f"{path} is not a database of Corral, or one that was never finished.")
        version, newest = _number(sql, "PRAGMA user_version"), read_migrations("sqlite")[-1].number
        if version != newest:
            raise StoreRefused(
                f"{path} is of version {version}, and this program of version {newest}:"
                " use the Corral that serves it, or serve it with this one once."
            )
        yield SqliteSource(sql)


@contextlib.asynccontextmanager
async def filling_sqlite(path: Path, seal: bytes) -> AsyncGenerator[SqliteTarget]:
    """A new database, which gets its name only when it is whole. Raises StoreRefused if there is one."""
    with _unfinished(path) as place:
        with _using(place, _open_to_write) as sql:
            _prepare(sql, seal)
            yield SqliteTarget(sql)
            sql.execute("PRAGMA synchronous = FULL")
            sql.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        _give_name(place, path)


@contextlib.contextmanager
def _unfinished(path: Path) -> Generator[Path]:
    """A file beside `path` that is gone afterwards."""
    if path.exists():
        raise StoreRefused(f"{path} is there already, and is not overwritten.")
    place = path.with_name(path.name + ".unfinished")
    try:
        os.close(os.open(place, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreRefused(f"Cannot make {path}: {error.strerror}.") from None
    try:
        yield place
    finally:
        for suffix in ("", "-wal", "-shm"):
            place.with_name(place.name + suffix).unlink(missing_ok=True)


def _give_name(place: Path, path: Path) -> None:
    try:
        os.link(place, path)  # unlike a rename it never replaces anything
    except FileExistsError:
        raise StoreRefused(f"{path} is there already, and is not overwritten.") from None
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _prepare(sql: Sql, seal: bytes) -> None:
    sql.execute("PRAGMA synchronous = OFF")  # nobody has it before the checkpoint at the end
    sql.execute("PRAGMA wal_autocheckpoint = 4000").fetchall()
    sql.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    migrations = read_migrations("sqlite")
    for migration in migrations:
        sql.execute(migration.sql)
    sql.execute(f"PRAGMA user_version = {migrations[-1].number}")
    sql.execute("DELETE FROM breaker; DELETE FROM audit_end")
    sql.execute("INSERT INTO meta (name, value) VALUES ('seal', ?)", (seal,))


@contextlib.contextmanager
def _using(path: Path, open_: Callable[[Path], apsw.Connection]) -> Generator[Sql]:
    try:
        connection = open_(path)
        try:
            yield typed(connection)
        finally:
            connection.close(True)
    except apsw.Error as error:
        raise StoreUnavailable(f"The database {path} cannot be used: {error}.") from error


def _open_to_read(path: Path) -> apsw.Connection:
    """Changes nothing, not even of a database that is not ours."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(PATIENCE)
    for pragma in ("query_only = ON", "mmap_size = 0", "trusted_schema = OFF"):
        typed(connection).execute(f"PRAGMA {pragma}").fetchall()
    return connection


def _open_to_write(path: Path) -> apsw.Connection:
    return connect(path, read_only=False, patience=PATIENCE)


def _numbers(sql: Sql) -> dict[str, int]:
    numbers: dict[str, int] = dict.fromkeys(_counted(sql), 0)
    numbers.update((row[0], row[1]) for row in sql.execute("SELECT name, seq FROM sqlite_sequence"))
    return numbers


def _counted(sql: Sql) -> list[str]:
    """Tables whose numbers are never given twice, even if the last row is gone."""
    found = sql.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'")
    return [row[0] for row in found]


def _count(sql: Sql, table: Table) -> int:
    return _number(sql, f"SELECT count(*) FROM {table.name}")


def _number(sql: Sql, question: str) -> int:
    row = sql.execute(question).fetchone()
    assert row is not None
    return row[0]


def _truths(row: Row, booleans: list[int]) -> Row:
    if not booleans:
        return row
    values = list(row)
    for place in booleans:
        values[place] = bool(values[place])
    return tuple(values)
