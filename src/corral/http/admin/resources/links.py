"""Enrollment links: made, listed, withdrawn, and their profiles."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from corral.apple.profile import CONTENT_TYPE
from corral.http.admin.endpoint import Body, Call, File, Query, View
from corral.http.admin.paging import mark_of
from corral.http.admin.times import Seconds, Time, due, shown
from corral.lifecycle.change import Event
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.state import DAY, IdentityKind, Instant, Link
from corral.service.errors import NotFound
from corral.store.marks import Mark


class NewLink(Body):
    """`uses` null: any number of devices. Without an expiry the setting `link_days` counts. `identity`: how its devices
    get their certificate, `scep` or `acme`; null: as the setting `identity_enrollment` says."""

    uses: Annotated[int, Meta(ge=1, le=1_000_000)] | None = 1
    expires_at: Time | None = None
    expires_in: Seconds | None = None
    device_id: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    serial_number: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    note: Annotated[str, Meta(max_length=1000)] = ""
    identity: IdentityKind | None = None


class LinkView(View):
    """`used` counts connected devices; `closed` says why nobody can enroll by it any more, or is empty."""

    id: str
    created_at: datetime | None
    created_by: str
    note: str
    uses: int | None
    used: int
    expires_at: datetime | None
    device_id: str | None
    serial_number: str | None
    identity: IdentityKind | None
    closed: str


class CreatedLink(View):
    """`url` is shown here and never again."""

    link: LinkView
    url: str


class LinkQuery(Query):
    before: str | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class LinkPage(View):
    """Newest first; `next` is the `before` of the following page."""

    links: tuple[LinkView, ...]
    next: str | None


class NewProfile(Body):
    """`signed` false: the bare property list, for tools that cannot read a signed one."""

    signed: bool = True


async def list_links(call: Call, query: LinkQuery) -> LinkPage:
    found = await call.services.grants.links(query.limit + 1, mark_of(query.before))
    page = found[: query.limit]
    views = tuple(_view(link, call.now) for link in page)
    return LinkPage(links=views, next=str(Mark(page[-1].created_at, page[-1].id)) if len(found) > len(page) else None)


async def create_link(call: Call, body: NewLink) -> CreatedLink:
    expires = due("expires", body.expires_at, body.expires_in, call.now)
    link, token = await call.services.enrolling.create_link(
        uses=body.uses,
        expires_at=call.now + call.link_days * DAY if expires is None else expires,
        device_id=body.device_id,
        serial_number=body.serial_number,
        note=body.note,
        identity=body.identity,
        by=call.by,
    )
    return CreatedLink(link=_view(link, call.now), url=call.services.enrolling.link_url(token))


async def show_link(call: Call, link: str) -> LinkView:
    return _view(await _find(call, link), call.now)


async def revoke_link(call: Call, link: str) -> None:
    await call.services.enrolling.revoke_link(link, call.by)


async def make_profile(call: Call, link: str, body: NewProfile) -> Annotated[File, CONTENT_TYPE]:
    """Each profile carries a challenge of its own, so this is a POST."""
    found = await _find(call, link)
    refusal = found.refusal(call.now)
    if refusal:
        raise OperationRefused(refusal)
    profile = await call.services.enrolling.profile(found, signed=body.signed)
    event = Event(type="link.profile-made", at=call.now, data={"link": link, "by": call.by})
    await call.services.events.append((event,))
    return File(profile)


async def _find(call: Call, link_id: str) -> Link:
    link = await call.services.grants.link(link_id)
    if link is None:
        raise NotFound(f"There is no enrollment link {link_id}.")
    return link


def _view(link: Link, now: Instant) -> LinkView:
    return LinkView(
        id=link.id,
        created_at=shown(link.created_at),
        created_by=link.created_by,
        note=link.note,
        uses=link.uses,
        used=link.used,
        expires_at=shown(link.expires_at),
        device_id=link.device_id,
        serial_number=link.serial_number,
        identity=link.identity,
        closed=link.refusal(now) or "",
    )
