"""Sign-ins of people who enrolled with an account. Their tokens are hashes; what ends a session ends them all."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from corral.http.admin.endpoint import Call, Query, View
from corral.http.admin.paging import mark_of
from corral.http.admin.times import shown
from corral.lifecycle.state import Instant
from corral.store.accounts import AccountSession
from corral.store.marks import Mark


class AccountSessionQuery(Query):
    """Newest first; `before` is the `next` of the page before."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    before: str | None = None


class AccountSessionView(View):
    """`account` is the Managed Apple Account, `subject` what the identity provider calls the person."""

    id: str
    account: str
    subject: str
    created_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    valid: bool


class AccountSessionList(View):
    sessions: tuple[AccountSessionView, ...]
    next: str | None
    """`before` of the next page; null when this is the last."""


async def list_account_sessions(call: Call, query: AccountSessionQuery) -> AccountSessionList:
    found = await call.services.account_sessions.list(query.limit + 1, mark_of(query.before))
    page = found[: query.limit]
    return AccountSessionList(
        sessions=tuple(_view(each, call.now) for each in page),
        next=str(Mark(page[-1].created_at, page[-1].id)) if len(found) > query.limit else None,
    )


async def revoke_account_session(call: Call, session: str) -> None:
    await call.services.account_sessions.revoke(session, call.by)


def _view(session: AccountSession, now: Instant) -> AccountSessionView:
    return AccountSessionView(
        id=session.id,
        account=session.account,
        subject=session.subject,
        created_at=shown(session.created_at),
        expires_at=shown(session.expires_at),
        revoked_at=shown(session.revoked_at),
        valid=session.revoked_at is None and now < session.expires_at,
    )
