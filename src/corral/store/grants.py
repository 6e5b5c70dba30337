"""Enrollment links and the grants made of them."""

from typing import Protocol

from corral.lifecycle.change import Event
from corral.lifecycle.issuance import GrantState
from corral.lifecycle.state import Certificate, Link
from corral.store.marks import Mark


class GrantStore(Protocol):
    async def add_link(self, link: Link, token_digest: bytes, events: tuple[Event, ...] = ()) -> None:
        """Only the SHA-256 of the link's token is kept."""
        ...

    async def find_link(self, token_digest: bytes) -> Link | None: ...

    async def link(self, link_id: str) -> Link | None: ...

    async def links(self, limit: int, before: Mark | None) -> tuple[Link, ...]:
        """Newest first."""
        ...

    async def revoke_link(self, link_id: str, now: int, events: tuple[Event, ...] = ()) -> bool:
        """False if there is none, or it is revoked already; `events` go into the same commit."""
        ...

    async def grant_state(self, grant_id: str) -> GrantState | None:
        """The grant with its link, its certificates, and, for a renewal, the connection."""
        ...

    async def certificate(self, fingerprint: bytes) -> Certificate | None: ...

    async def certificates(self, connection_id: str) -> tuple[Certificate, ...]:
        """Every certificate of a life, newest first."""
        ...
