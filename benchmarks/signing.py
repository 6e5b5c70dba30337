"""Keys, certificates and signatures for a fleet, made on every processor before anything is measured.

A key takes some 50 ms, so devices share a few; every device has a certificate of its own all the same.
"""

import asyncio
import base64
import functools
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self, TypeAlias, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from benchmarks.processes import SPAWN
from corral.pki import cms
from corral.pki.authority import Authority, issue_identity, read_authority

Pem: TypeAlias = bytes
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Signer:
    """A certificate (DER) and its key."""

    certificate: bytes
    key: Pem = field(repr=False)


class Workshop:
    """Processes that make keys, issue certificates and sign."""

    def __init__(self) -> None:
        self._processes = ProcessPoolExecutor(os.cpu_count(), SPAWN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._processes.shutdown(cancel_futures=True)

    async def make_keys(self, count: int) -> list[Pem]:
        """RSA keys of 2048 bits."""
        return await self._spread([_make_key] * count)

    async def issue(self, authority: Authority, keys: Sequence[Pem], connections: Sequence[str]) -> list[Signer]:
        """A certificate for each connection, the keys dealt out in turn."""
        ca = authority.certificate_pem(), authority.key_pem()
        dealt = [connections[start :: len(keys)] for start in range(len(keys))]
        issued = await self._spread(
            [functools.partial(_issue, ca, key, some) for key, some in zip(keys, dealt, strict=True)]
        )
        signers: list[Signer] = []
        for place in range(len(connections)):
            turn, deal = divmod(place, len(keys))
            signers.append(Signer(issued[deal][turn], keys[deal]))
        return signers

    async def sign(self, wanted: Sequence[tuple[Signer, bytes]]) -> list[bytes]:
        """The value of `Mdm-Signature` for each body, in the same order, as an iPhone makes it."""
        by_key: defaultdict[Pem, list[int]] = defaultdict(list)
        for place, (signer, _) in enumerate(wanted):
            by_key[signer.key].append(place)
        signed = await self._spread(
            [
                functools.partial(_sign, key, [(wanted[place][0].certificate, wanted[place][1]) for place in places])
                for key, places in by_key.items()
            ]
        )
        headers: dict[int, bytes] = {}
        for places, values in zip(by_key.values(), signed, strict=True):
            headers.update(zip(places, values, strict=True))
        return [headers[place] for place in range(len(wanted))]

    async def _spread(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(self._processes, job) for job in jobs))


def _make_key() -> Pem:
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _issue(authority: tuple[bytes, Pem], key: Pem, connections: Sequence[str]) -> list[bytes]:
    issuer, public_key, now = read_authority(*authority), _load(key).public_key(), datetime.now(UTC)
    return [
        issue_identity(
            issuer,
            public_key,
            common_name="Benchmark",
            connection=connection,
            not_before=now - timedelta(hours=1),
            not_after=now + timedelta(days=90),
        )
        for connection in connections
    ]


def _sign(key: Pem, wanted: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
    loaded, now = _load(key), datetime.now(UTC)
    return [
        base64.b64encode(
            cms.sign(body, x509.load_der_x509_certificate(certificate), loaded, detached=True, signing_time=now)
        )
        for certificate, body in wanted
    ]


@functools.cache
def _load(key: Pem) -> rsa.RSAPrivateKey:
    loaded = load_pem_private_key(key, None)
    assert isinstance(loaded, rsa.RSAPrivateKey)
    return loaded
