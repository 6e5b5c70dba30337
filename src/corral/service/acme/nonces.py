"""Nonces against replay (RFC 8555 6.5): a row each only when it is used, so that asking for them costs nothing.

A nonce is base64url of its end (4 bytes, seconds), 12 random bytes, and the MAC of both (HMAC-SHA-256, 128 bits).
"""

import hashlib
import hmac
import secrets

from corral.lifecycle.state import MINUTE, SECOND
from corral.pki.acme import encoding
from corral.pki.acme.problem import Kind, Problem
from corral.service.clock import Clock
from corral.store.acme import AcmeStore

GOOD_FOR = 60 * MINUTE
_MAC = 16


class Nonces:
    """`key` is any secret of the installation; the one that is used here is made of it."""

    def __init__(self, key: bytes, store: AcmeStore, clock: Clock) -> None:
        self._key = hmac.digest(key, b"acme nonce", hashlib.sha256)
        self._store = store
        self._clock = clock

    def make(self) -> str:
        body = ((self._clock() + GOOD_FOR) // SECOND).to_bytes(4) + secrets.token_bytes(12)
        return encoding.encode(body + self._mac(body))

    async def spend(self, nonce: str) -> None:
        """Raises Problem for one that was not made here, is too old, or was used before."""
        try:
            whole = encoding.decode(nonce)
        except ValueError:
            whole = b""
        body = whole[:-_MAC]
        if not hmac.compare_digest(whole[-_MAC:], self._mac(body)):
            raise Problem(Kind.BAD_NONCE, "The nonce was not made here.")
        expires_at = int.from_bytes(body[:4]) * SECOND
        if expires_at <= self._clock() or not await self._store.spend_nonce(body, expires_at):
            raise Problem(Kind.BAD_NONCE, "The nonce is too old, or was used before.")

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, hashlib.sha256)[:_MAC]
