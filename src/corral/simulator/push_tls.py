"""The TLS server side of the push stand-in, over memory buffers.

asyncio's own TLS server hangs up on a bad client certificate without the alert that says why. Apple's service
sends it, and a client must be seen to understand it.
"""

import asyncio
import contextlib
import ssl
from typing import Final, cast

_CHUNK: Final = 256 * 1024
_HANDSHAKE: Final = 10.0  # seconds
_LINGER: Final = 1.0  # seconds


class TlsServer(asyncio.Protocol):
    """A subclass has `opened`, `received` and `closed` called, and calls `write`, `close` and `abort`."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._transport: asyncio.Transport | None = None
        self._open = False
        self._closing = False
        self._timer: asyncio.TimerHandle | None = None

    def opened(self, tls: ssl.SSLObject) -> None: ...
    def received(self, data: bytes) -> None: ...
    def closed(self) -> None: ...

    def write(self, data: bytes) -> None:
        if self._open and not self._closing and data:
            self._tls.write(data)
            self._flush()

    def close(self) -> None:
        """Say goodbye and read on until the client hangs up: a reset would destroy what it has not read."""
        if self._closing or self._transport is None:
            return
        if self._open:
            with contextlib.suppress(ssl.SSLError):  # the client's own goodbye is still to come
                self._tls.unwrap()
            self._flush()
        self._hang_up(self._transport)

    def abort(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._closing:
            self._transport.abort()
            return
        self._timer = asyncio.get_running_loop().call_later(_HANDSHAKE, transport.close)

    def data_received(self, data: bytes) -> None:
        if self._closing or self._transport is None:
            return
        self._incoming.write(data)
        try:
            if not self._open:
                self._tls.do_handshake()
                self._open = True
                if self._timer:
                    self._timer.cancel()
                self._flush()
                self.opened(self._tls)
            while not self._closing:
                plain = self._tls.read(_CHUNK)
                if not plain:
                    self.close()
                    return
                self.received(plain)
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLZeroReturnError:
            self.close()
        except ssl.SSLError:
            self._flush()  # the alert
            self._hang_up(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        if self._timer:
            self._timer.cancel()
        self.closed()

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data and self._transport is not None:
            self._transport.write(data)

    def _hang_up(self, transport: asyncio.Transport) -> None:
        self._closing = True
        if self._timer:
            self._timer.cancel()
        if not transport.is_closing():
            transport.write_eof()
            self._timer = asyncio.get_running_loop().call_later(_LINGER, transport.abort)
