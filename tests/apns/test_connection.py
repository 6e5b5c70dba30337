"""The client against servers that are not Apple's, or not well."""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import PingAckReceived, RequestReceived, WindowUpdated
from hpack.struct import HeaderTuple
from hypothesis import given
from hypothesis import strategies as st

from corral.apns import Accepted, Broken, Misconfigured, Outcome, Push, PushClient, RetryLater, Timeouts
from corral.apns.connection import Connection
from corral.apns.reply import Lost, Refused, Reply, Response, Unprocessed
from corral.simulator.push_certificates import StandInApple

TOPIC = "com.apple.mgmt.External.x"
APPLE = StandInApple.create(datetime.now(UTC))
PUSH = Push(b"\x01" * 32, TOPIC, "magic", 0, "4f6a2b1c-0d7e-4a53-9a64-6d1b5e0c8f21")
SHORT = Timeouts(connect=0.3, answer=0.3, idle=0.1, ping=0.1, close=0.1)

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class RawServer:
    """Speaks TLS, and then whatever `talk` says."""

    def __init__(self, talk: Talk) -> None:
        self.connections = 0
        self._talk = talk
        self._open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            await self._talk(reader, writer)
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.transport.abort()
            self._open.discard(writer)

    async def end(self) -> None:
        for writer in tuple(self._open):
            writer.transport.abort()
        for _ in range(100):
            if not self._open:
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def open_client(
    talk: Talk, tmp_path: Path, *, alpn: bool = True, tls: bool = True
) -> AsyncGenerator[tuple[PushClient, RawServer]]:
    raw = RawServer(talk)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = tmp_path / "pair.pem"
    pair.write_bytes(b"".join(APPLE.server_certificate(datetime.now(UTC))))
    context.load_cert_chain(pair)
    if alpn:
        context.set_alpn_protocols(["h2"])
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0, ssl=context if tls else None)
    client = PushClient(
        f"https://localhost:{server.sockets[0].getsockname()[1]}",
        trust_pem=APPLE.root_pem,
        timeouts=SHORT,
        jitter=lambda: 0.0,
    )
    key = ec.generate_private_key(ec.SECP256R1())
    client.load(
        TOPIC,
        APPLE.push_certificate(TOPIC, key.public_key(), datetime.now(UTC)),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
    try:
        yield client, raw
    finally:
        await client.close()
        server.close()
        await raw.end()
        await server.wait_closed()


async def read_on(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_on(reader)


async def talk_http1(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    await read_on(reader)


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return


async def settle_and_say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(bytes(3) + b"\x04" + bytes(5))  # SETTINGS
    await read_on(reader)


async def settle_and_go_away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(bytes(3) + b"\x04" + bytes(5) + b"\0\0\x08\x07" + bytes(5) + bytes(8))
    await read_on(reader)


def answer_with(status: int, body: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http = H2Connection(H2Configuration(client_side=False))
        http.initiate_connection()
        unsent: dict[int, bytes] = {}
        writer.write(http.data_to_send())
        while data := await reader.read(65536):
            for event in http.receive_data(data):
                if isinstance(event, RequestReceived):
                    stream = event.stream_id or 0
                    http.send_headers(stream, [(":status", "100")])
                    http.send_headers(stream, [(":status", str(status)), ("server", "x" * 3000)])
                    unsent[stream] = body
                if isinstance(event, RequestReceived | WindowUpdated | PingAckReceived):
                    for stream in list(unsent):
                        while unsent[stream] and (
                            room := min(http.local_flow_control_window(stream), http.max_outbound_frame_size)
                        ):
                            part, unsent[stream] = unsent[stream][:room], unsent[stream][room:]
                            http.send_data(stream, part)
                        if not unsent[stream]:
                            del unsent[stream]
                            http.end_stream(stream)
            writer.write(http.data_to_send())

    return talk


@pytest.mark.parametrize(
    ("talk", "alpn", "tls", "reason"),
    [
        pytest.param(say_nothing, True, False, "timed out|SSL handshake", id="no TLS, silence"),
        pytest.param(talk_http1, True, False, "TLS failed", id="no TLS"),
        pytest.param(hang_up, True, False, "cannot connect", id="hangs up before TLS"),
        pytest.param(say_nothing, False, True, "does not speak HTTP/2", id="no HTTP/2"),
        pytest.param(say_nothing, True, True, "did not answer a ping", id="silence after TLS"),
        pytest.param(talk_http1, True, True, "broke the HTTP/2 protocol", id="HTTP/1 after TLS"),
        pytest.param(hang_up, True, True, "does it accept our certificate", id="hangs up after TLS"),
    ],
)
async def test_a_server_that_is_none_of_apples_is_retried_later_with_the_reason(
    talk: Talk, alpn: bool, tls: bool, reason: str, tmp_path: Path
) -> None:
    async with open_client(talk, tmp_path, alpn=alpn, tls=tls) as (client, raw):
        outcomes = await asyncio.gather(*(client.send(PUSH) for _ in range(5)))
        with pytest.raises(AssertionError, match=reason):
            raise AssertionError(outcomes[0])
        for outcome in outcomes:
            assert isinstance(outcome, RetryLater)
            assert outcome.after_seconds == 0.5
        assert raw.connections <= 1


async def test_a_server_that_never_answers_is_left_when_it_does_not_answer_pings_either(tmp_path: Path) -> None:
    async with open_client(settle_and_say_nothing, tmp_path) as (client, raw):
        outcome = await client.send(PUSH)
        assert isinstance(outcome, RetryLater)
        assert "did not answer a ping" in outcome.reason
        again = await client.send(PUSH)  # it has never answered anything: no hurry to ask it again
        assert isinstance(again, RetryLater)
        assert again.after_seconds == 0.5
        assert raw.connections == 1


async def test_a_server_that_goes_away_from_every_connection_is_not_hammered(tmp_path: Path) -> None:
    async with open_client(settle_and_go_away, tmp_path) as (client, raw):
        outcomes = await asyncio.gather(*(client.send(PUSH) for _ in range(50)))
        outcomes += [await client.send(PUSH) for _ in range(50)]
        assert {type(outcome) for outcome in outcomes} == {RetryLater}
        assert raw.connections <= 2


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"", Accepted("")),
        (200, b"x" * 300_000, Accepted("")),
        (400, b'{"reason":"' + b"x" * 300_000, Misconfigured(400, "unknown")),
        (400, json.dumps({"reason": "BadTopic"}).encode(), Misconfigured(400, "BadTopic")),
        (404, b"<html>nothing here</html>", Broken(404, "unknown")),
        (502, b"<html>proxy</html>", RetryLater(None, "unknown")),
    ],
)
async def test_an_answer_of_any_size_is_read_to_its_end(
    status: int, body: bytes, expected: Outcome, tmp_path: Path
) -> None:
    async with open_client(answer_with(status, body), tmp_path) as (client, raw):
        # More than once, so that the window of the connection is needed more than once.
        assert [await client.send(PUSH) for _ in range(3)] == [expected] * 3
        assert raw.connections == 1


# -- bytes straight into the connection


class FakeTransport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.protocol: Connection | None = None
        self.gone = False

    def write(self, data: bytes | bytearray | memoryview) -> None: ...

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self.gone and self.protocol is not None:
            self.gone = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


SETTINGS = frame(4, 0, 0, b"")
frames = st.builds(frame, st.integers(0, 12), st.integers(0, 255), st.sampled_from([0, 1, 3, 5, 7, 2]), st.binary())
likely = st.sampled_from(
    [
        frame(1, 4, 1, b"\x88"),  # headers: 200
        frame(1, 5, 3, b"\x88"),  # headers: 200, the end
        frame(1, 4, 5, b"\x88\x88"),
        frame(1, 5, 1, b"\x08\x03abc"),  # headers: status abc
        frame(0, 1, 1, b'{"reason":"x"}'),
        frame(3, 0, 3, (7).to_bytes(4)),  # reset: refused
        frame(3, 0, 5, (2).to_bytes(4)),  # reset: internal error
        frame(7, 0, 0, (1).to_bytes(4) + bytes(4)),  # GOAWAY after 1
        frame(7, 0, 0, (2**31 - 1).to_bytes(4) + bytes(4)),  # GOAWAY, in a while
        frame(7, 0, 0, (3).to_bytes(4) + bytes(4) + b'{"reason":"BadCertificate"}'),
        frame(4, 0, 0, b"\0\x03\0\0\0\x01"),  # settings: one stream
        frame(4, 0, 0, b"\0\x04\0\0\0\0"),  # settings: no window
        frame(8, 0, 0, (2**31 - 1).to_bytes(4)),  # window overflow
        frame(6, 0, 0, bytes(8)),  # ping
    ]
)


@given(st.lists(frames | likely | st.binary(max_size=40), max_size=12), st.booleans())
def test_whatever_a_server_sends_each_request_gets_one_reply(parts: list[bytes], cut: bool) -> None:
    async def run() -> list[Reply]:
        ended: list[Lost | Refused] = []
        transport = FakeTransport()
        connection = Connection(
            Timeouts(answer=0.02, idle=0.01, ping=0.01, close=0.01), lambda _, how: ended.append(how)
        )
        transport.protocol = connection
        connection.connection_made(transport)
        connection.data_received(SETTINGS)
        replies = [connection.request([HeaderTuple(b":method", b"POST")], b"x" * 40) for _ in range(4)]
        await asyncio.sleep(0)
        for part in parts:
            if cut:
                await asyncio.sleep(0)
            if not transport.gone:
                connection.data_received(part)
        settled = await asyncio.wait_for(asyncio.gather(*replies), 2)
        await connection.close()
        assert len(ended) == 1
        assert not connection.usable
        assert isinstance(await connection.request([], b"x"), Unprocessed)
        return settled

    for reply in asyncio.run(run()):
        assert isinstance(reply, Response | Unprocessed | Lost | Refused)
