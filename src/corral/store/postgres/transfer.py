"""All rows out of a PostgreSQL database while services use it, and into an empty one, in one transaction each."""

# ruff: noqa: S608 - statements are put together of names from store/transfer.py; values are always bound

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from typing import Any, Protocol, cast

import asyncpg
from asyncpg import exceptions as failures

from corral.store.errors import StoreRefused
from corral.store.migrations import read_migrations
from corral.store.postgres.connecting import CONNECT_PATIENCE, Target, unavailable
from corral.store.transfer import ROWS_AT_ONCE, TABLES, Batch, Facts, Row, Table, TransferFailed, bounded

WIDE_AT_ONCE = 64
"""Rows of a wide table that are fetched at once: each may be megabytes."""

_EMPTY = "SELECT count(*) = 0 FROM information_schema.tables WHERE table_schema = current_schema()"
_UNHURRIED = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
_SEQUENCE = "pg_get_serial_sequence('{0}', '{1}')::regclass"


class _Driver(Protocol):
    """What is used of asyncpg's connection, whose own annotations leave out most types."""

    async def fetch(self, query: str, *values: object) -> Iterable[Iterable[Any]]: ...
    async def fetchval(self, query: str, *values: object) -> Any: ...
    async def execute(self, query: str, *values: object) -> str: ...
    async def copy_records_to_table(
        self, table_name: str, *, records: Iterable[Iterable[object]], columns: Iterable[str]
    ) -> str: ...
    async def close(self) -> None: ...
    def terminate(self) -> None: ...


class PostgresSource:
    """Made by `reading_postgres`."""

    def __init__(self, driver: _Driver, facts: Facts) -> None:
        self._driver = driver
        self.facts = facts

    async def batches(self) -> AsyncIterator[Batch]:
        for table in TABLES:
            order = f" ORDER BY {table.numbered}" if table.numbered else ""
            names = ", ".join(table.columns)
            await self._driver.execute(f"DECLARE transfer NO SCROLL CURSOR FOR SELECT {names} FROM {table.name}{order}")
            fetch = f"FETCH {WIDE_AT_ONCE if table.wide else ROWS_AT_ONCE} FROM transfer"
            while found := [tuple(row) for row in await self._driver.fetch(fetch)]:
                for rows in bounded(found):
                    yield Batch(table, rows)
            await self._driver.execute("CLOSE transfer")


class PostgresTarget:
    """Made by `filling_postgres`."""

    def __init__(self, driver: _Driver) -> None:
        self._driver = driver

    async def load(self, batch: Batch) -> None:
        table = batch.table
        try:
            await self._driver.copy_records_to_table(
                table.name, records=map(_storable, batch.rows), columns=table.columns
            )
        except (failures.IntegrityConstraintViolationError, failures.DataError) as error:
            raise TransferFailed(f"A row of table {table.name} does not fit: {_said(error)}.") from error

    async def count(self, table: Table) -> int:
        return await self._driver.fetchval(f"SELECT count(*) FROM {table.name}")

    async def set_numbers(self, numbers: Mapping[str, int]) -> None:
        for table in TABLES:
            if table.numbered:
                sequence = _SEQUENCE.format(table.name, table.numbered)
                await self._driver.execute(
                    f"SELECT setval({sequence}, greatest(last, 1), last > 0)"
                    f" FROM (SELECT greatest(max({table.numbered}), $1::bigint) AS last FROM {table.name}) AS given",
                    numbers.get(table.name, 0),
                )


@contextlib.asynccontextmanager
async def reading_postgres(target: Target) -> AsyncGenerator[PostgresSource]:
    """The database as it is now, while others write. Raises StoreRefused, StoreUnavailable."""
    async with _connected(target) as driver:
        await driver.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        await driver.execute(_UNHURRIED)
        await _check(driver, target)
        yield PostgresSource(driver, await _facts(driver, target))
        await driver.execute("ROLLBACK")


@contextlib.asynccontextmanager
async def filling_postgres(target: Target, seal: bytes) -> AsyncGenerator[PostgresTarget]:
    """An empty database; nothing is in it before everything is. Raises StoreRefused, StoreUnavailable."""
    async with _connected(target) as driver:
        await driver.execute("BEGIN")
        await driver.execute(_UNHURRIED)
        if not await driver.fetchval(_EMPTY):
            raise StoreRefused(f"The database {target.name} is not empty, and is not overwritten; give an empty one.")
        for migration in read_migrations("postgres"):
            await driver.execute(migration.sql)
            await driver.execute(
                "INSERT INTO migration (number, name) VALUES ($1, $2)", migration.number, migration.name
            )
        await driver.execute("DELETE FROM breaker; DELETE FROM audit_end")
        await driver.execute("INSERT INTO meta (name, value) VALUES ('seal', $1)", seal)
        yield PostgresTarget(driver)
        if await driver.execute("COMMIT") != "COMMIT":
            raise TransferFailed(f"The database {target.name} has undone everything; nothing is in it.")
        await driver.execute("ANALYZE")


@contextlib.asynccontextmanager
async def _connected(target: Target) -> AsyncGenerator[_Driver]:
    """A connection that keeps no statements, so that it may lead through a pooler too."""
    try:
        driver: _Driver = await cast(Any, asyncpg).connect(
            target.url, timeout=CONNECT_PATIENCE, statement_cache_size=0, command_timeout=None
        )
        try:
            yield driver
            await driver.close()
        finally:
            driver.terminate()
    except (failures.PostgresError, failures.InterfaceError, failures.InternalClientError, OSError) as error:
        raise unavailable(error) from error


async def _check(driver: _Driver, target: Target) -> None:
    ours = await driver.fetchval("SELECT to_regclass('migration') IS NOT NULL AND to_regclass('meta') IS NOT NULL")
    if not ours:
        raise StoreRefused(f"There is no installation in the database {target.name}.")
    version, newest = await driver.fetchval("SELECT max(number) FROM migration"), read_migrations("postgres")[-1].number
    if version != newest:
        raise StoreRefused(
            f"The database {target.name} is of version {version or 0}, and this program of version {newest}:"
            " use the Corral that serves it, or serve it with this one once."
        )


async def _facts(driver: _Driver, target: Target) -> Facts:
    seal = await driver.fetchval("SELECT value FROM meta WHERE name = 'seal'")
    if seal is None:
        raise StoreRefused(f"The database {target.name} has no check value of its sealing key.")
    counts: dict[str, int] = {}
    numbers: dict[str, int] = {}
    for table in TABLES:
        counts[table.name] = await driver.fetchval(f"SELECT count(*) FROM {table.name}")
        if table.numbered:
            sequence = _SEQUENCE.format(table.name, table.numbered)
            numbers[table.name] = await driver.fetchval(f"SELECT coalesce(pg_sequence_last_value({sequence}), 0)")
    return Facts(seal=seal, counts=counts, numbers=numbers)


def _storable(row: Row) -> Row:
    """NUL, which PostgreSQL has no place for in a text, becomes U+FFFD."""
    return tuple(value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in row)


def _said(error: Exception) -> str:
    """The server's message alone: its detail holds values."""
    return " ".join(str(getattr(error, "message", None) or type(error).__name__).split())
