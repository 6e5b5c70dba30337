"""Sessions of people who signed in, and the opaque tokens that stand for them: 256 random bits, kept as hashes."""

import hashlib
import secrets
from dataclasses import dataclass, field

from corral.lifecycle.change import Event
from corral.lifecycle.state import MINUTE, Instant
from corral.service.accounts.person import Person
from corral.service.clock import Clock, fresh_id
from corral.service.errors import NotFound
from corral.store.accounts import AccountSession, AccountStore, AccountToken, TokenKind
from corral.store.events import EventStore
from corral.store.marks import Mark

CODE_TIME = 5 * MINUTE
_MOST = 256


@dataclass(frozen=True, slots=True)
class Tokens:
    """`expires_in` is of the access token, in seconds."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_in: int


class Sessions:
    """`access_time` is how long an access token lives that can be refreshed; `session_time` how long a session does."""

    def __init__(
        self, store: AccountStore, events: EventStore, clock: Clock, *, access_time: Instant, session_time: Instant
    ) -> None:
        self._store = store
        self._events = events
        self._clock = clock
        self._access_time = access_time
        self._session_time = session_time

    async def begin_with_token(self, person: Person) -> str:
        """A new session and its only token, which is good for as long as it."""
        session = self._new(person)
        token, row = _make(session, TokenKind.ACCESS, session.expires_at)
        await self._begin(session, row)
        return token

    async def begin_with_code(self, person: Person, redirect_uri: str) -> str:
        """A new session and a code for its tokens."""
        session = self._new(person)
        token, row = _make(session, TokenKind.CODE, self._clock() + CODE_TIME, redirect_uri)
        await self._begin(session, row)
        return token

    async def redeem(self, code: str, redirect_uri: str) -> Tokens | None:
        """The tokens of a code (RFC 6749 4.1.3), or None if it is not good. One that comes twice ends the session."""
        return await self._exchange(code, TokenKind.CODE, redirect_uri)

    async def refresh(self, token: str) -> Tokens | None:
        """New tokens for a refresh token (RFC 6749 6), which this uses up. One that comes twice ends the session."""
        return await self._exchange(token, TokenKind.REFRESH, "")

    async def verify(self, token: str) -> AccountSession | None:
        """The session of an access token that is good now."""
        found = await self._find(token, TokenKind.ACCESS)
        return found[1] if found is not None else None

    async def list(self, limit: int, before: Mark | None) -> tuple[AccountSession, ...]:
        return await self._store.sessions(limit, before)

    async def revoke(self, session_id: str, by: str) -> None:
        """End a session: its tokens are good for nothing from now on."""
        now = self._clock()
        event = Event(type="account.session-revoked", at=now, data={"session": session_id, "by": by})
        if not await self._store.revoke_session(session_id, now, (event,)):
            raise NotFound(f"There is no session {session_id}, or it is revoked already.")

    async def _exchange(self, token: str, kind: TokenKind, redirect_uri: str) -> Tokens | None:
        found = await self._find(token, kind)
        if found is None or found[0].redirect_uri != redirect_uri:
            return None
        session, now = found[1], self._clock()
        if not await self._store.spend(found[0].digest, now):
            # It was copied by somebody, and nobody can tell whom of the two (RFC 9700 4.14.2).
            data = {"session": session.id, "by": f"{kind.value} used twice"}
            event = Event(type="account.session-revoked", at=now, data=data)
            await self._store.revoke_session(session.id, now, (event,))
            return None
        ends = min(now + self._access_time, session.expires_at)
        access, first = _make(session, TokenKind.ACCESS, ends)
        refresh, second = _make(session, TokenKind.REFRESH, session.expires_at)
        await self._store.add_tokens((first, second))
        return Tokens(access, refresh, (ends - now) // 1000)

    async def _find(self, token: str, kind: TokenKind) -> tuple[AccountToken, AccountSession] | None:
        """Looked up by hash, so timing tells nothing."""
        found = await self._store.find(_digest(token)) if 16 <= len(token) <= _MOST else None
        if found is None or found[0].kind is not kind:
            return None
        now = self._clock()
        good = now < found[0].expires_at and now < found[1].expires_at and found[1].revoked_at is None
        return found if good else None

    def _new(self, person: Person) -> AccountSession:
        now = self._clock()
        return AccountSession(
            id=fresh_id(),
            account=person.account,
            subject=person.subject,
            created_at=now,
            expires_at=now + self._session_time,
        )

    async def _begin(self, session: AccountSession, row: AccountToken) -> None:
        await self._store.add_session(session, (row,))
        await self._tell("account.signed-in", {"session": session.id, "account": session.account})

    async def _tell(self, kind: str, data: dict[str, str]) -> None:
        await self._events.append((Event(type=kind, at=self._clock(), data=data),))


def _make(
    session: AccountSession, kind: TokenKind, expires_at: Instant, redirect_uri: str = ""
) -> tuple[str, AccountToken]:
    token = secrets.token_urlsafe(32)
    row = AccountToken(
        digest=_digest(token), session_id=session.id, kind=kind, redirect_uri=redirect_uri, expires_at=expires_at
    )
    return token, row


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
