import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from e2e.installation import Installation, Template, installation, make_template, over_database
from postgres_server import fresh_database

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
async def over_sqlite(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Installation]:
    async with installation(template, tmp_path_factory.mktemp("shared")) as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def over_postgres(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Installation]:
    with fresh_database() as url:
        folder = tmp_path_factory.mktemp("shared-postgres")
        own = await asyncio.to_thread(over_database, template, folder / "template", url)
        async with installation(own, folder) as made:
            yield made


@pytest.fixture
def corral(over_sqlite: Installation) -> Installation:
    """The service that most tests share: each with devices of its own."""
    return over_sqlite


DATABASES = ("postgres", "sqlite")


def over_each(request: pytest.FixtureRequest) -> Installation:
    """To be made a fixture over DATABASES: the shared service over each, for modules of what databases decide."""
    return request.getfixturevalue(f"over_{request.param}")


Start = Callable[..., Awaitable[Installation]]


@pytest_asyncio.fixture(loop_scope="session")
async def start(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Start]:
    """Starts installations of a test's own: `await start({"CORRAL_ON_RESTORE": "refuse"})`."""
    async with AsyncExitStack() as stack:

        async def begin(settings: dict[str, str] | None = None, **options: bool) -> Installation:
            folder = tmp_path_factory.mktemp("own")
            return await stack.enter_async_context(installation(template, folder, settings, **options))

        yield begin
