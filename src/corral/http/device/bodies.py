"""Bodies on their way in: who takes his time over one makes room for others when there is none left."""

import asyncio
from typing import Any

from corral.http.asgi import Receive, Scope, read_body

PATIENCE = 10.0
"""Seconds that a body may take with everybody else waiting; with room for all it may take as long as it likes."""


class MadeRoom(Exception):
    """This request was still being sent when others had no room: 408."""


class Bodies:
    """Reads bodies, and knows which are the slowest.

    Without it a stranger who begins as many requests as are served at once, and ends none, would shut devices out.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._since: dict[asyncio.Task[Any], float] = {}

    async def read(self, scope: Scope, receive: Receive, limit: int) -> bytes:
        """The whole body; raises MadeRoom, and what `read_body` raises."""
        task = asyncio.current_task()
        assert task is not None
        self._since[task] = asyncio.get_running_loop().time()
        try:
            return await read_body(scope, receive, limit)
        except asyncio.CancelledError:
            if task in self._since:
                raise
            task.uncancel()
            raise MadeRoom from None
        finally:
            self._since.pop(task, None)

    def make_room(self) -> bool:
        """End the reading that has gone on for longest, if that is longer than anybody should have to wait."""
        slowest = next(iter(self._since), None)
        if slowest is None or asyncio.get_running_loop().time() - self._since[slowest] < self._patience:
            return False
        del self._since[slowest]
        slowest.cancel()
        return True
