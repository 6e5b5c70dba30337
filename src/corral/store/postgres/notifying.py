"""Tells the workers of other processes that there is work, and hears from theirs.

Told after the commit, on a connection of its own, and never waited for: a notification inside a transaction would make
all commits go one after the other, and one that is lost costs only the time until a worker looks by itself.
Through a pooler nothing can be heard: there the workers are woken at intervals.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable

from corral.store.events import EVENT
from corral.store.postgres.connecting import Session, Target, connect

_CHANNEL = "corral_work"
_TELL = "SELECT pg_notify('corral_work', $1)"
_PAUSE = 0.02
"""Seconds between two rounds: what is told in between goes together."""
_SELDOM = {EVENT: 0.25}
"""Seconds between two rounds that tell of a kind which comes with nearly every change: who hears of it reads all that
has come since. (Fifty rounds a second cost token updates a tenth of their rate.)"""
_REST = 1.0
_POLL = 2.0
"""Seconds between two looks where nothing can be heard."""
_PATIENCE = 3.0


class Notifying:
    """`wake` is called for each kind of work that another process tells of."""

    def __init__(self, target: Target, wake: Callable[[str], None]) -> None:
        self._target = target
        self._wake = wake
        self._self = secrets.token_hex(4)
        self._untold: set[str] = set()
        self._not_before: dict[str, float] = {}
        self._known: set[str] = {"push", "push-later", "event", "webhook"}
        self._something = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    async def start(self) -> None:
        if self._target.pooler == "none":
            self._task = asyncio.get_running_loop().create_task(self._run())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await self._listening.wait()
        else:
            self._task = asyncio.get_running_loop().create_task(self._poll())

    def tell(self, kinds: set[str]) -> None:
        self._known |= kinds
        if self._target.pooler == "none":
            self._untold |= kinds
            self._something.set()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            session = None
            try:
                # Nothing is lost that matters, so nobody waits for the disk.
                session = await connect(
                    self._target,
                    patience=_PATIENCE,
                    settings={"synchronous_commit": "off", "application_name": "corral events"},
                )
                await session.listen(_CHANNEL, self._hear)
                self._wake_all()
                self._listening.set()
                await self._tell(session)
            except Exception:
                await asyncio.sleep(_REST)
            finally:
                if session is not None:
                    session.terminate()

    async def _tell(self, session: Session) -> None:
        while True:
            try:
                async with asyncio.timeout(_REST):
                    await self._something.wait()
            except TimeoutError:
                if session.is_closed:
                    return
                continue
            self._something.clear()
            kinds = self._take()
            if kinds:
                try:
                    await session.one(_TELL, " ".join([self._self, *kinds]))
                except BaseException:
                    self._untold |= set(kinds)
                    self._something.set()
                    raise
            await asyncio.sleep(_PAUSE)

    def _take(self) -> list[str]:
        """What is told now; of the rest it is seen to that it is."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        held = {kind for kind in self._untold if now < self._not_before.get(kind, now)}
        kinds, self._untold = sorted(self._untold - held), held
        self._not_before |= {kind: now + _SELDOM[kind] for kind in kinds if kind in _SELDOM}
        if held:
            loop.call_later(min(self._not_before[kind] for kind in held) - now, self._something.set)
        return kinds

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(_POLL)
            self._wake_all()

    def _hear(self, _connection: object, _process: int, _channel: str, payload: object) -> None:
        sender, *kinds = str(payload).split(" ")
        if sender != self._self:
            for kind in kinds:
                self._wake(kind)

    def _wake_all(self) -> None:
        """What was told while nobody listened."""
        for kind in sorted(self._known):
            self._wake(kind)
