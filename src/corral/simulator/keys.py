"""Private keys for simulated devices. Making one takes some 45 ms of a processor, outside of Python's lock."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from cryptography.hazmat.primitives.asymmetric import rsa


class KeyPool:
    """Hands out RSA keys, each new unless `distinct` says how many there are in all.

    With shared keys every device still has a certificate of its own, so a service can tell them apart; this is
    for load, where making keys would be most of the work.
    """

    def __init__(self, distinct: int | None = None, *, threads: int = 2) -> None:
        self._distinct = distinct
        self._threads = ThreadPoolExecutor(threads, "corral-keys")
        self._made: list[asyncio.Future[rsa.RSAPrivateKey]] = []
        self._given = 0

    async def take(self, bits: int = 2048) -> rsa.RSAPrivateKey:
        if self._distinct is None or bits != 2048:
            return await self._make(bits)
        turn = self._given % self._distinct
        self._given += 1
        if turn == len(self._made):
            self._made.append(self._make(bits))
        return await asyncio.shield(self._made[turn])

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _make(self, bits: int) -> asyncio.Future[rsa.RSAPrivateKey]:
        return asyncio.get_running_loop().run_in_executor(self._threads, rsa.generate_private_key, 65537, bits)
