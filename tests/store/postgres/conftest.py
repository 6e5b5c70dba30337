"""An empty database, and one with a store in it."""

from collections.abc import AsyncIterator, Generator

import pytest

from corral.sealing import Sealer
from corral.store.postgres import PostgresStore, open_postgres
from postgres_server import fresh_database


@pytest.fixture(scope="session")
def sealer() -> Sealer:
    return Sealer([b"sealing key of these store tests"])


@pytest.fixture
def url() -> Generator[str]:
    with fresh_database() as made:
        yield made


@pytest.fixture
async def store(url: str, sealer: Sealer) -> AsyncIterator[PostgresStore]:
    async with open_postgres(url, sealer, create=True) as opened:
        yield opened
