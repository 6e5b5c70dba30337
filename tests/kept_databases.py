"""Databases with an installation's tables, made once: to empty or to copy one costs a tenth of making it."""

import asyncio
import contextlib
import functools
import tempfile
from collections import defaultdict
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from corral.sealing import Sealer
from corral.store.postgres import open_postgres
from corral.store.sqlite import open_sqlite
from corral.store.store import Store
from postgres_server import execute, fresh_database

_KEEP = """
CREATE SCHEMA fresh;
DO $$
DECLARE name text; filled boolean;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', name) INTO filled;
        IF filled THEN
            EXECUTE format('CREATE TABLE fresh.%I AS TABLE public.%I', name, name);
        END IF;
    END LOOP;
END $$
"""
"""Remembers what the tables hold from the beginning."""

_EMPTY = """
SET session_replication_role = replica;
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid();
DO $$
DECLARE name text; filled boolean;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', name) INTO filled;
        IF filled THEN
            EXECUTE format('DELETE FROM public.%I', name);
        END IF;
    END LOOP;
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'fresh' LOOP
        EXECUTE format('INSERT INTO public.%I OVERRIDING SYSTEM VALUE SELECT * FROM fresh.%I', name, name);
    END LOOP;
    FOR name IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL LOOP
        EXECUTE format('ALTER SEQUENCE public.%I RESTART', name);
    END LOOP;
END $$
"""
"""Whoever is still connected goes first, then rows in any order (foreign keys are not looked at in this session)."""

_idle: defaultdict[bytes, list[str]] = defaultdict(list)
_all = contextlib.ExitStack()


def drop_kept_databases() -> None:
    """At the end of all tests that use them."""
    _idle.clear()
    _all.close()


@contextlib.contextmanager
def kept_database(sealing_key: bytes) -> Generator[str]:
    """The URL of a database as `open_postgres(create=True)` has made it with this key. Only its rows may be changed."""
    idle = _idle[sealing_key]
    url = idle.pop() if idle else _make(sealing_key)
    yield url
    execute(url, _EMPTY)
    idle.append(url)


def _make(sealing_key: bytes) -> str:
    url = _all.enter_context(fresh_database())
    with ThreadPoolExecutor(1) as thread:  # an event loop may run in this one
        thread.submit(asyncio.run, _open(url, sealing_key)).result()
    execute(url, _KEEP)
    return url


async def _open(url: str, sealing_key: bytes) -> None:
    async with open_postgres(url, Sealer([sealing_key]), create=True):
        pass


def fresh_sqlite(path: Path, sealing_key: bytes) -> AbstractAsyncContextManager[Store]:
    """A store over a new database at this path."""
    path.write_bytes(new_sqlite(sealing_key))
    return open_sqlite(path, Sealer([sealing_key]))


@functools.cache
def new_sqlite(sealing_key: bytes) -> bytes:
    """The file of a new database, which is made once: its migrations are as many commits."""

    async def make(path: Path) -> None:
        async with open_sqlite(path, Sealer([sealing_key]), create=True):
            pass

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as thread:
        path = Path(folder) / "corral.db"
        thread.submit(asyncio.run, make(path)).result()
        return path.read_bytes()
