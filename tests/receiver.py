"""A receiver of webhooks in this process, which others can call: it keeps what it takes, and behaves as it is told."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from corral.pki.authority import create_authority, issue_server


@dataclass
class Receiver:
    """`status` is what it answers, after `delay` seconds; None: it never does."""

    url: str = ""
    settings: dict[str, str] = field(default_factory=dict[str, str])
    status: int | None = 204
    delay: float = 0.0
    called: int = 0
    open: int = 0
    most_open: int = 0
    ids: list[str] = field(default_factory=list[str])
    traceparents: list[str | None] = field(default_factory=list[str | None])
    """Which trace the calls belong to that were taken."""
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """In the order in which they were taken, those that came twice too."""

    @property
    def first(self) -> list[dict[str, Any]]:
        """Each event once, where it came first."""
        return list({each["sequence"]: each for each in reversed(self.events)}.values())[::-1]

    def check_order(self) -> None:
        """No device's and no connection's event came before an earlier one of it."""
        last: dict[str, int] = {}
        for each in self.first:
            for key in filter(None, (each["device_id"], each["connection_id"])):
                assert last.get(key, 0) < each["sequence"], f"{each['sequence']} of {key} after {last[key]}"
                last[key] = each["sequence"]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)
                body = await reader.readexactly(int(headers["content-length"]))
                self.called += 1
                self.open += 1
                self.most_open = max(self.most_open, self.open)
                try:
                    await self._answer(headers, body, writer)
                finally:
                    self.open -= 1
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)
        status = self.status
        if status is None:
            await asyncio.sleep(3600)
        if status is not None and 200 <= status < 300:
            self.ids.append(headers["webhook-id"])
            self.traceparents.append(headers.get("traceparent"))
            self.events.append(msgspec.json.decode(body))
        writer.write(f"HTTP/1.1 {status} Whatever\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()


@asynccontextmanager
async def receiver(folder: Path, name: str = "hooks") -> AsyncGenerator[Receiver]:
    """On loopback; a service with its `settings` in the environment believes and calls it."""
    authority = create_authority("somebody's", datetime.now(UTC))
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    der = issue_server(authority, key.public_key(), ["localhost"], now - timedelta(days=1), now + timedelta(days=30))
    pair, ca = folder / f"{name}.pem", folder / f"{name}-ca.pem"
    pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    pair.write_bytes(pem + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    ca.write_bytes(authority.certificate_pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(pair))
    made = Receiver()
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            await made.serve(reader, writer)
        finally:
            serving.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    made.url = f"https://localhost:{server.sockets[0].getsockname()[1]}/{name}"
    made.settings = {"CORRAL_WEBHOOK_CA": str(ca), "CORRAL_OUTGOING_NETWORKS": "127.0.0.0/8"}
    try:
        yield made
    finally:
        server.close()
        for each in list(serving):
            each.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
