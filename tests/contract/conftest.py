"""Every back-end goes through the same tests: `home` is a database as a new one, `store` is that database opened."""

from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from contract.values import enrolled
from corral.sealing import Sealer
from corral.store.devices import Committed
from corral.store.postgres import Pooler, open_postgres
from corral.store.sqlite import open_sqlite
from corral.store.store import Store
from kept_databases import drop_kept_databases, kept_database, new_sqlite
from pgbouncer import pooled
from postgres_server import dump


class Home(Protocol):
    """A database that can be closed and opened again."""

    def open(self) -> AbstractAsyncContextManager[Store]: ...

    def raw(self) -> bytes:
        """All that lies on disk now of what is kept, as bytes."""
        ...


SEALING_KEY = b"sealing key of the contract test"


class SqliteHome:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "corral.db"
        self._sealer = Sealer([SEALING_KEY])
        self._path.write_bytes(new_sqlite(SEALING_KEY))

    def open(self) -> AbstractAsyncContextManager[Store]:
        return open_sqlite(self._path, self._sealer)

    def raw(self) -> bytes:
        log = self._path.with_name(self._path.name + "-wal")
        return self._path.read_bytes() + (log.read_bytes() if log.exists() else b"")


class PostgresHome:
    def __init__(self, url: str, pooler: Pooler = "none", pooled_url: str | None = None) -> None:
        self._url = url
        self._pooler: Pooler = pooler
        self._through = pooled_url or url
        self._sealer = Sealer([SEALING_KEY])

    def open(self) -> AbstractAsyncContextManager[Store]:
        return open_postgres(self._through, self._sealer, pooler=self._pooler)

    def raw(self) -> bytes:
        return dump(self._url)


@contextmanager
def _on_sqlite(folder: Path) -> Generator[Home]:
    yield SqliteHome(folder)


@contextmanager
def _on_postgres(_folder: Path) -> Generator[Home]:
    with kept_database(SEALING_KEY) as url:
        yield PostgresHome(url)


@contextmanager
def _through_pgbouncer(_folder: Path) -> Generator[Home]:
    with kept_database(SEALING_KEY) as url, pooled(url) as through:
        yield PostgresHome(url, "transaction", through)


HOMES: dict[str, Callable[[Path], AbstractContextManager[Home]]] = {
    "pgbouncer": _through_pgbouncer,
    "postgres": _on_postgres,
    "sqlite": _on_sqlite,
}


@pytest.fixture(scope="session", autouse=True)
def databases() -> Generator[None]:
    yield
    drop_kept_databases()


@pytest.fixture(params=sorted(HOMES))
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Home]:
    with HOMES[request.param](tmp_path) as made:
        yield made


@pytest.fixture
async def store(home: Home) -> AsyncIterator[Store]:
    async with home.open() as opened:
        yield opened


@pytest.fixture
async def fleet(store: Store) -> Store:
    """A store with devices D1, D2 and D3, each connected as C1, C2 and C3 under `cert 1`, `cert 2` and `cert 3`."""
    for number in (1, 2, 3):
        assert isinstance(await store.devices.commit(enrolled(number)), Committed)
    return store
