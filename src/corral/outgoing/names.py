"""Looking names up, where a name server that hangs holds up nobody but who asks for that name.

The event loop would look up all names in the four threads that it has for that, those of Apple's push service among
them: one receiver's dead name server, and nobody was pushed.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import ip_address
from threading import Thread
from typing import Any, TypeAlias

LookUp: TypeAlias = Callable[[str, int], Sequence[str]]


def look_up(host: str, port: int) -> Sequence[str]:
    """All addresses of a name. Blocks; raises OSError, and UnicodeError for what cannot be a name."""
    return [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Names:
    """Each look-up has a thread of its own, and whoever asks for the same name meanwhile shares it.

    No look-up can be broken off: so there are never more threads than names that are called, and none of them holds
    up the end of the process.
    """

    def __init__(self, look_up: LookUp = look_up) -> None:
        self._look_up = look_up
        self._under_way: dict[tuple[str, int], asyncio.Future[Sequence[str]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """All addresses; an address is its own. Raises OSError, UnicodeError."""
        with contextlib.suppress(ValueError):
            return [str(ip_address(host))]
        key = host, port
        found = self._under_way.get(key)
        if found is None:
            found = self._begin(*key)
            self._under_way[key] = found
            found.add_done_callback(partial(self._end, key))
        return await asyncio.shield(found)

    def _begin(self, host: str, port: int) -> asyncio.Future[Sequence[str]]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Sequence[str]] = loop.create_future()

        def work() -> None:
            try:
                tell = partial(_settle, future, self._look_up(host, port), None)
            except (OSError, UnicodeError) as error:
                tell = partial(_settle, future, (), error)
            with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                loop.call_soon_threadsafe(tell)

        Thread(target=work, name="look-up", daemon=True).start()
        return future

    def _end(self, key: tuple[str, int], future: asyncio.Future[Any]) -> None:
        self._under_way.pop(key, None)
        if not future.cancelled():
            future.exception()  # has been seen, though nobody waits for it any more


def _settle(future: asyncio.Future[Sequence[str]], found: Sequence[str], error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(found)
    else:
        future.set_exception(error)
