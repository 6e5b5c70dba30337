from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from e2e.installation import Installation, Template, installation, make_template

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for all, so that they can share a running service."""
    shared = pytest.mark.asyncio(loop_scope="session")
    for item in items:
        if item.path.is_relative_to(HERE) and pytest_asyncio.is_async_test(item):
            item.add_marker(shared, append=False)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return make_template(tmp_path_factory.mktemp("template"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def corral(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Installation]:
    """The service that most tests share: each with devices of its own."""
    async with installation(template, tmp_path_factory.mktemp("shared")) as made:
        yield made


Start = Callable[..., Awaitable[Installation]]


@pytest_asyncio.fixture(loop_scope="session")
async def start(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Start]:
    """Starts installations of a test's own: `await start({"CORRAL_ON_RESTORE": "refuse"})`."""
    async with AsyncExitStack() as stack:

        async def begin(settings: dict[str, str] | None = None, **options: bool) -> Installation:
            folder = tmp_path_factory.mktemp("own")
            return await stack.enter_async_context(installation(template, folder, settings, **options))

        yield begin
