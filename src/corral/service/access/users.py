"""People who administer: with a password, or by the organization's identity provider."""

from dataclasses import replace

from corral.lifecycle.change import Event
from corral.lifecycle.operating import OperationRefused
from corral.service.access.caller import Caller
from corral.service.access.credentials import LAST_ADMINISTRATOR
from corral.service.access.passwords import Passwords
from corral.service.access.roles import Roles, gone, stored_name
from corral.service.clock import Clock, fresh_id
from corral.service.errors import NotFound
from corral.store.access import AccessChange, AccessStore, Outcome, User


class Users:
    """Every verb names a user by name or id, and says who asks: who must have all that the user may."""

    def __init__(self, store: AccessStore, roles: Roles, passwords: Passwords, clock: Clock) -> None:
        self._store = store
        self._roles = roles
        self._passwords = passwords
        self._clock = clock

    async def list(self) -> tuple[User, ...]:
        return await self._store.users()

    async def find(self, name: str) -> User:
        """Raises NotFound."""
        found = await self._store.user(name.lower()) or await self._store.user(name)
        if found is None:
            raise NotFound(f"There is no user {name}.")
        return found

    async def add(self, name: str, role: str, password: str | None, by: Caller) -> User:
        """Raises OperationRefused for a name that is taken, RequestRefused for a bad password, Forbidden, NotFound."""
        by.may_give(await self._roles.permissions(role))
        user = User(
            id=fresh_id(),
            name=name.lower(),
            role=role,
            password=await self._passwords.hash(password) if password is not None else "",
            created_at=self._clock(),
            created_by=by.name,
        )
        match await self._commit("user.added", user, None, by, role=role):
            case Outcome.TAKEN:
                raise OperationRefused(f"There is a user {user.name} already.")
            case Outcome.MISSING:
                raise gone(role)
            case _:
                return user

    async def set_password(self, name: str, password: str, by: Caller) -> None:
        """All sessions of the user end."""
        user = await self._within(name, by)
        changed = replace(user, password=await self._passwords.hash(password))
        await self._change("user.password-set", changed, user, by, end_sessions=True)

    async def set_role(self, name: str, role: str, by: Caller) -> User:
        user = await self._within(name, by)
        by.may_give(await self._roles.permissions(role))
        return await self._change("user.role-set", replace(user, role=role), user, by, role=role)

    async def disable(self, name: str, by: Caller) -> User:
        """The user cannot sign in any more, and all sessions end."""
        user = await self._within(name, by)
        if user.disabled_at is not None:
            raise OperationRefused(f"User {user.name} is disabled already.")
        disabled = replace(user, disabled_at=self._clock())
        return await self._change("user.disabled", disabled, user, by, end_sessions=True)

    async def enable(self, name: str, by: Caller) -> User:
        user = await self._within(name, by)
        if user.disabled_at is None:
            raise OperationRefused(f"User {user.name} is not disabled.")
        return await self._change("user.enabled", replace(user, disabled_at=None), user, by)

    async def _within(self, name: str, by: Caller) -> User:
        user = await self.find(name)
        by.may_give(await self._roles.of(user.role))
        return user

    async def _change(
        self, kind: str, user: User, was: User, by: Caller, *, end_sessions: bool = False, **more: str
    ) -> User:
        match await self._commit(kind, user, was, by, end_sessions=end_sessions, **more):
            case Outcome.LAST:
                raise OperationRefused(LAST_ADMINISTRATOR)
            case Outcome.DONE:
                return user
            case _:
                raise OperationRefused(f"Somebody else has just changed user {user.name}; look, and try again.")

    async def _commit(
        self, kind: str, user: User, was: User | None, by: Caller, *, end_sessions: bool = False, **more: str
    ) -> Outcome:
        now = self._clock()
        event = Event(type=kind, at=now, data={"by": by.name, "user": user.id, "name": user.name, **more})
        change = AccessChange(
            at=now,
            user=user,
            user_was=was,
            needs_role=stored_name(more.get("role", "")),
            end_sessions_of=user.id if end_sessions else "",
            events=(event,),
        )
        return await self._store.commit(change)
