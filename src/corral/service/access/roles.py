"""Roles: those that the program brings, and those that people make of permissions."""

from collections.abc import Iterable, Sequence

from corral.lifecycle.change import Event
from corral.lifecycle.operating import OperationRefused
from corral.service.access.caller import Caller
from corral.service.access.permission import BUILT_IN, Permission
from corral.service.clock import Clock
from corral.service.errors import NotFound
from corral.store.access import AccessChange, AccessStore, Outcome, Role

_BY_NAME = {each.value: each for each in Permission}


def known(permissions: Iterable[str]) -> frozenset[Permission]:
    """Without those that another version knew: they allow nothing here."""
    return frozenset(found for each in permissions if (found := _BY_NAME.get(each)) is not None)


def resolve(name: str, stored: Iterable[Role]) -> frozenset[Permission] | None:
    """What a role allows; None where there is no such role."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    return next((known(each.permissions) for each in stored if each.name == name), None)


def stored_name(name: str) -> str:
    """The name of a role that somebody has made; empty for one that is always there."""
    return "" if name in BUILT_IN else name


def gone(name: str) -> NotFound:
    return NotFound(f"There is no role {name}; `corral role list` has those that there are.")


class Roles:
    def __init__(self, store: AccessStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def list(self) -> tuple[Role, ...]:
        """The built-in ones first; those have no time."""
        built_in = (
            Role(name=name, permissions=tuple(sorted(permissions)), created_at=0)
            for name, permissions in BUILT_IN.items()
        )
        return (*built_in, *await self._store.roles())

    async def permissions(self, name: str) -> frozenset[Permission]:
        """Raises NotFound."""
        found = resolve(name, await self._store.roles())
        if found is None:
            raise gone(name)
        return found

    async def of(self, name: str) -> frozenset[Permission]:
        """The same for a role that somebody has: one that is gone allows nothing."""
        return resolve(name, await self._store.roles()) or frozenset()

    async def create(self, name: str, permissions: Sequence[Permission], by: Caller) -> Role:
        """Raises OperationRefused, and Forbidden for what `by` does not have."""
        _refuse_built_in(name)
        by.may_give(permissions)
        role = self._make(name, permissions, by)
        if await self._commit(role, by, "role.created", is_new=True) is Outcome.TAKEN:
            raise OperationRefused(f"There is a role {name} already.")
        return role

    async def change(self, name: str, permissions: Sequence[Permission], by: Caller) -> Role:
        """It counts from the next request on of whoever has it. Raises OperationRefused, NotFound, Forbidden."""
        _refuse_built_in(name)
        by.may_give({*permissions, *await self.permissions(name)})
        role = self._make(name, permissions, by)
        if await self._commit(role, by, "role.changed", is_new=False) is Outcome.MISSING:
            raise NotFound(f"There is no role {name}.")
        return role

    async def remove(self, name: str, by: Caller) -> None:
        """Raises OperationRefused while somebody has it; NotFound, Forbidden."""
        _refuse_built_in(name)
        by.may_give(await self.permissions(name))
        now = self._clock()
        event = Event(type="role.removed", at=now, data={"by": by.name, "role": name})
        match await self._store.commit(AccessChange(at=now, drop_role=name, events=(event,))):
            case Outcome.IN_USE:
                raise OperationRefused(f"A user or a token has the role {name}; give them another first.")
            case Outcome.DONE:
                pass
            case _:
                raise NotFound(f"There is no role {name}.")

    def _make(self, name: str, permissions: Sequence[Permission], by: Caller) -> Role:
        return Role(
            name=name, permissions=tuple(sorted(set(permissions))), created_at=self._clock(), created_by=by.name
        )

    async def _commit(self, role: Role, by: Caller, kind: str, *, is_new: bool) -> Outcome:
        data = {"by": by.name, "role": role.name, "permissions": role.permissions}
        event = Event(type=kind, at=role.created_at, data=data)
        return await self._store.commit(
            AccessChange(at=role.created_at, role=role, role_is_new=is_new, events=(event,))
        )


def _refuse_built_in(name: str) -> None:
    if name in BUILT_IN:
        raise OperationRefused(f"{name} is a role that is always there, and always the same; choose another name.")
