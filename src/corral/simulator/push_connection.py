"""One client's HTTP/2 connection to the push stand-in (RFC 9113)."""

import asyncio
import json
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, cast

from cryptography import x509
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import StreamClosedError
from h2.settings import SettingCodes, Settings

from corral.simulator.push_certificates import topics_of
from corral.simulator.push_request import LARGEST_PAYLOAD
from corral.simulator.push_tls import TlsServer

_GOAWAY: Final = 7


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    push_id: str
    reason: str = ""
    timestamp: int | None = None  # unix milliseconds
    retry_after: int | None = None  # seconds


@dataclass(frozen=True, slots=True)
class Reset:
    """The stream is reset instead of answered."""

    error: ErrorCodes


@dataclass(frozen=True, slots=True)
class Silence:
    """There is no answer, ever."""


Reaction = Answer | Reset | Silence


class PushHandler(Protocol):
    """What a connection asks of the service."""

    latency: float

    def react(self, connection: "PushConnection", headers: Sequence[tuple[bytes, bytes]], body: bytes) -> Reaction: ...
    def opened(self) -> None: ...
    def ended(self, connection: "PushConnection") -> None: ...


@dataclass(slots=True)
class _Request:
    headers: list[tuple[bytes, bytes]]
    body: bytearray = field(default_factory=bytearray)


class PushConnection(TlsServer):
    def __init__(self, context: ssl.SSLContext, handler: PushHandler, *, most_streams: int, window: int) -> None:
        super().__init__(context)
        self.topics: frozenset[str] = frozenset()
        self._handler = handler
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: most_streams,
                SettingCodes.INITIAL_WINDOW_SIZE: window,
                SettingCodes.MAX_HEADER_LIST_SIZE: H2Connection.DEFAULT_MAX_HEADER_LIST_SIZE,
            },
        )
        self._requests: dict[int, _Request] = {}
        self._pending: set[int] = set()  # streams whose reaction is on its way
        self._highest = 0
        self._last: int | None = None  # the highest stream that a GOAWAY still promised to serve

    # -- faults on demand

    def go_away(self, reason: str = "Shutdown") -> None:
        """Serve what has come so far, nothing after it, and close when that is done."""
        if self._last is not None:
            return
        self._last = self._highest
        self._flush_http()
        debug = json.dumps({"reason": reason}).encode() if reason else b""
        payload = self._last.to_bytes(4) + int(ErrorCodes.NO_ERROR).to_bytes(4) + debug
        # By hand: the library would take nothing more after its own GOAWAY, not even our last answers.
        self.write(len(payload).to_bytes(3) + bytes([_GOAWAY, 0]) + bytes(4) + payload)
        self._close_if_done()

    def limit_streams(self, most: int) -> None:
        if not self.topics:
            return  # its handshake is not over
        self._h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: most})
        self._flush_http()

    # -- from TLS

    def opened(self, tls: ssl.SSLObject) -> None:
        certificate = tls.getpeercert(binary_form=True)
        if certificate is None or tls.selected_alpn_protocol() != "h2":
            self.close()
            return
        self.topics = topics_of(x509.load_der_x509_certificate(certificate))
        self._h2.initiate_connection()
        self._flush_http()
        self._handler.opened()

    def received(self, data: bytes) -> None:
        try:
            happened = self._h2.receive_data(data)
        except Exception:  # the client broke the protocol: what the library said of it goes out, and no more
            self._flush_http()
            self.close()
            return
        for event in happened:
            self._happened(event)
        self._flush_http()
        self._close_if_done()

    def closed(self) -> None:
        self._handler.ended(self)

    # -- requests

    def _happened(self, event: events.Event) -> None:
        match event:
            case events.RequestReceived():
                stream = event.stream_id or 0
                if self._last is None:
                    self._highest = max(self._highest, stream)
                    self._requests[stream] = _Request(cast("list[tuple[bytes, bytes]]", event.headers))
            case events.DataReceived():
                request = self._requests.get(event.stream_id or 0)
                if request is not None and len(request.body) <= LARGEST_PAYLOAD:
                    request.body += event.data or b""
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
            case events.StreamEnded():
                self._complete(event.stream_id or 0)
            case events.StreamReset():
                self._requests.pop(event.stream_id or 0, None)
                self._pending.discard(event.stream_id or 0)
            case events.ConnectionTerminated():
                self.close()
            case _:
                pass

    def _complete(self, stream: int) -> None:
        request = self._requests.pop(stream, None)
        if request is None:
            return
        self._pending.add(stream)
        reaction = self._handler.react(self, request.headers, bytes(request.body))
        if self._handler.latency > 0:
            send: Callable[[int, Reaction], None] = self._react_late
            asyncio.get_running_loop().call_later(self._handler.latency, send, stream, reaction)
        else:
            self._react(stream, reaction)

    def _react_late(self, stream: int, reaction: Reaction) -> None:
        self._react(stream, reaction)
        self._flush_http()
        self._close_if_done()

    def _react(self, stream: int, reaction: Reaction) -> None:
        if stream not in self._pending:
            return
        self._pending.discard(stream)
        try:
            match reaction:
                case Answer():
                    self._answer(stream, reaction)
                case Reset():
                    self._h2.reset_stream(stream, reaction.error)
                case Silence():
                    pass
        except StreamClosedError:
            pass  # the client gave it up

    def _answer(self, stream: int, answer: Answer) -> None:
        headers = [(b":status", b"%d" % answer.status), (b"apns-id", answer.push_id.encode())]
        if answer.retry_after is not None:
            headers.append((b"retry-after", b"%d" % answer.retry_after))
        if not answer.reason:
            self._h2.send_headers(stream, headers, end_stream=True)
            return
        body: dict[str, object] = {"reason": answer.reason}
        if answer.timestamp is not None:
            body["timestamp"] = answer.timestamp
        headers.append((b"content-type", b"application/json"))
        self._h2.send_headers(stream, headers)
        self._h2.send_data(stream, json.dumps(body).encode(), end_stream=True)

    def _close_if_done(self) -> None:
        if self._last is not None and not self._requests and not self._pending:
            self.close()

    def _flush_http(self) -> None:
        self.write(self._h2.data_to_send())
