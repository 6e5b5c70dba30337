"""Administrators sign in with the organization's identity provider: to it in a browser, and back with a code.

Whoever begins gets a secret, and whoever signed in gets a code; only both together open a session. So somebody who has
talked an administrator into signing in at a URL of theirs still lacks the code, which is shown in that browser alone.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import msgspec
from itsdangerous import BadData, URLSafeSerializer

from corral.lifecycle.change import Event
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.state import MINUTE, Instant
from corral.service.access.credentials import LAST_ADMINISTRATOR
from corral.service.access.limits import Limits
from corral.service.access.roles import Roles, stored_name
from corral.service.access.sessions import UserSessions
from corral.service.accounts.person import groups_of
from corral.service.accounts.provider import Provider, make_proof
from corral.service.clock import Clock, fresh_id
from corral.service.errors import SignInFailed
from corral.store.access import AccessChange, AccessStore, Credential, Outcome, User
from corral.store.accounts import AccountStore, AccountToken, TokenKind

TIME = 15 * MINUTE
"""How long a person may take at the provider ..."""
CODE_TIME = 5 * MINUTE
"""... and to bring the code back."""
_MOST = 4096

_T = TypeVar("_T", "_SignIn", "_Code")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRules:
    """`groups` of the provider to roles here, the first that fits counts; `name_claim` names the user."""

    issuer: str
    groups: Mapping[str, str]
    groups_claim: str = "groups"
    name_claim: str = "email"

    def role(self, claims: Mapping[str, object]) -> str:
        """Raises SignInFailed."""
        has = groups_of(claims.get(self.groups_claim))
        found = next((role for group, role in self.groups.items() if group in has), None)
        if found is None:
            raise SignInFailed("Your account is in none of the groups that may administer devices.")
        return found

    def name(self, claims: Mapping[str, object]) -> str:
        """In small letters. Raises SignInFailed."""
        name = claims.get(self.name_claim)
        if not isinstance(name, str) or not 0 < len(name) <= 100 or not name.isprintable():
            raise SignInFailed(f"Your account has no {self.name_claim}, by which you would be known here.")
        if self.name_claim == "email" and claims.get("email_verified") is False:
            raise SignInFailed("The e-mail address of your account is not confirmed.")
        return name.lower()


class _SignIn(msgspec.Struct, frozen=True, tag="sign-in"):
    nonce: str
    secret: str
    """The hash of what whoever began it was given."""
    expires_at: Instant


class _Code(msgspec.Struct, frozen=True, tag="code"):
    id: str
    user_id: str
    secret: str
    expires_at: Instant


class SingleSignOn:
    """`key` is a secret of this installation, of 32 bytes, for nothing else."""

    def __init__(
        self,
        key: bytes,
        provider: Provider,
        rules: SignInRules,
        store: AccessStore,
        spent: AccountStore,
        roles: Roles,
        sessions: UserSessions,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._key = key
        self._serializer = URLSafeSerializer(
            key, salt="corral administrators", signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
        )
        self._provider = provider
        self._rules = rules
        self._store = store
        self._spent = spent
        self._roles = roles
        self._sessions = sessions
        self._limits = limits
        self._clock = clock

    async def begin(self) -> tuple[str, str]:
        """The provider's URL, and the secret of who begins. Raises ProviderError."""
        secret = secrets.token_urlsafe(32)
        sign_in = _SignIn(secrets.token_urlsafe(24), _hash(secret), self._clock() + TIME)
        url = await self._provider.sign_in_url(self._write(sign_in), make_proof(self._key, sign_in.nonce), "")
        return url, secret

    async def come_back(self, state: str, code: str, source: str) -> str:
        """Somebody has signed in at the provider: the code to show them.

        Raises SignInFailed, ProviderError, and TooManyAttempts where too many have failed from that source.
        """
        attempt = self._limits.begin(source, "")
        sign_in = self._read(state, _SignIn)
        if sign_in is None or not await self._spend(state, sign_in.expires_at):
            raise SignInFailed("This sign-in was not begun here, is over, or took too long; begin again.")
        claims = await self._provider.redeem(code, make_proof(self._key, sign_in.nonce))
        user = await self._user(claims)
        self._limits.succeeded(attempt)
        return self._write(_Code(fresh_id(), user.id, sign_in.secret, self._clock() + CODE_TIME))

    async def finish(self, secret: str, code: str, source: str) -> tuple[Credential, str]:
        """A session for the code, brought by whoever began. Raises SignInFailed, and TooManyAttempts as above."""
        attempt = self._limits.begin(source, "")
        found = self._read(code, _Code)
        user = await self._store.user(found.user_id) if found is not None else None
        fits = found is not None and hmac.compare_digest(found.secret, _hash(secret))
        if found is None or user is None or not fits or user.disabled_at is not None:
            raise SignInFailed("This code is not good here: it was not made for this sign-in, or is too old.")
        if not await self._spend(code, found.expires_at):
            raise SignInFailed("This code has been used already; sign in again.")
        session = await self._sessions.open(user, "identity provider")
        self._limits.succeeded(attempt)
        return session

    async def _user(self, claims: Mapping[str, object]) -> User:
        """Whoever these claims are of, with the role of their groups. Raises SignInFailed."""
        subject = f"{self._rules.issuer}#{claims['sub']}"
        name, role = self._rules.name(claims), self._rules.role(claims)
        await self._roles.permissions(role)
        known = await self._store.user_of(subject)
        if known is not None and known.disabled_at is not None:
            raise SignInFailed("This user is disabled here.")
        if known is not None and known.role == role:
            return known
        user = replace(known, role=role) if known is not None else self._new(name, role, subject)
        now = self._clock()
        kind = "user.role-set" if known is not None else "user.added"
        data = {"by": "identity provider", "user": user.id, "name": user.name, "role": role}
        event = Event(type=kind, at=now, data=data)
        change = AccessChange(at=now, user=user, user_was=known, needs_role=stored_name(role), events=(event,))
        match await self._store.commit(change):
            case Outcome.DONE:
                return user
            case Outcome.TAKEN:
                raise SignInFailed(f"There is a user {name} here already, who signs in with a password.")
            case Outcome.LAST:
                raise OperationRefused(LAST_ADMINISTRATOR)
            case _:
                raise SignInFailed("This user has just been changed; sign in again.")

    def _new(self, name: str, role: str, subject: str) -> User:
        return User(
            id=fresh_id(),
            name=name,
            role=role,
            subject=subject,
            created_at=self._clock(),
            created_by="identity provider",
        )

    async def _spend(self, what: str, expires_at: Instant) -> bool:
        digest = hashlib.sha256(what.encode()).digest()
        token = AccountToken(digest=digest, session_id="", kind=TokenKind.STATE, expires_at=expires_at)
        return await self._spent.add_tokens((token,))

    def _write(self, value: _SignIn | _Code) -> str:
        return str(self._serializer.dumps(msgspec.to_builtins(value)))

    def _read(self, text: str, kind: type[_T]) -> _T | None:
        """None for what was not made here, is something else, or is too old."""
        if len(text) > _MOST:
            return None
        try:
            found = msgspec.convert(cast(object, self._serializer.loads(text)), kind)
        except (BadData, msgspec.ValidationError, ValueError):
            return None
        return found if self._clock() < found.expires_at else None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
