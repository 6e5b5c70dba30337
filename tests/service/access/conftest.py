from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from corral.sealing import Sealer
from corral.store.sqlite import open_sqlite
from corral.store.store import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[Store]:
    async with open_sqlite(
        tmp_path / "corral.db", Sealer([b"the sealing key of access tests."]), create=True
    ) as opened:
        yield opened
