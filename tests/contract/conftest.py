"""Every back-end goes through the same tests: `home` is a fresh database, `store` is that database opened."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import pytest

from contract.values import enrolled
from corral.sealing import Sealer
from corral.store.devices import Committed
from corral.store.sqlite import open_sqlite
from corral.store.store import Store


class Home(Protocol):
    """A database that can be closed and opened again."""

    def open(self) -> AbstractAsyncContextManager[Store]: ...

    def raw(self) -> bytes:
        """All that lies on disk now of what is kept, as bytes."""
        ...


class SqliteHome:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "corral.db"
        self._sealer = Sealer([b"sealing key of the contract test"])

    def open(self) -> AbstractAsyncContextManager[Store]:
        return open_sqlite(self._path, self._sealer, create=not self._path.exists())

    def raw(self) -> bytes:
        log = self._path.with_name(self._path.name + "-wal")
        return self._path.read_bytes() + (log.read_bytes() if log.exists() else b"")


HOMES: dict[str, Callable[[Path], Home]] = {"sqlite": SqliteHome}


@pytest.fixture(params=sorted(HOMES))
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    return HOMES[request.param](tmp_path)


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
