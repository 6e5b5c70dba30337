"""The connections of a fleet: kept, shared, bounded, and believed only where the certificate is."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from corral.pki.authority import Authority, create_authority, issue_identity, issue_server
from corral.simulator.identity import Identity
from corral.simulator.transport import Detour, Transport, Unreachable
from corral.simulator.trust import Trust

NOBODY = Trust(system=False)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Server:
    """Answers each request with `answer`, which may also close or wait."""

    def __init__(self) -> None:
        self.answer: Callable[[bytes, asyncio.StreamWriter], Awaitable[bytes]] = self.say_hi
        self.connections = 0
        self.under_way = 0
        self.most_under_way = 0
        self.peers: list[bytes | None] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def say_hi(self, request: bytes, writer: asyncio.StreamWriter) -> bytes:
        del request, writer
        return OK

    async def start(self, context: ssl.SSLContext | None = None, unix: Path | None = None) -> None:
        if unix is not None:
            self._server = await asyncio.start_unix_server(self._accept, unix)
            return
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.get_running_loop().create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        tls: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
        self.peers.append(tls.getpeercert(binary_form=True) if tls is not None else None)
        try:
            while not writer.is_closing():
                request = await reader.readuntil(b"\r\n\r\n")
                self.under_way += 1
                self.most_under_way = max(self.most_under_way, self.under_way)
                writer.write(await self.answer(request, writer))
                self.under_way -= 1
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    transport = Transport(connections=4, timeout=2)
    yield transport
    await transport.close()


async def test_keeps_a_connection_for_the_next_request(server: Server, transport: Transport) -> None:
    for path in ("/a", "/b", "/c?d=e"):
        response = await transport.request("GET", f"http://127.0.0.1:{server.port}{path}", trust=NOBODY)
        assert (response.status, response.body) == (200, b"hi")
    assert server.connections == 1


async def test_shares_a_few_connections_among_many(server: Server, transport: Transport) -> None:
    async def slowly(request: bytes, writer: asyncio.StreamWriter) -> bytes:
        del request, writer
        await asyncio.sleep(0.001)
        return OK

    server.answer = slowly
    url = f"http://127.0.0.1:{server.port}/"
    answers = await asyncio.gather(*(transport.request("PUT", url, trust=NOBODY, body=b"") for _ in range(200)))
    assert len(answers) == 200
    assert server.connections == 4
    assert server.most_under_way == 4


async def test_each_answer_is_measured_without_the_wait_for_a_connection(server: Server) -> None:
    async def slowly(request: bytes, writer: asyncio.StreamWriter) -> bytes:
        del request, writer
        await asyncio.sleep(0.1)
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

    server.answer = slowly
    measured: list[tuple[int, float]] = []
    transport = Transport(connections=1, measure=lambda status, seconds: measured.append((status, seconds)))
    url = f"http://127.0.0.1:{server.port}/"
    await asyncio.gather(*(transport.request("GET", url, trust=NOBODY) for _ in range(4)))
    await transport.close()
    assert [status for status, _ in measured] == [404] * 4
    assert all(0.09 < seconds < 0.3 for _, seconds in measured)


async def test_sends_again_when_a_kept_connection_was_closed(server: Server, transport: Transport) -> None:
    served = 0

    async def close_at_the_second(request: bytes, writer: asyncio.StreamWriter) -> bytes:
        nonlocal served
        del request
        served += 1
        if served == 2:
            writer.transport.abort()
            return b""
        return OK

    server.answer = close_at_the_second
    url = f"http://127.0.0.1:{server.port}/"
    assert (await transport.request("GET", url, trust=NOBODY)).status == 200
    assert (await transport.request("GET", url, trust=NOBODY)).status == 200
    assert server.connections == 2


async def test_an_answer_that_ends_the_connection_is_heeded(server: Server, transport: Transport) -> None:
    async def close(request: bytes, writer: asyncio.StreamWriter) -> bytes:
        del request
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        writer.close()
        return b""

    server.answer = close
    url = f"http://127.0.0.1:{server.port}/"
    for _ in range(3):
        assert (await transport.request("GET", url, trust=NOBODY)).status == 200
    assert server.connections == 3


async def test_garbage_is_an_error_of_its_own(server: Server, transport: Transport) -> None:
    async def give(request: bytes, writer: asyncio.StreamWriter) -> bytes:
        del request, writer
        return b"garbage\r\n\r\n"

    server.answer = give
    with pytest.raises(Unreachable, match="no HTTP"):
        await transport.request("GET", f"http://127.0.0.1:{server.port}/", trust=NOBODY)


async def test_more_than_an_answer_is_not_taken_for_the_next_one(server: Server, transport: Transport) -> None:
    async def give(request: bytes, writer: asyncio.StreamWriter) -> bytes:
        del request, writer
        return OK + OK.replace(b"hi", b"no")

    server.answer = give
    for _ in range(2):
        answer = await transport.request("GET", f"http://127.0.0.1:{server.port}/", trust=NOBODY)
        assert answer.body == b"hi"
    assert server.connections == 2


async def test_a_server_that_does_not_answer_is_given_up(server: Server) -> None:
    async def never(request: bytes, writer: asyncio.StreamWriter) -> bytes:
        del request, writer
        await asyncio.sleep(60)
        return OK

    server.answer = never
    transport = Transport(connections=1, timeout=0.05)
    url = f"http://127.0.0.1:{server.port}/"
    for _ in range(2):  # the place of the connection that was given up is free again
        with pytest.raises(Unreachable, match="no answer within"):
            await transport.request("GET", url, trust=NOBODY)
    await transport.close()


async def test_a_cancelled_request_frees_its_place(server: Server) -> None:
    async def never(request: bytes, writer: asyncio.StreamWriter) -> bytes:
        del writer
        if b"/slow" in request:
            await asyncio.sleep(60)
        return OK

    server.answer = never
    transport = Transport(connections=1, timeout=5)
    url = f"http://127.0.0.1:{server.port}"
    slow = asyncio.create_task(transport.request("GET", f"{url}/slow", trust=NOBODY))
    waiting = asyncio.create_task(transport.request("GET", f"{url}/waits", trust=NOBODY))
    given_up = asyncio.create_task(transport.request("GET", f"{url}/given-up", trust=NOBODY))
    await asyncio.sleep(0.05)
    given_up.cancel()
    slow.cancel()
    assert (await waiting).status == 200
    await asyncio.gather(slow, given_up, return_exceptions=True)
    await transport.close()


async def test_nobody_there(transport: Transport) -> None:
    with pytest.raises(Unreachable):
        await transport.request("GET", "http://127.0.0.1:1/", trust=NOBODY)


@pytest.mark.parametrize(
    "url", ["ftp://x/", "https://", "http://x:99999999/", "http://x/a b", "http://x/\r\nA: b", "http://ü/", "x"]
)
async def test_what_is_no_url(transport: Transport, url: str) -> None:
    with pytest.raises(Unreachable):
        await transport.request("GET", url, trust=NOBODY)


async def test_redirects_end(server: Server, transport: Transport) -> None:
    async def away(request: bytes, writer: asyncio.StreamWriter) -> bytes:
        del request, writer
        return b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"

    server.answer = away
    with pytest.raises(Unreachable, match="redirects"):
        await transport.request("GET", f"http://127.0.0.1:{server.port}/", trust=NOBODY)


async def test_makes_a_detour_to_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    server = Server()
    await server.start(unix=path)
    transport = Transport(detours={"https://mdm.example.com": Detour(unix=str(path))})
    assert (await transport.request("GET", "https://mdm.example.com/x", trust=NOBODY)).body == b"hi"
    await transport.close()
    await server.stop()


# -- TLS


@pytest.fixture(scope="module")
def other_authority() -> Authority:
    return create_authority("Other", datetime.now(UTC), key=rsa.generate_private_key(65537, 2048))


@pytest.fixture
async def tls_server(authority: Authority, tmp_path: Path) -> AsyncIterator[Server]:
    key = rsa.generate_private_key(65537, 2048)
    now = datetime.now(UTC)
    der = issue_server(authority, key.public_key(), ["localhost"], now - timedelta(hours=1), now + timedelta(days=1))
    pair = tmp_path / "pair.pem"
    certificate = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    pair.write_bytes(certificate + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=authority.certificate_pem().decode())
    server = Server()
    await server.start(context)
    yield server
    await server.stop()


async def test_believes_a_server_of_a_root_that_was_installed(
    tls_server: Server, transport: Transport, authority: Authority
) -> None:
    trust = NOBODY.and_roots((authority.der,))
    url = f"https://localhost:{tls_server.port}/"
    assert (await transport.request("GET", url, trust=trust)).body == b"hi"


async def test_believes_no_other_server(tls_server: Server, transport: Transport, other_authority: Authority) -> None:
    url = f"https://localhost:{tls_server.port}/"
    for trust in (NOBODY, NOBODY.and_roots((other_authority.der,)), Trust()):
        with pytest.raises(Unreachable, match="certificate"):
            await transport.request("GET", url, trust=trust)


async def test_believes_no_server_of_another_name(
    tls_server: Server, transport: Transport, authority: Authority
) -> None:
    trust = NOBODY.and_roots((authority.der,))
    with pytest.raises(Unreachable, match="127"):
        await transport.request("GET", f"https://127.0.0.1:{tls_server.port}/", trust=trust)


async def test_shows_the_certificate_of_each_device_in_its_own_connection(
    tls_server: Server, authority: Authority
) -> None:
    now = datetime.now(UTC)
    identities: list[Identity] = []
    for name in ("one", "two"):
        key = rsa.generate_private_key(65537, 2048)
        certificate = issue_identity(
            authority,
            key.public_key(),
            common_name=name,
            connection=name,
            not_before=now - timedelta(hours=1),
            not_after=now + timedelta(days=1),
        )
        identities.append(Identity(certificate, key))
    transport = Transport(connections=1)
    trust = NOBODY.and_roots((authority.der,))
    for identity in (*identities, *identities):
        await transport.request("GET", f"https://localhost:{tls_server.port}/", trust=trust, identity=identity)
    assert tls_server.peers == [each.certificate for each in (*identities, *identities)]
    await transport.close()
