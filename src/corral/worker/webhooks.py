"""Holds webhooks for this process, and serves each of them in a task of its own: one that hangs holds no other up."""

import asyncio
import contextlib
import secrets

from corral.lifecycle.state import SECOND
from corral.logs import lines
from corral.service.clock import Clock
from corral.service.webhooks.delivering import Delivering
from corral.store.errors import StoreUnavailable
from corral.store.events import EVENT
from corral.store.webhooks import WebhookStore

LEASE = 15 * SECOND
"""After so long without a word of its holder a webhook is taken over."""
MOST = 50
_REST = 0.05
"""Seconds between two turns where the first has left nothing: what happens in between goes together."""


class WebhookSender:
    """Runs until cancelled."""

    def __init__(self, store: WebhookStore, delivering: Delivering, clock: Clock, lease: int = LEASE) -> None:
        self._store = store
        self._delivering = delivering
        self._clock = clock
        self._lease = lease
        self._holder = secrets.token_hex(8)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._news: dict[str, asyncio.Event] = {}
        self._changed = asyncio.Event()

    def wake(self, kind: str) -> None:
        """Called after a commit that has written events, or changed a webhook."""
        if kind == EVENT:
            for each in self._news.values():
                each.set()
        elif kind == "webhook":
            self._changed.set()

    async def run(self) -> None:
        try:
            while True:
                self._changed.clear()
                try:
                    await self._hold()
                except StoreUnavailable as error:
                    lines.webhooks_store_unavailable(webhook="", why=str(error))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._lease / SECOND / 3):
                        await self._changed.wait()
                await asyncio.sleep(_REST)
        finally:
            for each in self._tasks.values():
                each.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            for name in self._tasks:
                self._delivering.forget(name)

    async def finish(self) -> None:
        """Let others have what was held, so that they need not wait for it."""
        with contextlib.suppress(StoreUnavailable):
            await self._store.release(self._holder, list(self._tasks))
        self._tasks.clear()

    async def _hold(self) -> None:
        """Keep what is held, give up what is another's by now or needs no more service, and take what is free."""
        now = self._clock()
        kept = await self._store.keep(self._holder, now + self._lease) if self._tasks else frozenset[str]()
        done = [name for name, task in self._tasks.items() if task.done()]
        for name in [name for name in self._tasks if name not in kept or name in done]:
            await self._drop(name)
        await self._store.release(self._holder, [name for name in done if name in kept])
        room = MOST - len(self._tasks)
        for name in await self._store.lease(self._holder, now, now + self._lease, room) if room else ():
            self._news[name] = asyncio.Event()
            self._tasks[name] = asyncio.get_running_loop().create_task(self._serve(name, self._news[name]))

    async def _drop(self, name: str) -> None:
        task = self._tasks.pop(name)
        self._news.pop(name, None)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        self._delivering.forget(name)

    async def _serve(self, name: str, news: asyncio.Event) -> None:
        """Until there is nothing to do there."""
        while True:
            news.clear()
            try:
                due = await self._delivering.turn(self._holder, name)
            except StoreUnavailable as error:
                lines.webhooks_store_unavailable(webhook=name, why=str(error))
                due = self._clock() + SECOND
            except Exception:
                lines.webhooks_failed(webhook=name)
                due = self._clock() + 5 * SECOND
            if due is None:
                self._changed.set()
                return
            wait = (due - self._clock()) / SECOND
            if wait > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await news.wait()
                await asyncio.sleep(_REST)
