"""Requests that last, streams and long polls: only for as long as whoever has asked might ask again."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

from corral.store.errors import StoreUnavailable

T = TypeVar("T")

LOOKED_EVERY = 2.0
"""Seconds between two looks at whether they still may."""

Check: TypeAlias = Callable[[], Awaitable[None]]
"""Raises what a new request of the same kind would be refused with."""


async def watch(check: Check) -> None:
    """Returns never: raises what `check` does. That the database cannot be asked just now is no revocation."""
    while True:
        await asyncio.sleep(LOOKED_EVERY)
        with suppress(StoreUnavailable):
            await check()


async def as_long_as(check: Check, act: Coroutine[Any, Any, T]) -> T:
    """What `act` returns or raises; or what `check` raises meanwhile, and `act` is ended then."""
    acting, watching = asyncio.create_task(act), asyncio.create_task(watch(check))
    try:
        await asyncio.wait((acting, watching), return_when=asyncio.FIRST_COMPLETED)
        return await (acting if acting.done() else watching)  # pyright: ignore[reportReturnType] - it raises
    finally:
        for each in (acting, watching):
            each.cancel()
        await asyncio.gather(acting, watching, return_exceptions=True)
