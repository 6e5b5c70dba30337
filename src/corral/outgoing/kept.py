"""Connections that are kept for many calls of one URL.

They are for that URL's host alone, and none becomes old: the name is resolved and its address judged anew with each
new one.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from corral.outgoing.client import Outgoing, parse
from corral.outgoing.failure import LineClosed
from corral.outgoing.line import Line, Reply

OLDEST = 60.0
"""Seconds after which a connection is not used again."""


@dataclass(frozen=True, slots=True)
class _Kept:
    line: Line
    opened: float


class KeptLines:
    """As many connections as there are calls at one time."""

    def __init__(self, outgoing: Outgoing, url: str) -> None:
        """`url` is what is called. Raises OutgoingError for one that never is."""
        self._outgoing = outgoing
        self._target = parse(url)
        self._idle: list[_Kept] = []

    async def request(self, method: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """The answer, whatever its status. Raises OutgoingError."""
        async with self._outgoing.call(self._target):
            kept = self._take()
            if kept is not None:
                try:
                    return await self._over(kept, method, headers, body)
                except (LineClosed, ConnectionError):
                    pass  # it had been closed while it lay idle
            return await self._over(
                _Kept(await self._outgoing.open(self._target), time.monotonic()), method, headers, body
            )

    def close(self) -> None:
        for each in self._idle:
            each.line.close()
        self._idle.clear()

    async def _over(self, kept: _Kept, method: str, headers: Mapping[str, str], body: bytes) -> Reply:
        again = False
        try:
            reply, again = await self._outgoing.over(kept.line, method, headers, body)
        finally:
            if again:
                self._idle.append(kept)
            else:
                kept.line.close()
        return reply

    def _take(self) -> _Kept | None:
        """The last one that was used, if it is young enough; old ones are closed."""
        youngest = time.monotonic() - OLDEST
        for each in [each for each in self._idle if each.opened < youngest]:
            self._idle.remove(each)
            each.line.close()
        return self._idle.pop() if self._idle else None
