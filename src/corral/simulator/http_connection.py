"""One client connection of HTTP/1.1: a request goes out, its answer comes back, then the next."""

import asyncio
from dataclasses import dataclass, field
from typing import Final, cast

import httptools

MOST_BODY: Final = 32 * 1024 * 1024
_MOST_HEADERS: Final = 64 * 1024


class Unreachable(Exception):
    """No answer was had; the message says from where and why."""


class Dropped(Unreachable):
    """The connection ended before any byte of the answer; `was_kept` if it had served a request before."""

    def __init__(self, message: str, was_kept: bool) -> None:
        super().__init__(message)
        self.was_kept = was_kept


@dataclass(frozen=True, slots=True)
class Response:
    """Header names are in lower case; of a header that comes twice the last counts."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)


class Connection(asyncio.Protocol):
    __slots__ = ("_body", "_headers", "_parser", "_served", "_size", "_transport", "_waiter", "usable")

    def __init__(self) -> None:
        self.usable = False
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Response] | None = None
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._served = 0

    async def exchange(self, message: bytes, seconds: float) -> Response:
        """Send a request and wait for its answer, so long at most.

        Raises Unreachable, after which the connection is of no more use.
        """
        transport = self._transport
        if transport is None or not self.usable:
            raise Dropped("the server closed the connection", self._served > 0)
        loop = asyncio.get_running_loop()
        self._waiter = waiter = loop.create_future()
        self._size = 0
        transport.write(message)
        timer = loop.call_later(seconds, self._fail, f"no answer within {seconds:g} s")
        try:
            return await waiter
        finally:
            timer.cancel()
            self._waiter = None
            self._served += 1

    def close(self) -> None:
        """Close at once; an exchange under way fails."""
        self._fail("the connection was closed")

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.usable = True

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            self._fail("the server spoke without being asked")
            return
        self._size += len(data)
        if self._size > MOST_BODY + _MOST_HEADERS:
            self._fail(f"an answer of more than {MOST_BODY} bytes")
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"an answer that is no HTTP: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        self._transport = None
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        why = f"the connection was lost: {exc}" if exc else "the server closed the connection"
        if self._size:
            waiter.set_exception(Unreachable(f"{why} in the middle of its answer"))
        else:
            waiter.set_exception(Dropped(why, self._served > 0))

    # -- httptools

    def on_message_begin(self) -> None:
        self._headers = {}
        self._body = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return
        waiter = self._waiter
        if waiter is None or waiter.done():
            self._shut(abort=True)  # one answer was asked for
            return
        if not self._parser.should_keep_alive():
            self._shut()
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        waiter.set_result(Response(status, self._headers, body))

    def _fail(self, why: str) -> None:
        self._shut(abort=True)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_exception(Unreachable(why))

    def _shut(self, *, abort: bool = False) -> None:
        self.usable = False
        if self._transport is not None:
            if abort:
                self._transport.abort()
            else:
                self._transport.close()
