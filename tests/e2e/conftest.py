from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, contextmanager
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
    folder = tmp_path_factory.mktemp("shared-postgres")
    with each_template("postgres", template, folder / "template") as own:
        async with installation(own, folder) as made:
            yield made


@pytest.fixture
def corral(over_sqlite: Installation) -> Installation:
    """The service that most tests share: each with devices of its own."""
    return over_sqlite


DATABASES = ("postgres", "sqlite")


@contextmanager
def each_template(kind: str, template: Template, folder: Path) -> Generator[Template]:
    """For an installation over a database of this kind."""
    if kind == "sqlite":
        yield template
    else:
        with fresh_database() as url:
            yield over_database(template, folder, url)


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
