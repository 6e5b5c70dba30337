"""One stand-in for Apple's push service before several processes of devices, which register over a socket.

A registration is a letter, the token (32 bytes) and the push magic (36 bytes); what comes back is a token that was
pushed to.
"""

import asyncio
from collections.abc import Callable
from typing import Final, cast

from benchmarks.processes import wait_for_port
from corral.simulator.push_certificates import StandInApple
from corral.simulator.push_service import PushService

TOKEN, MAGIC = 32, 36
FRAME: Final = 1 + TOKEN + MAGIC

REGISTER, UNREGISTER = b"r", b"u"


def serve_pushes(apple: bytes, topic: str, port: int, registry: int) -> None:
    """Until the process is ended: pushes at `port`, registrations at `registry`, both on loopback."""
    asyncio.run(_serve(StandInApple.from_pem(apple), topic, port, registry))


async def _serve(apple: StandInApple, topic: str, port: int, registry: int) -> None:
    push = PushService(apple)
    await push.start("127.0.0.1", port)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Registrations(push, topic), "127.0.0.1", registry)
    await server.serve_forever()


class _Registrations(asyncio.Protocol):
    """Those of one process of devices."""

    def __init__(self, push: PushService, topic: str) -> None:
        self._push = push
        self._topic = topic
        self._rest: bytes = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        whole = len(data) - len(data) % FRAME
        for start in range(0, whole, FRAME):
            letter, token = data[start : start + 1], data[start + 1 : start + 1 + TOKEN]
            if letter == REGISTER:
                magic = data[start + 1 + TOKEN : start + FRAME].decode("ascii")
                self._push.register(token, self._topic, magic, lambda token=token: self._wake(token))
            else:
                self._push.unregister(token)
        self._rest = data[whole:]

    def _wake(self, token: bytes) -> None:
        if self._transport is not None:
            self._transport.write(token)


class RemoteRegistry(asyncio.Protocol):
    """A `PushRegistry` for a World: devices here are woken by pushes there."""

    def __init__(self) -> None:
        self.delivered = 0
        self._wakes: dict[bytes, Callable[[], None]] = {}
        self._rest: bytes = b""
        self._transport: asyncio.WriteTransport | None = None

    @classmethod
    async def connect(cls, port: int) -> "RemoteRegistry":
        await asyncio.to_thread(wait_for_port, port)
        _, registry = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return registry

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        whole = len(data) - len(data) % TOKEN
        for start in range(0, whole, TOKEN):
            wake = self._wakes.get(data[start : start + TOKEN])
            if wake is not None:
                self.delivered += 1
                wake()
        self._rest = data[whole:]

    def register(self, token: bytes, topic: str, magic: str, wake: Callable[[], None]) -> None:
        del topic
        self._wakes[token] = wake
        self._tell(REGISTER + token + magic.encode("ascii"))

    def unregister(self, token: bytes) -> None:
        if self._wakes.pop(token, None) is not None:
            self._tell(UNREGISTER + token + bytes(MAGIC))

    def offline(self, token: bytes) -> None:
        raise NotImplementedError("devices of a day are never offline")

    def online(self, token: bytes) -> None:
        raise NotImplementedError("devices of a day are never offline")

    def _tell(self, frame: bytes) -> None:
        if self._transport is not None:
            self._transport.write(frame)
