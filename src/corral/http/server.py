"""Listens: several addresses in one process, TLS that can be reloaded, and a stop that lets answers finish."""

import asyncio
import contextlib
import os
import signal
import socket
import ssl
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from corral.http.asgi import App
from corral.http.protocol import DeviceProtocol, LocalProtocol

GRACE = 20
"""Seconds that requests under way get at a stop."""


class ListenError(OSError):
    """An address cannot be listened on; the message names it."""


@dataclass(frozen=True, slots=True)
class SocketFile:
    """A Unix socket's file as this process made it: another process may put its own in the same place."""

    path: Path
    number: int
    made_at: int

    @classmethod
    def at(cls, path: Path) -> "SocketFile":
        found = path.stat()
        return cls(path, found.st_ino, found.st_ctime_ns)

    def remove(self) -> None:
        """Unless it is gone, or not this process's any more."""
        with contextlib.suppress(FileNotFoundError):
            # The number alone says too little: a file system gives it to the next file as soon as it is free.
            if SocketFile.at(self.path) == self:
                self.path.unlink()


@dataclass(frozen=True, slots=True)
class Listener:
    app: App
    socket: socket.socket
    tls: ssl.SSLContext | None = None
    local: bool = False


def open_tcp(address: str, *, shared: bool = False) -> socket.socket:
    """A listening socket for `HOST:PORT` or `[IPv6]:PORT`; `shared` with other processes, which the kernel balances."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind((host, int(port)))
        opened.set_inheritable(True)
    except (OSError, ValueError, OverflowError) as error:
        opened.close()
        raise ListenError(f"Cannot listen on {address}: {error}.") from None
    return opened


def open_unix(path: Path) -> tuple[socket.socket, SocketFile]:
    """A listening Unix socket that only the owner of this process can open, and its file; one left over is replaced."""
    if len(os.fsencode(path)) > 100:
        raise ListenError(f"The path of the admin socket is too long for a Unix socket: {path}.")
    path.unlink(missing_ok=True)
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        opened.bind(str(path))
    except OSError as error:
        opened.close()
        raise ListenError(f"Cannot listen on {path}: {error}.") from None
    finally:
        os.umask(before)
    return opened, SocketFile.at(path)


class _Server(uvicorn.Server):
    """Signals are ours to handle, once for all listeners."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def serve(
    listeners: Sequence[Listener],
    started: Callable[[], None],
    reload: Callable[[], None],
    stopping: Callable[[], None],
) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP calls `reload`. Returns when requests under way are answered.

    `stopping` is called when the stop begins: whoever answers without end should end then.
    """
    servers = [_Server(_config(listener)) for listener in listeners]
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopping()
        for server in servers:
            if server.should_exit:
                server.force_exit = True
            server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, reload)
    try:
        async with asyncio.TaskGroup() as group:
            for server, listener in zip(servers, listeners, strict=True):
                group.create_task(server.serve(sockets=[listener.socket]))
            while not all(each.started or each.should_exit for each in servers):  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.005)
            started()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)


def _config(listener: Listener) -> uvicorn.Config:
    config = uvicorn.Config(
        listener.app,
        http=LocalProtocol if listener.local else DeviceProtocol,
        ws="none",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE,
        backlog=4096,
    )
    config.load()
    config.ssl = listener.tls
    return config
