"""Which migrations a database needs, and what is refused."""

import re

import pytest

from corral.store.errors import StoreRefused
from corral.store.migrations import Migration, pending, read_migrations

THREE = tuple(Migration(number, f"step_{number}", f"-- {number}") for number in (1, 2, 3))


def test_those_that_are_missing_come_in_order() -> None:
    assert pending(THREE, 0) == THREE
    assert pending(THREE, 2) == THREE[2:]
    assert pending(THREE, 3) == ()


def test_a_newer_database_is_refused_in_one_line() -> None:
    with pytest.raises(StoreRefused, match=r"version 4.*up to 3: use the newer Corral") as refusal:
        pending(THREE, 4)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("back_end", ["postgres", "sqlite"])
def test_the_files_of_a_back_end_are_numbered_from_one(back_end: str) -> None:
    found = read_migrations(back_end)
    assert [each.number for each in found] == list(range(1, len(found) + 1))
    assert found[0].name == "start"
    assert all(re.search(r"\bCREATE TABLE device\b", each.sql) for each in found[:1])
