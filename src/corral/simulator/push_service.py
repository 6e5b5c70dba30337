"""A stand-in for Apple's push service, as strict as Apple's: simulated devices register, servers push.

Source: Apple, "Sending notification requests to APNs", "Handling notification responses from APNs".
"""

import asyncio
import contextlib
import ssl
import tempfile
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from h2.errors import ErrorCodes

from corral.simulator.push_certificates import LOOPBACK, StandInApple
from corral.simulator.push_connection import Answer, PushConnection, Reaction, Reset, Silence
from corral.simulator.push_request import Refusal, Wanted, check_request

_MOST_GONE: Final = 100_000
_MOST_RECEIVED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Received:
    """A well-formed push and what was said to it (0: nothing)."""

    push: Wanted
    status: int
    reason: str
    at: float  # unix seconds


@dataclass(slots=True)
class Tally:
    """What happened so far. `delivered` counts wake-ups; dropped and refused are by reason."""

    connections: int = 0
    accepted: int = 0
    delivered: int = 0
    dropped: Counter[str] = field(default_factory=Counter[str])
    refused: Counter[str] = field(default_factory=Counter[str])


@dataclass(frozen=True, slots=True)
class _Fault:
    status: int
    reason: str
    retry_after: int | None


@dataclass(slots=True)
class _Device:
    topic: str
    magic: str = field(repr=False)
    wake: Callable[[], None]
    online: bool = True
    kept: Wanted | None = None


class PushService:
    """Runs in the event loop of the simulated devices. `apple` signed its certificate and its clients'.

    `latency` (seconds before each answer) may be changed at any time, as the faults below may be asked for.
    `most_streams` and `window` are the HTTP/2 settings that a client has to respect.
    """

    def __init__(
        self,
        apple: StandInApple,
        *,
        clock: Callable[[], float] = time.time,
        most_streams: int = 1000,
        window: int = 65_535,
    ) -> None:
        self.latency = 0.0
        self.tally = Tally()
        self.received: deque[Received] = deque(maxlen=_MOST_RECEIVED)
        self._apple = apple
        self._clock = clock
        self._most_streams = most_streams
        self._window = window
        self._devices: dict[bytes, _Device] = {}
        self._gone: dict[bytes, float] = {}  # tokens that were unregistered, and when
        self._faults: deque[_Fault | Reset | Silence] = deque()
        self._token_faults: dict[bytes, deque[_Fault]] = {}
        self._go_away_in: int | None = None
        self._connections: set[PushConnection] = set()
        self._idle = asyncio.Event()
        self._server: asyncio.Server | None = None

    # -- devices

    def register(self, token: bytes, topic: str, magic: str, wake: Callable[[], None]) -> None:
        """A device that listens: `wake` is called in the event loop for each push that reaches it."""
        self._gone.pop(token, None)
        self._devices[token] = _Device(topic, magic, wake)

    def unregister(self, token: bytes) -> None:
        """The token is dead: pushes to it get 410 from now on."""
        if self._devices.pop(token, None) is not None:
            self._gone[token] = self._clock()
            if len(self._gone) > _MOST_GONE:
                self._gone.pop(next(iter(self._gone)))

    def offline(self, token: bytes) -> None:
        """The device is away: the last push to it is kept until its expiration."""
        self._devices[token].online = False

    def online(self, token: bytes) -> None:
        device = self._devices[token]
        device.online = True
        kept, device.kept = device.kept, None
        if kept is not None and (kept.expiration or 0) > self._clock():
            self._deliver(device, kept)
        elif kept is not None:
            self.tally.dropped["expired"] += 1

    # -- faults on demand

    def fail_next(
        self,
        count: int,
        status: int,
        reason: str,
        retry_after: int | None = None,
        *,
        token: bytes | None = None,
    ) -> None:
        """Answer the next `count` well-formed pushes (to `token`, if given) with this; none is delivered."""
        faults = self._faults if token is None else self._token_faults.setdefault(token, deque())
        faults.extend([_Fault(status, reason, retry_after)] * count)

    def silence_next(self, count: int) -> None:
        """Never answer the next `count` well-formed pushes."""
        self._faults.extend([Silence()] * count)

    def reset_next(self, count: int, error: ErrorCodes = ErrorCodes.REFUSED_STREAM) -> None:
        """Reset the streams of the next `count` well-formed pushes."""
        self._faults.extend([Reset(error)] * count)

    def go_away(self, reason: str = "Shutdown") -> None:
        """Send GOAWAY on every connection, serve what has come, and close them."""
        for connection in tuple(self._connections):
            connection.go_away(reason)

    def go_away_after(self, count: int) -> None:
        """Send GOAWAY with the `count`th push from now: nothing that follows on its connection is served."""
        self._go_away_in = count

    def drop_connections(self) -> None:
        """Cut every connection."""
        for connection in tuple(self._connections):
            connection.abort()

    def limit_streams(self, most: int) -> None:
        """Change MAX_CONCURRENT_STREAMS, for open connections and later ones."""
        self._most_streams = most
        for connection in self._connections:
            connection.limit_streams(most)

    # -- the server

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; returns the port. The certificate is for loopback's names and for `host`."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        pair = self._apple.server_certificate(now, tuple(dict.fromkeys((*LOOPBACK, host))))
        context = _server_context(*pair, self._apple.root_pem)

        def connect() -> PushConnection:
            connection = PushConnection(context, self, most_streams=self._most_streams, window=self._window)
            self._connections.add(connection)
            return connection

        self._server = await asyncio.get_running_loop().create_server(connect, host, port, backlog=1024)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and cut what is open."""
        if self._server is None:
            return
        self._server.close()
        self.drop_connections()
        while self._connections:
            self._idle.clear()
            await self._idle.wait()
        await self._server.wait_closed()
        self._server = None

    # -- from the connections

    def opened(self) -> None:
        self.tally.connections += 1

    def ended(self, connection: PushConnection) -> None:
        self._connections.discard(connection)
        self._idle.set()

    def react(self, connection: PushConnection, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> Reaction:
        wanted = check_request(headers, body, connection.topics)
        if isinstance(wanted, Refusal):
            self.tally.refused[wanted.reason] += 1
            return Answer(wanted.status, _echo(headers), wanted.reason)
        reaction = self._decide(wanted)
        status, reason = (reaction.status, reaction.reason) if isinstance(reaction, Answer) else (0, "")
        self.received.append(Received(wanted, status, reason, self._clock()))
        if status == 200:
            self.tally.accepted += 1
        else:
            self.tally.refused[reason or type(reaction).__name__] += 1
        self._count_down(connection)
        return reaction

    def _decide(self, wanted: Wanted) -> Reaction:
        push_id = wanted.push_id or str(uuid.uuid4())
        now = self._clock()
        fault = self._next_fault(wanted.token)
        match fault:
            case _Fault():
                timestamp = int(now * 1000) if fault.status == 410 else None
                return Answer(fault.status, push_id, fault.reason, timestamp, fault.retry_after)
            case Reset() | Silence():
                return fault
            case None:
                pass
        device = self._devices.get(wanted.token)
        if device is None:
            gone = self._gone.get(wanted.token)
            if gone is None:
                return Answer(400, push_id, "BadDeviceToken")
            return Answer(410, push_id, "Unregistered", int(gone * 1000))
        if device.topic != wanted.topic:
            return Answer(400, push_id, "DeviceTokenNotForTopic")
        if device.online:
            self._deliver(device, wanted)
        elif (wanted.expiration or 0) > now:
            if device.kept is not None:
                self.tally.dropped["replaced"] += 1
            device.kept = wanted
        else:
            self.tally.dropped["offline"] += 1
        return Answer(200, push_id)

    def _deliver(self, device: _Device, push: Wanted) -> None:
        # It is the device that looks at the magic, and it says nothing: a server sees 200 all the same.
        if push.magic != device.magic:
            self.tally.dropped["wrong magic"] += 1
            return
        self.tally.delivered += 1
        asyncio.get_running_loop().call_soon(device.wake)

    def _next_fault(self, token: bytes) -> _Fault | Reset | Silence | None:
        own = self._token_faults.get(token)
        if own is not None:
            fault = own.popleft()
            if not own:
                del self._token_faults[token]
            return fault
        return self._faults.popleft() if self._faults else None

    def _count_down(self, connection: PushConnection) -> None:
        if self._go_away_in is not None:
            self._go_away_in -= 1
            if self._go_away_in <= 0:
                self._go_away_in = None
                connection.go_away()


def _echo(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """The request's own apns-id where it is one, else a new one."""
    for name, value in headers:
        if name == b"apns-id":
            with contextlib.suppress(ValueError):
                return str(uuid.UUID(value.decode("ascii")))
    return str(uuid.uuid4())


def _server_context(certificate_pem: bytes, key_pem: bytes, trust_pem: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=trust_pem.decode())
    with tempfile.TemporaryDirectory(prefix="corral-") as folder:
        pair = Path(folder, "pair.pem")  # of a key that nothing but this stand-in's root vouches for
        pair.touch(0o600)
        pair.write_bytes(certificate_pem + key_pem)
        context.load_cert_chain(pair)
    return context
