"""Floors: what the same machine does in the same minute when there is next to nothing to do."""

import asyncio
from typing import Final, cast

import uvloop

from corral.http.asgi import Receive, Scope, Send, read_body, respond
from corral.http.server import Listener, open_tcp, serve

_ECHO: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
_MOST_BODY: Final = 1024 * 1024


def serve_bare_route(port: int) -> None:
    """The service's own HTTP server over one constant answer: no routing, no certificate, no database."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve([Listener(_bare, open_tcp(f"127.0.0.1:{port}"))], _nothing, _nothing))


async def _bare(scope: Scope, receive: Receive, send: Send) -> None:
    await read_body(scope, receive, _MOST_BODY)
    await respond(send, 200, b"", b"")


def _nothing() -> None:
    """Neither the start nor SIGHUP asks for anything."""


def serve_echo(port: int, size: int) -> None:
    """Answers each `size` bytes that arrive, unread: what remains is the load generator's own cost."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve_echo(port, size))


async def _serve_echo(port: int, size: int) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Echo(size), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


class _Echo(asyncio.Protocol):
    def __init__(self, size: int) -> None:
        self._size = size
        self._come = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._come += len(data)
        if self._come >= self._size:
            self._come -= self._size
            assert self._transport is not None
            self._transport.write(_ECHO)
