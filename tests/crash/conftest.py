"""What services that are killed keep their data in."""

import pytest

from postgres_server import each_database

database = pytest.fixture(params=["postgres", "sqlite"])(each_database)
