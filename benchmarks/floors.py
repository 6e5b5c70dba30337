"""Floors: what the same machine does in the same minute when there is next to nothing to do."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, cast

import uvloop

from benchmarks.load import Job, LoadGenerator, Played, Script
from benchmarks.processes import child, usage, wait_for_port
from corral.cli.process import free_port
from corral.http.asgi import Receive, Scope, Send, read_body, response
from corral.http.server import Listener, open_tcp, serve

_ECHO: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
_MOST_BODY: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Floor:
    """Requests a second, and the CPU milliseconds a request of whom the floor is about: the processes that answer, or
    of the echo the load generator."""

    rate: float
    cpu_ms: float


def echo(generator: LoadGenerator, scripts: Sequence[Script], seconds: float, clients: int) -> Floor:
    """The load generator's own cost, with requests of one size."""
    port, size = free_port(), len(scripts[0][0][0])
    same = [script for script in scripts if len(script[0][0]) == size]
    with child(serve_echo, port, size):
        wait_for_port(port)
        played = generator.play_now(Job(port, same[:1], 10**9, seconds, clients))
    return Floor(played.rate, played.cpu * 1000 / played.requests)


def bare_route(
    generator: LoadGenerator, scripts: Sequence[Script], seconds: float, clients: int, processes: int = 1
) -> Floor:
    """The same requests, answered by so many processes at one port."""
    with ExitStack() as stack:
        port, pids = serve_bare_routes(stack, processes)
        generator.play_now(Job(port, scripts, 10**9, seconds / 4, clients))
        before = sum(usage(pid).cpu for pid in pids)
        played: Played = generator.play_now(Job(port, scripts, 10**9, seconds, clients))
        cpu = sum(usage(pid).cpu for pid in pids) - before
    return Floor(played.rate, cpu * 1000 / played.requests)


def serve_bare_routes(stack: ExitStack, processes: int) -> tuple[int, list[int]]:
    """Until the end of the stack; returns the port and the processes' ids."""
    port = free_port()
    children = [stack.enter_context(child(serve_bare_route, port, processes > 1)) for _ in range(processes)]
    wait_for_port(port)
    # The others listen a moment later.
    time.sleep(0.5 if processes > 1 else 0)
    return port, [each.pid for each in children if each.pid is not None]


def serve_bare_route(port: int, shared: bool = False) -> None:
    """The service's own HTTP server over one constant answer: no routing, no certificate, no database. `shared`:
    several processes at one port, as with `--workers`."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve([Listener(_bare, open_tcp(f"127.0.0.1:{port}", shared=shared))], _nothing, _nothing, _nothing))


async def _bare(scope: Scope, receive: Receive, send: Send) -> None:
    await read_body(scope, receive, _MOST_BODY)
    for message in response(200, b"", b""):
        await send(message)


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
