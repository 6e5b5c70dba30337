"""One topic's line to Apple: its certificate, its connection, and when it may try again."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, assert_never

from hpack.struct import HeaderTuple, NeverIndexedHeaderTuple

from corral.apns.connection import Connection, Timeouts
from corral.apns.push import Broken, CertificateRefused, Outcome, Push, RetryLater, classify
from corral.apns.reply import Lost, Refused, Response, Unprocessed
from corral.apns.tls import certificate_alert, describe
from corral.apple import push_payload

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 300.0


class Line:
    """Opens its connection at the first push, and a new one when the last is used up or lost.

    A failed attempt makes pushes RetryLater until its back-off is over: exponential, up to five minutes, with
    jitter; it starts afresh once a connection has answered. A refused certificate stops the line for good.
    `jitter` gives numbers in [0, 1).
    """

    def __init__(
        self,
        host: str,
        port: int,
        topic: str,
        context: ssl.SSLContext,
        timeouts: Timeouts,
        jitter: Callable[[], float],
    ) -> None:
        self._host = host
        self._port = port
        self._context = context
        self._timeouts = timeouts
        self._jitter = jitter
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._pseudo = [
            HeaderTuple(b":method", b"POST"),
            HeaderTuple(b":scheme", b"https"),
            HeaderTuple(b":authority", authority.encode()),
        ]
        self._fixed = [HeaderTuple(b"apns-topic", topic.encode()), HeaderTuple(b"apns-push-type", b"mdm")]
        self._current: Connection | None = None
        self._connections: set[Connection] = set()  # the current one, and older ones that finish
        self._opening: asyncio.Task[Connection | Outcome] | None = None
        self._failures = 0
        self._not_before = 0.0
        self._why = ""
        self._stopped: Outcome | None = None

    @property
    def busy(self) -> bool:
        return bool(self._connections) or self._opening is not None

    async def send(self, push: Push) -> Outcome:
        try:
            headers, payload = self._headers(push), push_payload.body(push.magic)
        except UnicodeError:  # a lone surrogate: no device sends one, and one must not stop a batch
            return Broken(0, "this push cannot be written")
        outcome: Outcome = RetryLater(None, "not sent")
        # What the server has surely not acted on is repeated, once; after that, later is better.
        for _ in range(2):
            connection = await self._connection()
            if not isinstance(connection, Connection):
                return connection
            reply = await connection.request(headers, payload)
            match reply:
                case Response():
                    outcome = classify(reply.status, reply.headers, reply.body)
                    self._learn(connection, outcome)
                    return outcome
                case Refused():
                    outcome = CertificateRefused(None, reply.reason)
                    self._learn(connection, outcome)
                    return outcome
                case Lost():
                    return RetryLater(None, reply.reason)
                case Unprocessed():
                    outcome = RetryLater(None, reply.reason)
                case _:
                    assert_never(reply)
        return outcome

    def retire(self, reason: str) -> None:
        """Send nothing more; what is open may finish."""
        if self._stopped is None:
            self._stopped = RetryLater(0.0, reason)
        for connection in self._connections:
            connection.drain(reason)

    async def close(self) -> None:
        self.retire("the client is closing")
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        await asyncio.gather(*(connection.close() for connection in tuple(self._connections)))

    def _headers(self, push: Push) -> list[HeaderTuple]:
        return [
            *self._pseudo,
            # Never the same twice in a while: indexing them would only push out what is worth it.
            NeverIndexedHeaderTuple(b":path", b"/3/device/" + push.token.hex().encode()),
            *self._fixed,
            HeaderTuple(b"apns-expiration", b"%d" % push.expiration),
            HeaderTuple(b"apns-priority", b"%d" % push.priority),
            NeverIndexedHeaderTuple(b"apns-id", push.push_id.encode()),
        ]

    async def _connection(self) -> Connection | Outcome:
        current = self._current
        if current is not None:
            if current.usable:
                return current
            self._current = None
            if current.refused:
                return self._stop(CertificateRefused(None, current.refused.reason))
            if not current.proven and self._stopped is None:
                return self._failed(f"{self._host}:{self._port} answered nothing: {current.why}")
        if self._stopped is not None:
            return self._stopped
        opening = self._opening
        if opening is None:
            loop = asyncio.get_running_loop()
            pause = self._not_before - loop.time()
            if pause > 0:
                return RetryLater(pause, self._why)
            opening = self._opening = loop.create_task(self._open())
        try:
            # Shared by all who wait for it: one of them may be cancelled, the attempt goes on.
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            if not opening.cancelled():
                raise
            return RetryLater(None, "the client is closing")

    async def _open(self) -> Connection | Outcome:
        try:
            return await self._attempt()
        finally:
            self._opening = None

    async def _attempt(self) -> Connection | Outcome:
        loop = asyncio.get_running_loop()
        limits = self._timeouts
        connection = Connection(limits, self._connection_ended)
        try:
            async with asyncio.timeout(limits.connect):
                await loop.create_connection(
                    lambda: connection,
                    self._host,
                    self._port,
                    ssl=self._context,
                    ssl_handshake_timeout=limits.connect,
                    ssl_shutdown_timeout=limits.close,
                )
                self._connections.add(connection)
                failure = await connection.ready
        except asyncio.CancelledError:
            connection.abort("the client is closing")
            raise
        except (OSError, UnicodeError) as error:  # unreachable, timed out, TLS
            connection.abort("the connection could not be opened")
            alert = certificate_alert(error)
            if alert is not None:
                return self._stop(CertificateRefused(None, alert))
            return self._failed(f"cannot connect to {self._host}:{self._port}: {describe(error)}")
        match failure:
            case Refused():
                return self._stop(CertificateRefused(None, failure.reason))
            case Lost():
                return self._failed(f"{self._host}:{self._port}: {failure.reason}")
            case None:
                pass
        if self._stopped is not None:
            connection.drain("the line was stopped")
            return self._stopped
        self._current = connection
        return connection

    def _connection_ended(self, connection: Connection, how: Lost | Refused) -> None:
        self._connections.discard(connection)
        if isinstance(how, Refused):
            self._stop(CertificateRefused(None, how.reason))

    def _learn(self, connection: Connection, outcome: Outcome) -> None:
        """What one push's outcome says about all the others."""
        self._failures = 0
        match outcome:
            case CertificateRefused():
                self._stop(outcome)
            case RetryLater(reason="Shutdown" | "IdleTimeout"):
                connection.drain("the server asked for a new connection")
            case _:
                pass

    def _stop(self, outcome: CertificateRefused) -> CertificateRefused:
        if self._stopped is None:
            self._stopped = outcome
            for connection in self._connections:
                connection.drain(outcome.reason)
        return outcome

    def _failed(self, reason: str) -> RetryLater:
        self._failures += 1
        longest = min(_FIRST_PAUSE * 2 ** min(self._failures - 1, 20), _LONGEST_PAUSE)
        pause = longest * (0.5 + 0.5 * self._jitter())
        self._not_before = asyncio.get_running_loop().time() + pause
        self._why = reason
        return RetryLater(pause, reason)
