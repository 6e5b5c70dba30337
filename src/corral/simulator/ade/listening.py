"""Just enough of HTTP/1.1 over TLS for a stand-in: requests in, answers out, strictly framed and bounded."""

import asyncio
import contextlib
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

MAX_HEAD, MAX_BODY = 16 * 1024, 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """`target` is path and query; names of headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Listener:
    """Serves one function on a port of the loopback interface, in this event loop."""

    def __init__(self, answer: Callable[[Request], Awaitable[Response]]) -> None:
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, certificate_pem: bytes, key_pem: bytes) -> int:
        """Returns the port."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, ssl=_context(certificate_pem, key_pem), limit=MAX_HEAD
        )
        return self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while (request := await _read(reader)) is not None:
                await _write(writer, await self._answer(request))
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # a client that breaks off, or the stand-in's own end
        finally:
            self._tasks.discard(task)
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def _context(certificate_pem: bytes, key_pem: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # OpenSSL reads keys from files only: this one is readable by its owner alone, and gone at once.
    with tempfile.TemporaryDirectory(prefix="corral-") as folder:
        pair = Path(folder, "pair.pem")
        pair.touch(0o600)
        pair.write_bytes(certificate_pem + key_pem)
        context.load_cert_chain(pair)
    return context


async def _read(reader: asyncio.StreamReader) -> Request | None:
    """None where the client has closed. Raises ValueError for what is no request."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, target, version = first.split(" ")
    if version != "HTTP/1.1":
        raise ValueError("only HTTP/1.1 is spoken")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name.lower() in headers:
            raise ValueError("a header is malformed or comes twice")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", "0"))
    if "transfer-encoding" in headers or not 0 <= length <= MAX_BODY:
        raise ValueError("a body has a length, and a bounded one")
    return Request(method, target, headers, await reader.readexactly(length))


async def _write(writer: asyncio.StreamWriter, response: Response) -> None:
    headers = {"content-length": str(len(response.body)), **response.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {response.status} Stand-in\r\n{lines}\r\n".encode("latin-1") + response.body)
    await writer.drain()
