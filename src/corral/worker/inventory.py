"""Has answers taken into the inventory soon after they came, and looks by itself now and then."""

import asyncio
import contextlib

from corral.logs import lines
from corral.service.inventory.taking_in import TakingIn
from corral.store.errors import StoreUnavailable
from corral.store.events import EVENT

REST = 0.2
"""Seconds between two turns: what comes in between goes together."""
LONGEST_SLEEP = 5.0
"""Seconds after which it looks again even if nobody has called: at what a process left that died, for example."""
AFTER_FAILURE = 2.0


class InventoryKeeper:
    """Runs until cancelled."""

    def __init__(self, taking_in: TakingIn) -> None:
        self._taking_in = taking_in

    def wake(self, kind: str) -> None:
        """Called after a commit: whatever began a life has written an event."""
        if kind == EVENT:
            self._taking_in.heard()

    async def run(self) -> None:
        news = self._taking_in.news
        while True:
            news.clear()
            wait = LONGEST_SLEEP
            try:
                if await self._taking_in.turn():
                    wait = 0.0
            except StoreUnavailable as error:
                lines.inventory_store_unavailable(why=str(error))
                wait = AFTER_FAILURE
            except Exception:
                lines.inventory_failed()
            await asyncio.sleep(REST)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await news.wait()
