"""The background of a process: pushes as they come due, webhooks, contacts once a second, sweeps now and then."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from corral.lifecycle.state import SECOND
from corral.logs import lines
from corral.service.clock import Clock
from corral.service.connections.sweeping import Sweeping
from corral.service.installation.retaining import Retaining
from corral.service.mdm.contacts import ContactBook
from corral.service.push.pushing import BATCH, Pushing
from corral.store.errors import StoreUnavailable
from corral.store.work import WorkStore
from corral.worker.inventory import InventoryKeeper
from corral.worker.webhooks import WebhookSender

PUSH_KINDS = ("push", "push-later")
SWEEP_EVERY = 30.0
"""Seconds between two sweeps, and two of each round."""
WATCH_EVERY = 2.0
"""Seconds after which a process sees what others have decided for all."""
FORGET_EVERY = 300.0
"""Seconds between two rounds of retention."""
LONGEST_SLEEP = 5.0
"""Seconds after which a worker looks again even if nobody woke it: work of another process's commit, for example."""


class Worker:
    """Runs until cancelled. A failure of one round is logged, and the next round comes."""

    def __init__(
        self,
        work: WorkStore,
        pushing: Pushing,
        sweeping: Sweeping,
        retaining: Retaining,
        contacts: ContactBook,
        clock: Clock,
        sweep_every: float = SWEEP_EVERY,
        rounds: Mapping[str, Callable[[], Awaitable[None]]] | None = None,
        watches: Mapping[str, Callable[[], Awaitable[None]]] | None = None,
        duties: Mapping[str, Callable[[], Awaitable[bool]]] | None = None,
        webhooks: WebhookSender | None = None,
        inventory: InventoryKeeper | None = None,
    ) -> None:
        """What else is done, by its name in the log: `rounds` as often as the sweeps, `watches` every WATCH_EVERY.

        `duties` do work of a kind as it comes due: each a batch of it, and says whether there may be more.
        """
        self._work = work
        self._pushing = pushing
        self._sweeping = sweeping
        self._retaining = retaining
        self._contacts = contacts
        self._clock = clock
        self._webhooks = webhooks
        self._inventory = inventory
        self._sweep_every = sweep_every
        self._rounds = rounds or {}
        self._watches = watches or {}
        self._duties = {**(duties or {}), **{kind: partial(self._push, kind) for kind in PUSH_KINDS}}
        self._woken = {kind: asyncio.Event() for kind in self._duties}

    def wake(self, kind: str) -> None:
        """Called after a commit that has put work of this kind."""
        if kind in self._woken:
            self._woken[kind].set()
        if self._webhooks is not None:
            self._webhooks.wake(kind)
        if self._inventory is not None:
            self._inventory.wake(kind)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for kind, act in self._duties.items():
                group.create_task(self._serve(kind, act))
            if self._webhooks is not None:
                group.create_task(self._webhooks.run())
            if self._inventory is not None:
                group.create_task(self._inventory.run())
            group.create_task(self._every(1.0, "contacts", self._contacts.flush))
            group.create_task(self._every(self._sweep_every, "sweep", self._sweeping.sweep))
            group.create_task(self._every(FORGET_EVERY, "retention", self._retaining.round))
            group.create_task(self._every(self._sweep_every, "certificates", self._pushing.load_certificates))
            for name, act in self._rounds.items():
                group.create_task(self._every(self._sweep_every, name, act))
            for name, act in self._watches.items():
                group.create_task(self._every(WATCH_EVERY, name, act))

    async def finish(self) -> None:
        """After the last answer: write what is gathered in memory, and let go of what is held."""
        try:
            await self._contacts.flush()
        except StoreUnavailable as error:
            lines.contacts_lost(why=str(error))
        if self._webhooks is not None:
            await self._webhooks.finish()

    async def _push(self, kind: str) -> bool:
        return await self._pushing.push_due(kind) >= BATCH

    async def _serve(self, kind: str, act: Callable[[], Awaitable[bool]]) -> None:
        """As it comes due."""
        woken = self._woken[kind]
        while True:
            woken.clear()
            try:
                while await act():
                    pass
                wait = await self._until_due(kind)
            except StoreUnavailable as error:
                lines.worker_store_unavailable(kind=kind, why=str(error))
                wait = 1.0
            except Exception:
                lines.worker_failed(kind=kind)
                wait = LONGEST_SLEEP
            try:
                async with asyncio.timeout(wait):
                    await woken.wait()
            except TimeoutError:
                pass

    async def _until_due(self, kind: str) -> float:
        due = await self._work.next_due(kind)
        if due is None:
            return LONGEST_SLEEP
        return min(max((due - self._clock()) / SECOND, 0.01), LONGEST_SLEEP)

    async def _every(self, seconds: float, name: str, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await act()
            except StoreUnavailable as error:
                lines.worker_store_unavailable(kind=name, why=str(error))
            except Exception:
                lines.worker_failed(kind=name)
