from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from inprocess import Installation
from inprocess import installation as make


@pytest.fixture
async def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Installation]:
    monkeypatch.delenv("CORRAL_DATA", raising=False)
    async with make(tmp_path) as made:
        yield made
