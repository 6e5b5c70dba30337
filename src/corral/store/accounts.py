"""People who signed in with the identity provider: their sessions, and the tokens that stand for them."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant
from corral.store.marks import Mark


class TokenKind(StrEnum):
    ACCESS = "access"
    REFRESH = "refresh"
    CODE = "code"
    """An authorization code (RFC 6749 1.3.1), good once."""
    STATE = "state"
    """The state of a sign-in that came back from the provider: it cannot come back again. It has no session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSession:
    """One sign-in. `account` is the Managed Apple Account, `subject` what the provider calls the person."""

    id: str
    account: str
    subject: str
    created_at: Instant
    expires_at: Instant
    revoked_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountToken:
    """The SHA-256 of a token or code, never itself. A code is for one `redirect_uri`."""

    digest: bytes = field(repr=False)
    session_id: str
    kind: TokenKind
    redirect_uri: str = ""
    expires_at: Instant
    spent_at: Instant | None = None


class AccountStore(Protocol):
    async def add_session(self, session: AccountSession, tokens: tuple[AccountToken, ...]) -> None: ...

    async def add_tokens(self, tokens: tuple[AccountToken, ...]) -> bool:
        """All of them or none: False if one was there before."""
        ...

    async def find(self, digest: bytes) -> tuple[AccountToken, AccountSession] | None:
        """A token with its session, whatever their state."""
        ...

    async def spend(self, digest: bytes, now: Instant) -> bool:
        """False if it was spent before."""
        ...

    async def sessions(self, limit: int, before: Mark | None) -> tuple[AccountSession, ...]:
        """Newest first."""
        ...

    async def revoke_session(self, session_id: str, now: Instant, events: tuple[Event, ...] = ()) -> bool:
        """False if there is none, or it was revoked before."""
        ...

    async def forget_expired(self, now: Instant, limit: int) -> int:
        """Delete up to so many sessions and tokens that are past their time; how many that were."""
        ...
