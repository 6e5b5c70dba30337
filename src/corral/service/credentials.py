"""Bearer tokens of the admin API: 256 random bits, shown once, kept as a hash."""

import hashlib
import secrets

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant
from corral.service.clock import Clock, fresh_id
from corral.service.errors import NotFound
from corral.store.events import EventStore
from corral.store.vault import Credential, Vault

PREFIX = "corral_"
"""Lets a leaked token be recognized by scanners."""


def digest(token: str) -> bytes:
    """What is stored of a token. Plain SHA-256 will do for 256 random bits."""
    return hashlib.sha256(token.encode()).digest()


class Credentials:
    def __init__(self, vault: Vault, events: EventStore, clock: Clock) -> None:
        self._vault = vault
        self._events = events
        self._clock = clock

    async def create(self, name: str, expires_at: Instant | None, by: str) -> tuple[Credential, str]:
        """A new credential and its token, which nobody can read again."""
        token = PREFIX + secrets.token_urlsafe(32)
        credential = Credential(
            id=fresh_id(), name=name, digest=digest(token), created_at=self._clock(), expires_at=expires_at
        )
        await self._vault.add_credential(credential)
        await self._tell("token.created", {"by": by, "token": credential.id, "name": name})
        return credential, token

    async def verify(self, token: str) -> Credential | None:
        """The credential of a token that is neither expired nor revoked. Looked up by hash, so timing tells nothing."""
        if not token.startswith(PREFIX) or len(token) > 128:
            return None
        found = await self._vault.find_credential(digest(token))
        if found is None or found.revoked_at is not None:
            return None
        if found.expires_at is not None and self._clock() >= found.expires_at:
            return None
        return found

    async def list(self) -> tuple[Credential, ...]:
        return await self._vault.credentials()

    async def revoke(self, credential_id: str, by: str) -> None:
        if not await self._vault.revoke_credential(credential_id, self._clock()):
            raise NotFound(f"There is no token {credential_id}, or it is revoked already.")
        await self._tell("token.revoked", {"by": by, "token": credential_id})

    async def _tell(self, kind: str, data: dict[str, str]) -> None:
        await self._events.append((Event(type=kind, at=self._clock(), data=data),))
