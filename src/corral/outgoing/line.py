"""One connection to one host, over which one request at a time is made (HTTP/1.1, RFC 9112).

A few hundred requests a second go through this, so it is httptools' parser over a stream and nothing else.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

import httptools

from corral.outgoing.addresses import Address
from corral.outgoing.failure import LineClosed, OutgoingError

_MOST_HEAD = 64 * 1024
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL names: `host` as TLS and the resolver want it, `authority` for the Host header."""

    host: str
    port: int
    authority: str
    path: str = field(repr=False)  # secrets are put into paths and queries


class Line:
    """Made by `open_line`. After an error it is good for nothing more; the caller closes it."""

    def __init__(self, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._target = target
        self._reader = reader
        self._writer = writer
        self._used = False

    async def request(self, method: str, headers: Mapping[str, str], body: bytes, most_body: int) -> tuple[Reply, bool]:
        """The reply, and whether the connection can be used again. Raises OutgoingError, LineClosed and OSError."""
        self._writer.write(_head(self._target, method, headers, len(body)) + body)
        await self._writer.drain()
        answer = _Answer(self._target.host, most_body)
        kept, self._used = self._used, True
        while not answer.complete:
            data = await self._reader.read(_CHUNK)
            if not data:
                if kept and not answer.begun:
                    raise LineClosed
                answer.end()
                break
            answer.feed(data)
        return answer.reply(), answer.may_go_on

    def close(self) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            self._writer.close()


async def open_line(target: Target, address: Address, tls: ssl.SSLContext) -> Line:
    """Raises OSError, ssl.SSLError among it."""
    reader, writer = await asyncio.open_connection(
        str(address), target.port, ssl=tls, server_hostname=target.host, limit=_CHUNK
    )
    return Line(target, reader, writer)


def _head(target: Target, method: str, headers: Mapping[str, str], size: int) -> bytes:
    given = {"host": target.authority, "accept-encoding": "identity", **headers}
    if size or method != "GET":
        given["content-length"] = str(size)
    lines = [f"{method} {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    head = "\r\n".join(lines)
    if head.count("\r") != len(lines) - 1 or head.count("\n") != len(lines) - 1:
        raise OutgoingError(f"A header for {target.host} has a line break.")
    return head.encode("latin-1") + b"\r\n\r\n"


class _Answer:
    """Takes bytes until a reply is whole; the methods `on_...` are called by the parser."""

    def __init__(self, host: str, most_body: int) -> None:
        self._host = host
        self._most_body = most_body
        self._parser = httptools.HttpResponseParser(self)
        self._head = 0
        self._size = 0
        self._in_body = False
        self._headers: dict[str, str] = {}
        self._chunks: list[bytes] = []
        self.complete = False
        self.may_go_on = False

    @property
    def begun(self) -> bool:
        return self._head > 0

    def feed(self, data: bytes) -> None:
        if not self._in_body:
            self._head += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if self._size > self._most_body:
                raise self._too_much() from None
            raise OutgoingError(f"{self._host} cannot be called: what it answers is not HTTP/1.1.") from None
        if self._size > self._most_body:
            raise self._too_much()
        if not self._in_body and self._head > _MOST_HEAD:
            raise OutgoingError(f"{self._host} answers with more than {_MOST_HEAD} bytes of headers.")

    def end(self) -> None:
        """The connection is closed: fine for a body whose length was not told."""
        told = self._headers.keys() & {"content-length", "transfer-encoding"}
        if not self._in_body or told:
            raise OutgoingError(f"{self._host} cannot be called: it closed the connection before its answer was whole.")

    def reply(self) -> Reply:
        return Reply(self._parser.get_status_code(), self._headers, b"".join(self._chunks))

    def on_message_begin(self) -> None:
        if self.complete:  # something follows that nobody has asked for
            self.may_go_on = False
            raise OutgoingError(f"{self._host} answers more than it is asked.")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        self._in_body = self._parser.get_status_code() >= 200

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size <= self._most_body:
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        if self._in_body:
            self.complete = True
            self.may_go_on = self._parser.should_keep_alive()
        else:
            self._headers = {}  # 100 Continue and its like: the reply itself follows

    def _too_much(self) -> OutgoingError:
        return OutgoingError(f"{self._host} answers with more than {self._most_body} bytes.")
