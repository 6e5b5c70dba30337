"""What belongs to the installation itself: authority, push certificates, the breaker. Sealed at rest."""

from dataclasses import dataclass, field
from typing import Protocol

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPushCertificate:
    topic: str
    certificate_pem: bytes
    key_pem: bytes = field(repr=False)
    apple_account: str
    not_after: Instant
    imported_at: Instant
    stopped: str = ""
    """Why Apple refused it, if it did: nothing is pushed under it until another is imported."""


class Vault(Protocol):
    async def get_secret(self, name: str) -> bytes | None:
        """A sealed value by its name: `authority.certificate`, `authority.key`, `challenge.key`, ..."""
        ...

    async def put_secret(self, name: str, value: bytes, events: tuple[Event, ...] = ()) -> None:
        """`events` go into the same commit, here and below."""
        ...

    async def keep_secret(self, name: str, value: bytes) -> bytes:
        """The value that is there; this one where there was none. Of several at once the first counts for all."""
        ...

    async def delete_secret(self, name: str) -> None: ...

    async def push_certificates(self) -> tuple[StoredPushCertificate, ...]: ...

    async def put_push_certificate(
        self, certificate: StoredPushCertificate, events: tuple[Event, ...] = ()
    ) -> None: ...

    async def stop_topic(self, topic: str, why: str) -> None: ...

    async def close_breaker(self, now: Instant, events: tuple[Event, ...] = ()) -> None:
        """A person has looked: unenrolling answers flow again, counted from here."""
        ...

    async def breaker_opened_at(self) -> Instant | None: ...
