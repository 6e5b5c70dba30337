"""People who administer. No password comes out again."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from corral.http.admin.endpoint import Body, Call, View
from corral.http.admin.resources.roles import RoleName
from corral.http.admin.times import shown
from corral.store.access import User

UserName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}$")]
Password = Annotated[str, Meta(max_length=1000)]


class NewUser(Body):
    """Without a password, somebody must set one before the user can sign in."""

    name: UserName
    role: RoleName
    password: Password | None = None


class NewPassword(Body):
    password: Password


class NewRoleOfUser(Body):
    role: RoleName


class UserView(View):
    """`provider`: signs in with the identity provider, whose groups say the role."""

    id: str
    name: str
    role: str
    has_password: bool
    provider: bool
    created_at: datetime | None
    created_by: str
    disabled_at: datetime | None


class UserList(View):
    users: tuple[UserView, ...]


async def list_users(call: Call) -> UserList:
    return UserList(users=tuple(map(_view, await call.services.access.users.list())))


async def add_user(call: Call, body: NewUser) -> UserView:
    return _view(await call.services.access.users.add(body.name, body.role, body.password, call.caller))


async def show_user(call: Call, user: str) -> UserView:
    return _view(await call.services.access.users.find(user))


async def set_user_password(call: Call, user: str, body: NewPassword) -> None:
    await call.services.access.users.set_password(user, body.password, call.caller)


async def set_user_role(call: Call, user: str, body: NewRoleOfUser) -> UserView:
    return _view(await call.services.access.users.set_role(user, body.role, call.caller))


async def disable_user(call: Call, user: str) -> UserView:
    return _view(await call.services.access.users.disable(user, call.caller))


async def enable_user(call: Call, user: str) -> UserView:
    return _view(await call.services.access.users.enable(user, call.caller))


def _view(user: User) -> UserView:
    return UserView(
        id=user.id,
        name=user.name,
        role=user.role,
        has_password=bool(user.password),
        provider=bool(user.subject),
        created_at=shown(user.created_at),
        created_by=user.created_by,
        disabled_at=shown(user.disabled_at),
    )
