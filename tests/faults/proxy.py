"""A TCP proxy that a test has in its hand: it cuts, slows and holds connections, or sends them elsewhere."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends RST."""
_PIECE = 65536


class Proxy:
    """Connections go to the `targets` (ports) in turn, past those that nobody listens at.

    `delay` is how many seconds all takes in each direction; while `held` nothing passes and nobody is told.
    """

    def __init__(self, *targets: int) -> None:
        self.targets: Sequence[int] = targets
        self.port = 0
        self.delay = 0.0
        self._passing = asyncio.Event()
        self._passing.set()
        self._turn = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._served: set[asyncio.Task[None]] = set()

    def hold(self) -> None:
        self._passing.clear()

    def heal(self) -> None:
        """Let everything pass again, at once."""
        self.delay = 0.0
        self._passing.set()

    def cut(self) -> int:
        """Reset every connection that there is now, in both directions; how many there were."""
        cut = list(self._open)
        for writer in cut:
            _reset(writer)
        return len(cut) // 2

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator["Proxy"]:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
            self._served.add(task)
            task.add_done_callback(self._served.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._served:
                task.cancel()
            await asyncio.gather(*self._served, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await self._connect()
        if there is None:
            _reset(writer)
            return
        further, back = there
        ends = {writer, back}
        self._open |= ends
        ways = [asyncio.ensure_future(each) for each in (self._pass(reader, back), self._pass(further, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open -= ends
            for way in ways:
                way.cancel()
            for end in ends:
                end.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in self.targets:
            self._turn += 1
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", self.targets[self._turn % len(self.targets)])
        return None

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until either end is gone, and what it said before that has arrived."""
        under_way = asyncio.Queue[tuple[float, bytes]](64)
        carrying = asyncio.ensure_future(self._carry(under_way, writer))
        try:
            with contextlib.suppress(OSError):
                while piece := await reader.read(_PIECE):
                    await under_way.put((time.monotonic() + self.delay, piece))
            await under_way.put((0, b""))
            await carrying
        finally:
            carrying.cancel()

    async def _carry(self, under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        gone = False
        while (there := await under_way.get())[1]:
            due, piece = there
            await asyncio.sleep(due - time.monotonic())
            await self._passing.wait()
            if not gone:
                try:
                    writer.write(piece)
                    await writer.drain()
                except OSError:
                    gone = True


def _reset(writer: asyncio.StreamWriter) -> None:
    sock: socket.socket | None = writer.get_extra_info("socket")
    if sock is not None and not writer.is_closing():
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
