"""What this service relies on inside of uvicorn, over real sockets: an update that changes it fails here."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from corral.http.asgi import ClientGone, Receive, Scope, Send, read_body, response
from corral.http.protocol import MAX_HEADERS, DeviceProtocol, LocalProtocol
from corral.http.server import Listener, open_tcp, open_unix
from corral.simulator.push_certificates import StandInApple

Serve = Callable[[Listener], Awaitable[None]]


class Seen:
    """An app that keeps the scopes it is called with."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        self.scopes.append(scope)
        for message in response(200, b"seen", b"text/plain"):
            await send(message)


@pytest.fixture
async def serve() -> AsyncGenerator[Serve]:
    servers: list[tuple[uvicorn.Server, asyncio.Task[None]]] = []

    async def begin(listener: Listener) -> None:
        config = uvicorn.Config(
            listener.app,
            http=LocalProtocol if listener.local else DeviceProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
        )
        config.load()
        config.ssl = listener.tls
        server = uvicorn.Server(config)
        task = asyncio.create_task(server._serve(sockets=[listener.socket]))  # pyright: ignore[reportPrivateUsage] - without its signal handlers
        servers.append((server, task))
        while not server.started:  # noqa: ASYNC110 - uvicorn tells it in no other way
            await asyncio.sleep(0.005)

    yield begin
    for server, task in servers:
        server.should_exit = True
        await task


async def ask(request: bytes, *, port: int = 0, path: str = "", **tls: Any) -> bytes:
    if path:
        reader, writer = await asyncio.open_unix_connection(path)
    else:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, **tls)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer


def get(*headers: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + b"".join(headers) + b"\r\n"


def port_of(listening: socket.socket) -> int:
    return listening.getsockname()[1]


async def test_headers_are_taken_up_to_the_bound(serve: Serve) -> None:
    app = Seen()
    listener = Listener(app, open_tcp("127.0.0.1:0"))
    await serve(listener)
    port = port_of(listener.socket)
    within = b"X-Filler: " + b"x" * (MAX_HEADERS - 200) + b"\r\n"
    assert (await ask(get(within), port=port)).startswith(b"HTTP/1.1 200 ")
    beyond = b"X-Filler: " + b"x" * MAX_HEADERS + b"\r\n"
    assert (await ask(get(beyond), port=port)).startswith(b"HTTP/1.1 400 ")
    long = b"GET /" + b"x" * MAX_HEADERS + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    assert (await ask(long, port=port)).startswith(b"HTTP/1.1 400 ")
    many = b"".join(b"X-%04d: x\r\n" % number for number in range(12_000))
    # What is not read any more may take the answer away with it when the connection closes.
    with contextlib.suppress(ConnectionError):
        assert (await ask(get(many), port=port)).startswith(b"HTTP/1.1 400 ")
    assert len(app.scopes) == 1


async def test_the_bound_holds_for_each_request_of_a_connection(serve: Serve) -> None:
    app = Seen()
    listener = Listener(app, open_tcp("127.0.0.1:0"))
    await serve(listener)
    kept = b"GET / HTTP/1.1\r\nHost: x\r\nX-Filler: " + b"x" * 40_000 + b"\r\n\r\n"
    answer = await ask(kept * 3 + get(), port=port_of(listener.socket))
    assert answer.count(b"HTTP/1.1 200 ") == 4


async def test_a_client_certificate_gets_into_the_scope(serve: Serve, tmp_path: Path) -> None:
    apple = StandInApple.create(datetime.now(UTC))
    pair, own = tmp_path / "server.pem", tmp_path / "client.pem"
    pair.write_bytes(b"".join(apple.server_certificate(datetime.now(UTC))))
    own.write_bytes(b"".join(apple.server_certificate(datetime.now(UTC))))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=apple.root_pem.decode())
    # The stand-in's certificates are for servers; here it is the transport that is looked at.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    app = Seen()
    listener = Listener(app, open_tcp("127.0.0.1:0"), context)
    await serve(listener)
    client = ssl.create_default_context(cadata=apple.root_pem.decode())
    await ask(get(), port=port_of(listener.socket), ssl=client, server_hostname="localhost")
    assert app.scopes[0]["extensions"] == {"corral.client_certificate": None}


async def test_the_owner_of_the_socket_is_known_and_nobody_else_can_open_it(serve: Serve, tmp_path: Path) -> None:
    app, path = Seen(), tmp_path / "admin.sock"
    listener = Listener(app, open_unix(path)[0], local=True)
    assert path.stat().st_mode & 0o777 == 0o600
    await serve(listener)
    await ask(get(), path=str(path))
    assert app.scopes[0]["extensions"]["corral.local"] is True


async def test_nobody_on_the_network_is_local(serve: Serve) -> None:
    app = Seen()
    listener = Listener(app, open_tcp("127.0.0.1:0"))
    await serve(listener)
    await ask(get(b"corral.local: true\r\n", b"X-Corral-Local: true\r\n"), port=port_of(listener.socket))
    assert "corral.local" not in app.scopes[0]["extensions"]


def test_a_socket_that_was_left_over_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    open_unix(path)[0].close()
    assert path.exists()
    open_unix(path)[0].close()
    with pytest.raises(OSError, match="too long"):
        open_unix(tmp_path / ("x" * 120))


def test_a_socket_of_somebody_else_in_the_same_place_stays(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    first, ours = open_unix(path)
    first.close()
    second, theirs = open_unix(path)
    ours.remove()
    assert path.exists()
    theirs.remove()
    assert not path.exists()
    theirs.remove()
    second.close()


def test_an_address_that_cannot_be_had_is_named() -> None:
    taken = open_tcp("127.0.0.1:0")
    taken.listen()
    try:
        with pytest.raises(OSError, match=rf"Cannot listen on 127\.0\.0\.1:{port_of(taken)}: "):
            open_tcp(f"127.0.0.1:{port_of(taken)}")
    finally:
        taken.close()
    with pytest.raises(OSError, match=r"Cannot listen on 203\.0\.113\.1:1: "):
        open_tcp("203.0.113.1:1")


@pytest.mark.parametrize("sent", [b"", b"PUT /mdm HTTP/1.1\r\nHost: ", b"GET /seen HTTP/1.1\r\nHost: x\r\n\r\nGET /s"])
async def test_who_sends_nothing_or_half_a_head_is_hung_up_on(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr("corral.http.protocol.PATIENCE", 0.2)
    opened = open_tcp("127.0.0.1:0")
    await serve(Listener(Seen(), opened))
    reader, writer = await asyncio.open_connection(*opened.getsockname()[:2])
    writer.write(sent)
    async with asyncio.timeout(20):
        answer = await reader.read(-1)
    assert answer.startswith(b"HTTP/1.1 200") is sent.startswith(b"GET")
    writer.close()


async def test_who_has_sent_a_whole_head_may_take_time(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corral.http.protocol.PATIENCE", 0.1)
    opened = open_tcp("127.0.0.1:0")
    await serve(Listener(Seen(), opened))
    reader, writer = await asyncio.open_connection(*opened.getsockname()[:2])
    for _ in range(2):
        writer.write(b"GET /seen HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readuntil(b"seen")).startswith(b"HTTP/1.1 200")
        await asyncio.sleep(0.3)
    writer.close()


class Reading:
    """An app that waits for the whole body, and counts who gave up."""

    def __init__(self) -> None:
        self.gone = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(scope, receive, 1 << 20)
        except ClientGone:
            self.gone += 1
        else:
            for message in response(200, str(len(body)).encode(), b"text/plain"):
                await send(message)


async def test_who_does_not_go_on_with_a_body_is_hung_up_on(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corral.http.protocol.PATIENCE", 0.1)
    app, opened = Reading(), open_tcp("127.0.0.1:0")
    await serve(Listener(app, opened))
    reader, writer = await asyncio.open_connection(*opened.getsockname()[:2])
    writer.write(b"PUT /body HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        for _ in range(50):  # a little now and then is not going on
            writer.write(b"x")
            await asyncio.sleep(0.02)
            if app.gone:
                break
    assert (await reader.read(-1), app.gone) == (b"", 1)
    writer.close()


async def test_a_body_that_gets_on_may_take_its_time(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corral.http.protocol.PATIENCE", 0.5)
    monkeypatch.setattr("corral.http.protocol.LEAST", 100)
    opened = open_tcp("127.0.0.1:0")
    await serve(Listener(Reading(), opened))
    reader, writer = await asyncio.open_connection(*opened.getsockname()[:2])
    writer.write(b"PUT /body HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n")
    for _ in range(20):
        await asyncio.sleep(0.04)
        writer.write(bytes(100))
    assert (await reader.readuntil(b"2000")).startswith(b"HTTP/1.1 200")
    writer.close()


@pytest.mark.parametrize("after", [b"\r\n", b"the rest of a body that was answered before its end"])
async def test_what_comes_after_an_answer_and_is_no_request_holds_no_connection(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, after: bytes
) -> None:
    monkeypatch.setattr("corral.http.protocol.PATIENCE", 0.1)
    opened = open_tcp("127.0.0.1:0")
    await serve(Listener(Seen(), opened))
    reader, writer = await asyncio.open_connection(*opened.getsockname()[:2])
    length = 0 if after.isspace() else 1000
    writer.write(b"PUT /seen HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length)
    await reader.readuntil(b"seen")
    writer.write(after)
    async with asyncio.timeout(20):
        assert await reader.read(-1) == b""
    writer.close()
