"""Roles: sets of permissions with a name."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from corral.http.admin.endpoint import Body, Call, View
from corral.http.admin.times import shown
from corral.service.access.permission import BUILT_IN, Permission
from corral.service.access.roles import known
from corral.service.errors import NotFound
from corral.store.access import Role

RoleName = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9._-]{0,62}$")]
Permissions = Annotated[tuple[Permission, ...], Meta(max_length=200)]


class NewRole(Body):
    name: RoleName
    permissions: Permissions


class ChangedRole(Body):
    permissions: Permissions


class RoleView(View):
    """`built_in`: always there, and always the same."""

    name: str
    permissions: tuple[Permission, ...]
    built_in: bool
    created_at: datetime | None
    created_by: str


class RoleList(View):
    roles: tuple[RoleView, ...]


async def list_roles(call: Call) -> RoleList:
    return RoleList(roles=tuple(map(_view, await call.services.access.roles.list())))


async def show_role(call: Call, role: str) -> RoleView:
    found = next((each for each in await call.services.access.roles.list() if each.name == role), None)
    if found is None:
        raise NotFound(f"There is no role {role}.")
    return _view(found)


async def create_role(call: Call, body: NewRole) -> RoleView:
    return _view(await call.services.access.roles.create(body.name, body.permissions, call.caller))


async def change_role(call: Call, role: str, body: ChangedRole) -> RoleView:
    return _view(await call.services.access.roles.change(role, body.permissions, call.caller))


async def remove_role(call: Call, role: str) -> None:
    await call.services.access.roles.remove(role, call.caller)


def _view(role: Role) -> RoleView:
    return RoleView(
        name=role.name,
        permissions=tuple(sorted(known(role.permissions))),
        built_in=role.name in BUILT_IN,
        created_at=shown(role.created_at),
        created_by=role.created_by,
    )
