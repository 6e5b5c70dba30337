"""A server of somebody else on loopback, by TLS under the name provider.example."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from corral.outgoing import Resolve
from corral.pki.authority import Authority, issue_server

LOOPBACK = (ip_network("127.0.0.0/8"),)


class Server:
    """Answers every request with the same bytes, and keeps what it was asked.

    It closes each connection after `most` answers, and counts the connections that were opened.
    """

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.asked: list[bytes] = []
        self.opened = 0
        self.most = 1
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        try:
            for _ in range(self.most):
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (each for each in head.lower().split(b"\r\n") if each.startswith(b"content-length:")), b":0"
                )
                self.asked.append(head + await reader.readexactly(int(length.partition(b":")[2])))
                writer.write(self.answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    answer: bytes, authority: Authority, folder: Path, name: str = "provider.example", host: str = "127.0.0.1"
) -> AsyncGenerator[Server]:
    """On this address of the machine, under this name."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    der = issue_server(authority, key.public_key(), [name], now - timedelta(days=1), now + timedelta(days=30))
    pair = folder / "pair.pem"
    pair.write_bytes(
        x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
        + authority.certificate_pem()
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(pair))
    made = Server(answer)
    server = await asyncio.start_server(made.serve, host, 0, ssl=context)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


def at(*addresses: str) -> Resolve:
    async def resolved(host: str, port: int) -> Sequence[str]:
        del host, port
        return addresses

    return resolved


def answer(body: bytes, status: str = "200 OK", extra: bytes = b"") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n".encode() + extra + b"\r\n" + body
