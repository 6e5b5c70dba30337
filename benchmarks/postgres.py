"""A PostgreSQL server of the run's own under the service, fully durable, with `pgbench` for its floors."""

import asyncio
import contextlib
import importlib
import os
import re
import subprocess
import time
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit, urlunsplit

import psutil
from tests.postgres_server import Server

from benchmarks.backend import DatabaseFloor, Rows, Statements
from corral.sealing import Sealer
from corral.store.postgres import open_postgres
from corral.store.store import Store

T = TypeVar("T")
_asyncpg: Any = importlib.import_module("asyncpg")  # it has no types

FLEET: Final = "corral_fleet"
FLOOR: Final = "corral_floor"
CLIENTS: Final = 64
_SETUP: Final = (
    "CREATE TABLE floor (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea NOT NULL);"
    "INSERT INTO floor (body) SELECT repeat('x', 100)::bytea FROM generate_series(1, 10000)"
)
_INSERT: Final = "INSERT INTO floor (body) VALUES (repeat('x', 1000)::bytea);\n"
_SELECT: Final = "\\set id random(1, 10000)\nSELECT body FROM floor WHERE id = :id;\n"
_LOUD: Final = {"log_statement": "'all'", "log_parameter_max_length": "0"}
_STATEMENT: Final = re.compile(r"LOG:  (?:statement|execute [^:]*): (.+)")


class Postgres:
    """`server` runs; it is the caller's to remove."""

    name = "PostgreSQL"

    def __init__(self, server: Server) -> None:
        self._server = server
        self._copies: dict[Path, str] = {}
        self._execute(f"CREATE DATABASE {FLEET}")

    def settings(self) -> Mapping[str, Any]:
        return {"database": self._url(FLEET)}

    def open_store(self, data: Path, sealer: Sealer) -> AbstractAsyncContextManager[Store]:
        return open_postgres(self._url(self._name(data)), sealer)

    def copy(self, data: Path, of: Path | None = None) -> Mapping[str, str]:
        name = self._copies[data] = f"{FLEET}_{len(self._copies) + 1}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {self._name(of)}")
        self._execute("VACUUM ANALYZE", name)
        return {"CORRAL_DATABASE": self._url(name)}

    def read(self, data: Path, query: str) -> list[Mapping[str, Any]]:
        async def act(connection: Any) -> list[Mapping[str, Any]]:
            return [dict(row) for row in await connection.fetch(query)]

        return self._apart(act, self._name(data))

    def fill(self, data: Path, tables: Iterable[Rows]) -> None:
        async def act(connection: Any) -> None:
            for rows in tables:
                await connection.copy_records_to_table(rows.table, columns=list(rows.columns), records=rows.values)
            await connection.execute("VACUUM ANALYZE")
            # What was loaded is written now, and not while something is measured.
            await connection.execute("CHECKPOINT")

        self._apart(act, self._name(data))

    @contextlib.contextmanager
    def counted_statements(self) -> Generator[Statements]:
        """From the server's log, without the values."""
        for setting, value in _LOUD.items():
            self._execute(f"ALTER SYSTEM SET {setting} = {value}")
        self._reload()
        statements, start = Statements(), self._server.log.stat().st_size
        try:
            yield statements
        finally:
            with self._server.log.open(encoding="utf-8", errors="replace") as log:
                log.seek(start)
                statements.said = _STATEMENT.findall(log.read())
            for setting in _LOUD:
                self._execute(f"ALTER SYSTEM RESET {setting}")
            self._reload()

    def _reload(self) -> None:
        self._execute("SELECT pg_reload_conf()")
        time.sleep(0.3)

    def _name(self, data: Path | None) -> str:
        return FLEET if data is None else self._copies.get(data, FLEET)

    def floors(self, folder: Path, seconds: float) -> tuple[DatabaseFloor, ...]:
        self._execute(f"CREATE DATABASE {FLOOR}")
        for statement in _SETUP.split(";"):
            self._execute(statement, FLOOR)
        return (
            DatabaseFloor(f"pgbench, one durable insert, {CLIENTS} clients", self._pgbench(folder, _INSERT, seconds)),
            DatabaseFloor(f"pgbench, one indexed select, {CLIENTS} clients", self._pgbench(folder, _SELECT, seconds)),
        )

    def commits(self, data: Path) -> int:
        """Transactions that have got a number, which reads do not: the next number that the server will give."""
        del data
        return self._fetch("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")

    def cpu(self) -> float:
        """Of the processes that run now: one that has ended meanwhile took its share along."""
        total = 0.0
        for process in psutil.Process(self._server.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def _pgbench(self, folder: Path, script: str, seconds: float) -> float:
        path = folder / "floor.sql"
        path.write_text(script)
        command = [
            *(str(self._server.program("pgbench")), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "1"),
            *("-T", str(max(1, round(seconds))), "-f", str(path), "-h", "127.0.0.1"),
            *("-p", str(self._server.port), "-U", "corral", FLOOR),
        ]
        environment = {**os.environ, "PGOPTIONS": ""}
        run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        found = re.search(r"tps = ([0-9.]+)", run.stdout)
        assert found is not None, run.stdout
        return float(found[1])

    def _url(self, database: str) -> str:
        return urlunsplit(urlsplit(self._server.url)._replace(path=f"/{database}"))

    def _execute(self, statement: str, database: str = "postgres") -> None:
        async def act(connection: Any) -> None:
            await connection.execute(statement)

        self._apart(act, database)

    def _fetch(self, statement: str) -> int:
        async def act(connection: Any) -> int:
            return int(await connection.fetchval(statement))

        return self._apart(act, "postgres")

    def _apart(self, act: Callable[[Any], Awaitable[T]], database: str) -> T:
        """With a connection in an event loop on a thread of its own, since one may run in this."""

        async def work() -> T:
            connection = await _asyncpg.connect(self._url(database))
            try:
                return await act(connection)
            finally:
                await connection.close()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, work()).result()
