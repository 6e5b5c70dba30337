"""Receivers of webhooks in a process of their own: some take everything at once, and one never answers."""

import asyncio
import ssl
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

import uvloop
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks.processes import SPAWN
from corral.pki.authority import create_authority, issue_server

_TAKEN: Final = b"HTTP/1.1 204 No Content\r\n\r\n"


class Receivers:
    """Until the end of the `with` block; `fast` of them on ports of their own, and the one that hangs on the last."""

    def __init__(self, folder: Path, fast: int) -> None:
        self._pair, self._ca = folder / "hooks.pem", folder / "hooks-ca.pem"
        self._fast = fast
        self._ours, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_work, args=(theirs, self._pair, fast + 1), daemon=True)
        self.ports: list[int] = []

    def __enter__(self) -> Self:
        authority = create_authority("receivers", datetime.now(UTC))
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        der = issue_server(authority, key.public_key(), ["localhost"], now - timedelta(days=1), now + timedelta(days=9))
        pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
        self._pair.write_bytes(pem + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self._ca.write_bytes(authority.certificate_pem())
        self._process.start()
        self.ports = cast("list[int]", self._ours.recv())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.join()

    @property
    def ca(self) -> Path:
        """The file of the authority that they are believed by."""
        return self._ca

    @property
    def urls(self) -> list[str]:
        """The one that hangs comes last."""
        return [f"https://localhost:{port}/" for port in self.ports]

    def taken(self) -> list[int]:
        """Calls of each so far."""
        self._ours.send(None)
        return cast("list[int]", self._ours.recv())


def _work(pipe: "Connection[list[int], None]", pair: Path, count: int) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(pipe, pair, count))


async def _serve(pipe: "Connection[list[int], None]", pair: Path, count: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(pair))
    taken = [0] * count

    async def serve(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length))
                taken[number] += 1
                if number == count - 1:
                    await asyncio.sleep(3600)
                writer.write(_TAKEN)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    async with AsyncExitStack() as stack:
        ports: list[int] = []
        for number in range(count):
            server = await asyncio.start_server(
                lambda reader, writer, number=number: serve(number, reader, writer), "127.0.0.1", 0, ssl=context
            )
            await stack.enter_async_context(server)
            ports.append(server.sockets[0].getsockname()[1])

        def tell() -> None:
            pipe.recv()
            pipe.send(list(taken))

        pipe.send(ports)
        asyncio.get_running_loop().add_reader(pipe.fileno(), tell)
        await asyncio.Event().wait()
