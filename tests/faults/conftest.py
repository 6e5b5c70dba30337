from collections.abc import Generator
from pathlib import Path

import pytest

from postgres_server import Server, each_database

HERE = Path(__file__).parent

database = pytest.fixture(params=["postgres", "sqlite"])(each_database)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these are real processes, and harm that takes its time."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)


def own_server() -> Generator[Server]:
    """A database server of the test's own, which it may harm."""
    made = Server(durable=True)
    made.start()
    try:
        yield made
    finally:
        made.remove()


server = pytest.fixture(own_server)
