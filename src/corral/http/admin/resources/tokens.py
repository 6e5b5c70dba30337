"""Bearer tokens of this API. A token is shown once, when it is made; what is kept is its hash."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from corral.http.admin.endpoint import Body, Call, View
from corral.http.admin.times import Seconds, Time, due, shown
from corral.lifecycle.state import Instant
from corral.service.errors import RequestRefused
from corral.store.vault import Credential


class NewToken(Body):
    """`name` says whose it is. Without an expiry it is good until it is revoked."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    expires_at: Time | None = None
    expires_in: Seconds | None = None


class TokenView(View):
    id: str
    name: str
    created_at: datetime | None
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
    found = await call.services.credentials.list()
    return TokenList(tokens=tuple(_view(each, call.now) for each in found))


async def create_token(call: Call, body: NewToken) -> CreatedToken:
    expires = due("expires", body.expires_at, body.expires_in, call.now)
    if expires is not None and expires <= call.now:
        raise RequestRefused("A token must expire in the future.")
    credential, token = await call.services.credentials.create(body.name, expires, call.by)
    return CreatedToken(credential=_view(credential, call.now), token=token)


async def revoke_token(call: Call, token: str) -> None:
    await call.services.credentials.revoke(token, call.by)


def _view(credential: Credential, now: Instant) -> TokenView:
    expired = credential.expires_at is not None and now >= credential.expires_at
    return TokenView(
        id=credential.id,
        name=credential.name,
        created_at=shown(credential.created_at),
        expires_at=shown(credential.expires_at),
        revoked_at=shown(credential.revoked_at),
        valid=credential.revoked_at is None and not expired,
    )
