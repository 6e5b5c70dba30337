"""The most memory of a site's processes while something goes on."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.questions.ground import MIB
from benchmarks.site import Site

EVERY = 0.05
"""Seconds between two looks."""


@dataclass(slots=True)
class Memory:
    """Resident bytes: before, at most meanwhile, and at the end."""

    before: int
    most: int
    after: int

    @property
    def growth(self) -> int:
        return self.most - self.before

    def text(self) -> str:
        """In megabytes."""
        return ", ".join(f"{each / MIB:.0f}" for each in (self.before, self.most, self.after))


@asynccontextmanager
async def watched(site: Site) -> AsyncGenerator[Memory]:
    """What it yields is filled until the end of the block."""
    start = site.usage().memory
    memory = Memory(start, start, start)

    async def watch() -> None:
        while True:
            memory.most = max(memory.most, site.usage().memory)
            await asyncio.sleep(EVERY)

    watching = asyncio.create_task(watch())
    try:
        yield memory
    finally:
        watching.cancel()
        memory.after = site.usage().memory
