"""Bearer tokens of this API. A token is shown once, when it is made; what is kept is its hash."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from corral.http.admin.endpoint import Body, Call, View
from corral.http.admin.resources.roles import Permissions, RoleName
from corral.http.admin.times import Seconds, Time, due, shown
from corral.lifecycle.state import Instant
from corral.service.access.credentials import is_good
from corral.service.access.permission import Permission
from corral.service.errors import RequestRefused
from corral.store.access import Credential


class NewToken(Body):
    """`name` says whose it is. It may do what its `role` may, or what `permissions` lists: either must be given.

    Without an expiry it is good until it is revoked.
    """

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    role: RoleName | None = None
    permissions: Permissions = ()
    expires_at: Time | None = None
    expires_in: Seconds | None = None


class TokenView(View):
    """`permissions` are those that it has now, by its role or its own."""

    id: str
    name: str
    role: str | None
    permissions: tuple[Permission, ...]
    created_at: datetime | None
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    valid: bool


class CreatedToken(View):
    """`token` is shown here and never again."""

    credential: TokenView
    token: str


class TokenList(View):
    tokens: tuple[TokenView, ...]


async def list_tokens(call: Call) -> TokenList:
    found = await call.services.access.credentials.listed()
    return TokenList(tokens=tuple(_view(each, permissions, call.now) for each, permissions in found))


async def create_token(call: Call, body: NewToken) -> CreatedToken:
    expires = due("expires", body.expires_at, body.expires_in, call.now)
    if expires is not None and expires <= call.now:
        raise RequestRefused("A token must expire in the future.")
    credentials = call.services.access.credentials
    credential, token = await credentials.create(
        body.name, call.caller, role=body.role or "", permissions=body.permissions, expires_at=expires
    )
    return CreatedToken(credential=_view(credential, await credentials.permissions(credential), call.now), token=token)


async def revoke_token(call: Call, token: str) -> None:
    await call.services.access.credentials.revoke(token, call.caller)


def _view(credential: Credential, permissions: frozenset[Permission], now: Instant) -> TokenView:
    return TokenView(
        id=credential.id,
        name=credential.name,
        role=credential.role or None,
        permissions=tuple(sorted(permissions)),
        created_at=shown(credential.created_at),
        created_by=credential.created_by,
        expires_at=shown(credential.expires_at),
        revoked_at=shown(credential.revoked_at),
        valid=is_good(credential, now),
    )
