"""One HTTP/2 connection to Apple's push service: many requests at once, one Reply for each (RFC 9113)."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, assert_never, cast

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import NoAvailableStreamIDError
from h2.settings import SettingCodes, Settings
from hpack.struct import HeaderTuple

from corral.apns.goaway import GoAway, GoAwaySplitter
from corral.apns.push import CERTIFICATE_REASONS, read_reason
from corral.apns.reply import Lost, Refused, Reply, Response, Unprocessed
from corral.apns.tls import certificate_alert, describe

# The library looks at every open stream when it opens another: beyond some hundreds that costs more than it
# brings.
_MOST_STREAMS: Final = 500
_IN_A_TURN: Final = 6
"""Streams that are opened in one turn of the loop, half a millisecond's worth. A poll takes four or five turns,
and feels the length of each."""
_LARGEST_BODY: Final = 4096


@dataclass(frozen=True, slots=True)
class Timeouts:
    """All in seconds. `answer` counts from the request, with its wait for a free stream."""

    connect: float = 10.0
    answer: float = 15.0
    idle: float = 60.0  # of silence, before a ping asks whether the other end is still there
    ping: float = 10.0
    close: float = 5.0


@dataclass(slots=True, eq=False)
class _Request:
    headers: list[HeaderTuple]
    unsent: bytes
    deadline: float
    reply: asyncio.Future[Reply]
    status: int = 0
    answer_headers: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    answer_body: bytes = b""

    def settle(self, reply: Reply) -> None:
        if not self.reply.done():  # its caller may have been cancelled
            self.reply.set_result(reply)


class Connection(asyncio.Protocol):
    """Opened with `loop.create_connection`; good once `ready` holds None, until `usable` is false.

    `on_end(connection, how)` is called once, when the transport is gone.
    """

    def __init__(self, timeouts: Timeouts, on_end: Callable[["Connection", Lost | Refused], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeouts = timeouts
        self._on_end = on_end
        self.ready: asyncio.Future[Lost | Refused | None] = self._loop.create_future()
        self.proven = False  # it has answered a request, or promised to
        self.refused: Refused | None = None  # the server does not accept our certificate
        self._h2 = H2Connection(
            H2Configuration(
                client_side=True,
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self._h2.local_settings = Settings(
            client=True,
            initial_values={
                SettingCodes.ENABLE_PUSH: 0,
                SettingCodes.MAX_HEADER_LIST_SIZE: H2Connection.DEFAULT_MAX_HEADER_LIST_SIZE,
            },
        )
        self._splitter = GoAwaySplitter()
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[_Request] = deque()
        self._open: dict[int, _Request] = {}
        self._blocked: dict[int, _Request] = {}  # of the open ones: their body waits for the flow control window
        self._draining = False
        self._why = ""
        self._writable = True
        self._scheduled = False
        self._ending: Lost | Refused | None = None  # why, once it is known
        self._ended = asyncio.Event()
        self._heard = self._loop.time()
        self._pinged: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def usable(self) -> bool:
        return not self._draining and self._ending is None

    @property
    def why(self) -> str:
        """Why it is not usable any more."""
        return self._ending.reason if self._ending is not None else self._why

    def request(self, headers: list[HeaderTuple], body: bytes) -> asyncio.Future[Reply]:
        """Ask for one exchange; `body` is not empty. The future gets a Reply, within `Timeouts.answer`."""
        reply: asyncio.Future[Reply] = self._loop.create_future()
        if not self.usable:
            reply.set_result(Unprocessed("the connection is closing"))
            return reply
        self._waiting.append(_Request(headers, body, self._loop.time() + self._timeouts.answer, reply))
        self._pump_soon()
        return reply

    def drain(self, reason: str) -> None:
        """Take nothing new, let what is open finish, then close. What was not sent yet is Unprocessed."""
        if not self._draining:
            self._draining = True
            self._why = reason
            self._settle(self._waiting, Unprocessed(reason))
            self._waiting.clear()
            self._pump_soon()

    async def close(self) -> None:
        """Drain, for at most `Timeouts.close`, then cut."""
        self.drain("the client is closing")
        try:
            await asyncio.wait_for(self._ended.wait(), self._timeouts.close)
        except TimeoutError:
            self.abort("the client closed")
            await self._ended.wait()

    def abort(self, reason: str) -> None:
        self._end(Lost(reason))

    # -- what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._ending is not None:
            self._transport.abort()
            return
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            self.abort("the server does not speak HTTP/2 (ALPN); is this Apple's push service?")
            return
        self._heard = self._loop.time()
        self._h2.initiate_connection()
        self._flush()
        self._tick()

    def data_received(self, data: bytes) -> None:
        if self._ending is not None:
            return  # closing: whatever is still on its way is nobody's answer
        self._heard = self._loop.time()
        self._pinged = None
        try:
            for part in self._splitter.feed(data):
                match part:
                    case GoAway():
                        self._go_away(part)
                    case bytes():
                        for event in self._h2.receive_data(part):
                            self._happened(event)
                    case _:
                        assert_never(part)
        except Exception as error:  # the library raises more than its own errors on hostile bytes
            self._flush()
            self.abort(f"the server broke the HTTP/2 protocol ({type(error).__name__})")
            return
        self._pump()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._pump_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._ending is None:
            alert = certificate_alert(exc)
            if alert is not None:
                self._ending = self.refused = Refused(alert)
            else:
                reason = describe(exc) if exc else "the server closed the connection"
                hint = "" if self.ready.done() else " right after TLS: does it accept our certificate?"
                self._ending = Lost(reason + hint)
        ending = self._ending
        self._draining = True
        if self._timer:
            self._timer.cancel()
        self._settle(self._open.values(), ending)
        self._settle(self._waiting, self.refused or Unprocessed(ending.reason))
        self._open.clear()
        self._blocked.clear()
        self._waiting.clear()
        if not self.ready.done():
            self.ready.set_result(ending)
        self._ended.set()
        self._on_end(self, ending)

    # -- what the server says

    def _happened(self, event: events.Event) -> None:
        match event:
            case events.ResponseReceived():
                request = self._open.get(event.stream_id or 0)
                if request:
                    request.answer_headers = dict(cast("Iterable[tuple[bytes, bytes]]", event.headers))
                    request.status = int(request.answer_headers.get(b":status", b"0"))
            case events.DataReceived():
                request = self._open.get(event.stream_id or 0)
                if request and len(request.answer_body) + len(event.data or b"") <= _LARGEST_BODY:
                    request.answer_body += event.data or b""
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
            case events.StreamEnded():
                self._answered(event.stream_id or 0)
            case events.StreamReset():
                request = self._forget(event.stream_id or 0)
                if request and event.error_code == ErrorCodes.REFUSED_STREAM:
                    request.settle(Unprocessed("the server refused the stream"))
                elif request:
                    request.settle(Lost(f"the server reset the stream ({event.error_code!s})"))
            case events.RemoteSettingsChanged():
                if not self.ready.done():
                    self.ready.set_result(None)
            case _:
                pass  # window updates, pings and acknowledgements do their work in the library, or in `_pump`

    def _answered(self, stream: int) -> None:
        unfinished = stream in self._blocked
        request = self._forget(stream)
        if unfinished:  # answered before it was all sent: what is left is of no use
            self._h2.reset_stream(stream, ErrorCodes.CANCEL)
        if request:
            self.proven = True
            request.settle(Response(request.status, request.answer_headers, request.answer_body))

    def _go_away(self, frame: GoAway) -> None:
        word = read_reason(frame.debug)
        reason = f"the server is closing this connection ({word})"
        if word in CERTIFICATE_REASONS:
            self.refused = Refused(word)
        reply = self.refused or Unprocessed(reason)
        for stream in [stream for stream in self._open if stream > frame.last_stream_id]:
            request = self._forget(stream)
            if request:
                request.settle(reply)
        if self._open:
            self.proven = True
        if self.refused:
            self._settle(self._waiting, self.refused)
            self._waiting.clear()
        self.drain(reason)

    def _forget(self, stream: int) -> _Request | None:
        self._blocked.pop(stream, None)
        return self._open.pop(stream, None)

    # -- what goes out

    def _pump_soon(self) -> None:
        # Everything asked for in one turn of the loop goes out in one write.
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._pump_now)

    def _pump_now(self) -> None:
        self._scheduled = False
        self._pump()

    def _pump(self) -> None:
        if self._ending or self._transport is None:
            return
        if self._writable:
            for stream, request in list(self._blocked.items()):
                self._send_body(stream, request)
            if not self._draining and self.ready.done():
                self._open_streams()
        if self._draining and not self._open:
            self._h2.close_connection()
            self._flush()
            self._transport.close()
            self._ending = self.refused or Lost(self._why)
            self._transport_deadline()
            return
        self._flush()

    def _open_streams(self) -> None:
        most = min(self._h2.remote_settings.max_concurrent_streams, _MOST_STREAMS)
        opened = 0
        # A body that waits for the connection's window means that the next one would, too.
        while self._waiting and len(self._open) < most and not self._blocked:
            if opened == _IN_A_TURN:
                self._pump_soon()
                return
            opened += 1
            request = self._waiting.popleft()
            if request.reply.done():
                continue
            try:
                stream = self._h2.get_next_available_stream_id()
            except NoAvailableStreamIDError:
                self._waiting.appendleft(request)
                self.drain("the stream numbers of this connection are used up")
                return
            self._h2.send_headers(stream, request.headers)
            self._open[stream] = request
            self._send_body(stream, request)

    def _send_body(self, stream: int, request: _Request) -> None:
        while request.unsent:
            room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
            if room <= 0:
                self._blocked[stream] = request
                return
            part, request.unsent = request.unsent[:room], request.unsent[room:]
            self._h2.send_data(stream, part, end_stream=not request.unsent)
        self._blocked.pop(stream, None)

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and self._transport is not None:
            self._transport.write(data)

    # -- time

    def _tick(self) -> None:
        now = self._loop.time()
        limits = self._timeouts
        self._expire(now)
        silent = now - self._heard
        if self._pinged is not None and now - self._pinged >= limits.ping:
            self.abort(f"the server was silent for {silent:.1f} s and did not answer a ping")
        elif self._pinged is None and silent >= limits.idle and self.usable:
            self._pinged = now
            self._h2.ping(b"corral\0\0")
            self._flush()
        if self._ending is None:
            pause = min(1.0, limits.answer / 4, limits.idle / 4, limits.ping / 4)
            self._timer = self._loop.call_later(pause, self._tick)

    def _expire(self, now: float) -> None:
        late = [(stream, request) for stream, request in self._open.items() if request.deadline <= now]
        for stream, request in late:
            self._forget(stream)
            self._h2.reset_stream(stream, ErrorCodes.CANCEL)
            request.settle(Lost(f"no answer within {self._timeouts.answer:g} s"))
        while self._waiting and self._waiting[0].deadline <= now:
            self._waiting.popleft().settle(Lost(f"no free stream within {self._timeouts.answer:g} s"))
        if late and now - self._heard >= self._timeouts.answer:
            self.abort(f"the server was silent for {now - self._heard:.1f} s")
        elif late:
            self._pump_soon()

    def _end(self, ending: Lost | Refused) -> None:
        if self._ending is None:
            self._ending = ending
        if self._transport is not None:
            self._transport.abort()

    def _transport_deadline(self) -> None:
        # A peer that never answers our close must not keep the socket open.
        if self._timer:
            self._timer.cancel()
        if self._transport is not None:
            self._timer = self._loop.call_later(self._timeouts.close, self._transport.abort)

    @staticmethod
    def _settle(requests: Iterable[_Request], reply: Reply) -> None:
        for request in requests:
            request.settle(reply)
