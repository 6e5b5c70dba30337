"""What people ask, and what they are told where that goes too far."""

from typing import Any, cast

import pytest

from corral.service.errors import RequestRefused
from corral.service.inventory.looking import Inventory, columns_of
from corral.store.directory import Directory
from corral.store.errors import TakesTooLong
from corral.store.inventory import InventoryStore
from service.fakes import Clock


class Slow:
    """Of whom every question asks too much."""

    async def select(self, *_: object, **__: object) -> tuple[str, ...]:
        raise TakesTooLong

    async def count(self, *_: object, **__: object) -> int:
        raise TakesTooLong


@pytest.mark.parametrize("ask", ["page", "count", "connected", "among"])
async def test_a_question_that_takes_too_long_is_refused(ask: str) -> None:
    asked: dict[str, tuple[Any, ...]] = {"page": ("", 10), "count": (), "connected": (10,), "among": (["D1"],)}
    inventory = Inventory(cast(InventoryStore, Slow()), cast(Directory, None), Clock())
    with pytest.raises(RequestRefused, match="takes too long to answer; narrow it"):
        await getattr(inventory, ask)("name ~ x", *asked[ask])


def test_a_column_is_a_field_of_the_device() -> None:
    assert columns_of("Serial, name,serial") == ("serial", "name")
    with pytest.raises(RequestRefused, match="A device has many of app, and no column for app"):
        columns_of("serial,app.version")
    with pytest.raises(RequestRefused, match="'size' is no attribute; `corral inventory attributes` lists them"):
        columns_of("size")
