from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from attacks import heard
from attacks.scene import Scene
from corral.simulator.http_connection import Connection
from corral.simulator.transport import Response
from e2e import wire
from e2e.conftest import start, template
from e2e.installation import Installation, Template, installation

__all__ = ["start", "template"]

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for all, so that they can share a running service."""
    shared = pytest.mark.asyncio(loop_scope="session")
    for item in items:
        if item.path.is_relative_to(HERE) and pytest_asyncio.is_async_test(item):
            item.add_marker(shared, append=False)


@pytest.fixture(autouse=True)
def listening(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is answered to an attack is kept, by whichever client it was made."""
    exchange, raw, replies = Connection.exchange, wire.raw, wire.replies

    async def heard_exchange(connection: Connection, message: bytes, seconds: float) -> Response:
        answer = await exchange(connection, message, seconds)
        heard.note(message, answer.status, answer.headers, answer.body)
        return answer

    async def heard_raw(at: Installation, request: bytes, **more: Any) -> wire.Reply:
        answer = await raw(at, request, **more)
        heard.note(request, answer.status, answer.headers, answer.body)
        return answer

    async def heard_replies(at: Installation, request: bytes, **more: Any) -> list[wire.Reply]:
        answers = await replies(at, request, **more)
        for each in answers:
            heard.note(request, each.status, each.headers, each.body)
        return answers

    monkeypatch.setattr(Connection, "exchange", heard_exchange)
    monkeypatch.setattr(wire, "raw", heard_raw)
    monkeypatch.setattr(wire, "replies", heard_replies)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def corral(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Installation]:
    """The service that most attacks go to: identities by signature, everything else as by default."""
    async with installation(template, tmp_path_factory.mktemp("attacked")) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(corral: Installation) -> Scene:
    return await Scene.of(corral)
