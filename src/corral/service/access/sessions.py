"""Sessions of users: a token of short life for a password, or for a sign-in with the identity provider."""

from dataclasses import replace

from corral.lifecycle.change import Event
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.state import Instant
from corral.service.access.caller import Caller
from corral.service.access.credentials import digest, is_good, make_token
from corral.service.access.limits import Limits
from corral.service.access.passwords import Passwords
from corral.service.access.roles import Roles
from corral.service.clock import Clock, fresh_id
from corral.service.errors import NotFound, RequestRefused, SignInFailed
from corral.store.access import AccessChange, AccessStore, Credential, Outcome, User

NOT_SO = "That is not a user and a password of this service."


class UserSessions:
    """`time` is how long a session lasts."""

    def __init__(
        self, store: AccessStore, roles: Roles, passwords: Passwords, limits: Limits, clock: Clock, time: Instant
    ) -> None:
        self._store = store
        self._roles = roles
        self._passwords = passwords
        self._limits = limits
        self._clock = clock
        self._time = time

    async def begin(self, name: str, password: str, source: str) -> tuple[Credential, str]:
        """A session and its token. Raises SignInFailed in the same words, and after the same time, whatever is
        wrong; TooManyAttempts, OverCapacity."""
        name = name.lower()
        attempt = self._limits.begin(source, name)
        user = await self._store.user(name)
        known = user is not None and user.name == name and user.disabled_at is None
        good = await self._passwords.check(user.password if user is not None and known else "", password)
        if user is None or not good:
            # What is nobody's name may be a password that went into the wrong field: it is not repeated anywhere.
            raise SignInFailed(NOT_SO, "" if user is None else user.name)
        self._limits.succeeded(attempt)
        return await self.open(user, "password")

    async def open(self, user: User, how: str) -> tuple[Credential, str]:
        """A session of somebody who has proven who they are."""
        token, now = make_token(), self._clock()
        session = Credential(
            id=fresh_id(),
            name=user.name,
            digest=digest(token),
            created_at=now,
            created_by=user.name,
            expires_at=now + self._time,
            user_id=user.id,
        )
        data = {"by": user.name, "user": user.id, "session": session.id, "how": how}
        event = Event(type="session.begun", at=now, data=data)
        # The user must still be who was looked at: a password that was changed meanwhile is not good any more.
        change = AccessChange(at=now, user=user, user_was=user, credential=session, events=(event,))
        if await self._store.commit(change) is not Outcome.DONE:
            raise SignInFailed(NOT_SO, user.name)
        return session, token

    async def list(self) -> tuple[Credential, ...]:
        """Those that are good now, newest first."""
        now = self._clock()
        return tuple(
            each for each in await self._store.credentials() if each.user_id is not None and is_good(each, now)
        )

    async def end_own(self, by: Caller) -> None:
        if not by.session:
            raise OperationRefused(f"{by.name} is not signed in by a session; a token is revoked instead.")
        await self._end(by.session, by)

    async def end(self, session_id: str, by: Caller) -> None:
        """Raises NotFound, and Forbidden for the session of somebody who may do more."""
        found = next((each for each in await self.list() if each.id == session_id), None)
        user = await self._store.user(found.user_id) if found is not None and found.user_id is not None else None
        if found is None or user is None:
            raise NotFound(f"There is no session {session_id}, or it is over.")
        by.may_give(await self._roles.of(user.role))
        await self._end(session_id, by)

    async def change_password(self, old: str, new: str, by: Caller, source: str) -> None:
        """One's own; all of one's sessions end. Raises SignInFailed for a wrong old one, TooManyAttempts."""
        user = await self._store.user(by.id) if by.session else None
        if user is None or not user.password:
            raise OperationRefused(f"{by.name} has no password here.")
        attempt = self._limits.begin(source, user.name)
        if not await self._passwords.check(user.password, old):
            raise RequestRefused("The old password is not that.")
        self._limits.succeeded(attempt)
        changed = replace(user, password=await self._passwords.hash(new))
        now = self._clock()
        event = Event(type="user.password-set", at=now, data={"by": by.name, "user": user.id, "name": user.name})
        change = AccessChange(at=now, user=changed, user_was=user, end_sessions_of=user.id, events=(event,))
        if await self._store.commit(change) is not Outcome.DONE:
            raise OperationRefused("Somebody else has just changed this user; try again.")

    async def _end(self, session_id: str, by: Caller) -> None:
        now = self._clock()
        event = Event(type="session.ended", at=now, data={"by": by.name, "session": session_id})
        if await self._store.commit(AccessChange(at=now, revoke=session_id, events=(event,))) is not Outcome.DONE:
            raise NotFound(f"There is no session {session_id}, or it is over.")
