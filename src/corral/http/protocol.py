"""What uvicorn's HTTP protocol lacks for devices: the peer's certificate, and a bound on headers.

The only file that reaches into uvicorn; it is pinned to a minor version, and a test holds what is used here.
"""

import asyncio
import os
import socket
import struct
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADERS = 64 * 1024
"""Bytes of request line and headers. A signature with a chain of certificates takes some 10 KB of it, and older
SCEP clients put a message of 8 KB into the request line as well."""

PATIENCE = 30.0
"""Seconds that the head of a request may take, the first from when the connection is made; and between two looks at a
body that is on its way."""

LEAST = 16 * 1024
"""Bytes that a body brings between two looks (some 4 kbit/s), if not its end."""

LOCAL = "corral.local"
CLIENT_CERTIFICATE = "corral.client_certificate"


class DeviceProtocol(HttpToolsProtocol):
    """Puts `corral.client_certificate` (DER or None) into the scope's extensions, and answers 400 beyond the bound.

    Hangs up on who owes it something and does not send it, the rest of a head or of a body: such connections cost a
    stranger nothing, and a service its files.
    """

    _extensions: dict[str, Any]
    _size = 0
    _in_head = True
    _whole = False
    """Whether the request that began last has come to its end."""
    _brought = 0
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        self._extensions = {CLIENT_CERTIFICATE: certificate}
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._waiting is not None:
            self._brought += len(data)
        # Mostly a request comes in one piece, and then no timer is made for it.
        elif not self._whole or self._is_forgotten():
            self._wait()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._whole = False
        self._size = 0
        self.scope["extensions"] = self._extensions

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._wait_no_more()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._whole = True
        self._wait_no_more()
        super().on_message_complete()

    def _wait(self) -> None:
        self._brought = 0
        self._waiting = self.loop.call_later(PATIENCE, self._look)

    def _look(self) -> None:
        self._waiting = None
        if self._is_getting_on():
            self._wait()
        else:
            self.transport.close()

    def _is_getting_on(self) -> bool:
        """Whether a body comes that somebody still wants; that it is not read just now is not its sender's doing."""
        if self._in_head or self._whole or self.cycle.response_complete:
            return False
        return self._brought >= LEAST or self.flow.read_paused

    def _is_forgotten(self) -> bool:
        """Whether something that is no request, such as an empty line, has ended the wait for the next one."""
        return self.timeout_keep_alive_task is None and self.cycle.response_complete

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > MAX_HEADERS:
            # The parser turns it into its own error, which the base class answers with 400 and hangs up.
            raise ValueError("headers are larger than this service takes")


class LocalProtocol(DeviceProtocol):
    """For the Unix socket of the installation: marks requests as coming from its owner, and others as not.

    The socket's mode lets nobody else open it; the peer's user id is asked of the kernel all the same.
    """

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._extensions[LOCAL] = _peer_is_owner(transport)


def _peer_is_owner(transport: Any) -> bool:
    peer = transport.get_extra_info("socket")
    if peer is None or not hasattr(socket, "SO_PEERCRED"):
        return False
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    return user in (os.geteuid(), 0)
