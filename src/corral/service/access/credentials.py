"""Bearer tokens of the admin API: 256 random bits, shown once, kept as a hash; each may do what it was given."""

import hashlib
import secrets
from collections.abc import Iterable, Sequence

from corral.lifecycle.change import Event
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.state import Instant
from corral.service.access.caller import Caller, CallerKind
from corral.service.access.permission import Permission
from corral.service.access.roles import Roles, gone, known, resolve, stored_name
from corral.service.clock import Clock, fresh_id
from corral.service.errors import NotFound, RequestRefused
from corral.store.access import AccessChange, AccessStore, Credential, Held, Outcome, Role

PREFIX = "corral_"
"""Lets a leaked token be recognized by scanners."""

LAST_ADMINISTRATOR = (
    "No user who can sign in and no token that lasts would be an administrator any more. Give somebody that role "
    "first: `corral token create NAME --role administrator`."
)


def digest(token: str) -> bytes:
    """What is stored of a token. Plain SHA-256 will do for 256 random bits."""
    return hashlib.sha256(token.encode()).digest()


def make_token() -> str:
    return PREFIX + secrets.token_urlsafe(32)


class Credentials:
    def __init__(self, store: AccessStore, roles: Roles, clock: Clock) -> None:
        self._store = store
        self._roles = roles
        self._clock = clock

    async def create(
        self,
        name: str,
        by: Caller,
        *,
        role: str = "",
        permissions: Sequence[Permission] = (),
        expires_at: Instant | None = None,
    ) -> tuple[Credential, str]:
        """A new credential and its token, which nobody can read again.

        Raises RequestRefused, NotFound, and Forbidden for what `by` does not have.
        """
        if bool(role) == bool(permissions):
            raise RequestRefused("Say what the token may do: a role, or a list of permissions, and not both.")
        by.may_give(await self._roles.permissions(role) if role else permissions)
        token, now = make_token(), self._clock()
        credential = Credential(
            id=fresh_id(),
            name=name,
            digest=digest(token),
            created_at=now,
            created_by=by.name,
            expires_at=expires_at,
            role=role,
            permissions=tuple(sorted(set(permissions))),
        )
        data = {"by": by.name, "token": credential.id, "name": name, "role": role, "permissions": permissions}
        event = Event(type="token.created", at=now, data=data)
        change = AccessChange(at=now, credential=credential, needs_role=stored_name(role), events=(event,))
        if await self._store.commit(change) is Outcome.MISSING:
            raise gone(role)
        return credential, token

    async def verify(self, token: str) -> Caller | None:
        """Who comes with a token that is neither expired nor revoked. Looked up by hash, so timing tells nothing."""
        if not token.startswith(PREFIX) or len(token) > 128:
            return None
        held = await self._store.find(digest(token))
        if held is None or not is_good(held.credential, self._clock()):
            return None
        return _caller(held)

    async def listed(self) -> tuple[tuple[Credential, frozenset[Permission]], ...]:
        """The same, with what each may do."""
        stored = await self._store.roles()
        return tuple((each, _allowed(each, stored)) for each in await self.list())

    async def list(self) -> tuple[Credential, ...]:
        """Tokens; the sessions of users are not among them."""
        return tuple(each for each in await self._store.credentials() if each.user_id is None)

    async def revoke(self, credential_id: str, by: Caller) -> None:
        """Raises NotFound, Forbidden, and OperationRefused for the last administrator."""
        missing = NotFound(f"There is no token {credential_id}, or it is revoked already.")
        found = next((each for each in await self.list() if each.id == credential_id), None)
        if found is None:
            raise missing
        by.may_give(await self.permissions(found))
        now = self._clock()
        event = Event(type="token.revoked", at=now, data={"by": by.name, "token": credential_id, "name": found.name})
        match await self._store.commit(AccessChange(at=now, revoke=credential_id, events=(event,))):
            case Outcome.LAST:
                raise OperationRefused(LAST_ADMINISTRATOR)
            case Outcome.DONE:
                pass
            case _:
                raise missing

    async def permissions(self, credential: Credential) -> frozenset[Permission]:
        """Of a token; of one whose role is gone, none."""
        return _allowed(credential, await self._store.roles() if credential.role else ())


def is_good(credential: Credential, now: Instant) -> bool:
    return credential.revoked_at is None and (credential.expires_at is None or now < credential.expires_at)


def _allowed(credential: Credential, stored: Iterable[Role]) -> frozenset[Permission]:
    """What a token may do, by its role or its own list."""
    if not credential.role:
        return known(credential.permissions)
    return resolve(credential.role, stored) or frozenset()


def _caller(held: Held) -> Caller | None:
    credential, user = held.credential, held.user
    stored = () if held.role is None else (held.role,)
    if credential.user_id is None:
        return Caller(
            kind=CallerKind.TOKEN,
            id=credential.id,
            name=credential.name,
            role=credential.role,
            permissions=_allowed(credential, stored),
        )
    if user is None or user.disabled_at is not None:
        return None
    return Caller(
        kind=CallerKind.USER,
        id=user.id,
        name=user.name,
        role=user.role,
        permissions=resolve(user.role, stored) or frozenset(),
        session=credential.id,
    )
