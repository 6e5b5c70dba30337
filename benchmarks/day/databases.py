"""The database under the day: a PostgreSQL server of its own, fully durable, or the embedded one."""

import contextlib
from collections.abc import Generator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import apsw
import asyncpg
import psutil

from corral.app import DATABASE
from corral.store.postgres.connecting import Target as Server
from corral.store.postgres.transfer import filling_postgres
from corral.store.sqlite.connecting import typed
from corral.store.sqlite.transfer import filling_sqlite
from corral.store.transfer import TABLES, Target

NAME = "corral_day"


@dataclass(frozen=True, slots=True)
class Rows:
    """Of one table: how many, and the bytes that they take with their indexes; 0 where that is not known."""

    count: int
    size: int


class Database(Protocol):
    name: str

    @property
    def environment(self) -> Mapping[str, str]:
        """Of the service."""
        ...

    def filling(self, seal: bytes) -> AbstractAsyncContextManager[Target]: ...

    async def size(self) -> int:
        """Bytes on disk."""
        ...

    async def tables(self) -> Mapping[str, Rows]: ...

    async def open_deliveries(self) -> int: ...

    def memory(self) -> int:
        """Bytes of processes of its own, what they share counted once."""
        ...


class Embedded:
    name = "SQLite"
    environment: Mapping[str, str] = {}

    def __init__(self, data: Path) -> None:
        self._path = data / DATABASE

    def filling(self, seal: bytes) -> AbstractAsyncContextManager[Target]:
        return filling_sqlite(self._path, seal)

    async def size(self) -> int:
        return sum(each.stat().st_size for each in self._path.parent.glob(f"{DATABASE}*"))

    async def tables(self) -> Mapping[str, Rows]:
        return {table.name: Rows(self._count(f"SELECT count(*) FROM {table.name}"), 0) for table in TABLES}  # noqa: S608

    async def open_deliveries(self) -> int:
        return self._count("SELECT count(*) FROM delivery WHERE state = 'open'")

    def memory(self) -> int:
        return 0

    def _count(self, question: str) -> int:
        connection = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            row = typed(connection).execute(question).fetchone()
            return row[0] if row else 0
        finally:
            connection.close()


class Postgres:
    """Its vacuum is hurried as much as everything else: it looks after the tables every second, without rests."""

    name = "PostgreSQL"

    def __init__(self, url: str, pid: int) -> None:
        self._url = urlunsplit(urlsplit(url)._replace(path=f"/{NAME}"))
        self._pid = pid

    @property
    def environment(self) -> Mapping[str, str]:
        return {"CORRAL_DATABASE": self._url}

    def filling(self, seal: bytes) -> AbstractAsyncContextManager[Target]:
        return filling_postgres(Server(self._url), seal)

    async def size(self) -> int:
        return (await self._fetch(f"SELECT pg_database_size('{NAME}')"))[0][0]

    async def tables(self) -> Mapping[str, Rows]:
        found: dict[str, Rows] = {}
        for table in TABLES:
            question = f"SELECT (SELECT count(*) FROM {table.name}), pg_total_relation_size('{table.name}')"  # noqa: S608
            found[table.name] = Rows(*(await self._fetch(question))[0])
        return found

    async def open_deliveries(self) -> int:
        return (await self._fetch("SELECT count(*) FROM delivery WHERE state = 'open'"))[0][0]

    def memory(self) -> int:
        total = 0
        for process in psutil.Process(self._pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += process.memory_full_info().pss
        return total

    async def _fetch(self, question: str) -> list[Any]:
        driver: Any = asyncpg
        connection = await driver.connect(self._url)
        try:
            return await connection.fetch(question)
        finally:
            await connection.close()


_HURRIED = {
    "shared_buffers": "512MB",
    "max_wal_size": "2GB",
    "autovacuum_naptime": "1s",
    "autovacuum_vacuum_cost_delay": "0",
}


@contextlib.contextmanager
def running(name: str, data: Path) -> Generator[Database]:
    if name == "sqlite":
        yield Embedded(data)
        return
    # The tests know how to bring up a server; who measures the embedded database needs none of it.
    from tests.postgres_server import Server as OwnServer
    from tests.postgres_server import execute

    server = OwnServer(durable=True, settings=_HURRIED)
    try:
        server.start()
        execute(server.url, f"CREATE DATABASE {NAME}")
        yield Postgres(server.url, server.pid)
    finally:
        server.remove()
