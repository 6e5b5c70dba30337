"""The audit trail: who did what, on what, from where, and how it ended."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from corral.http.admin.endpoint import Call, Number, Query, View
from corral.http.admin.times import Time, due, shown
from corral.service.access.audit import Verdict
from corral.store.audit import Audited, AuditOutcome, AuditQuery, End

_Text = Annotated[str, Meta(max_length=255)]


class AuditFilter(Query):
    """`actor` is an id or a name; `what` the type of an event; `operation` as OpenAPI names it
    (`operationId`), or with underscores, as entries have it."""

    actor: _Text | None = None
    what: _Text | None = None
    operation: _Text | None = None
    device: _Text | None = None
    outcome: AuditOutcome | None = None
    since: Time | None = None
    until: Time | None = None
    before: Number | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class ActorView(View):
    """`kind`: local, token, user or nobody. `address` is the peer as the transport tells it."""

    kind: str
    id: str
    name: str
    address: str
    user_agent: str
    request_id: str


class AuditView(View):
    """`what` is the type of the event that the change wrote, else the operation. `place`: null until it is linked."""

    sequence: int
    at: datetime | None
    actor: ActorView
    operation: str
    outcome: AuditOutcome
    what: str
    device_id: str | None
    data: Mapping[str, Any]
    place: int | None


class AuditPage(View):
    """Newest first; `next` is the `before` of the following page."""

    entries: tuple[AuditView, ...]
    next: int | None


class ChainQuery(Query):
    after: Number | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 500


class EndView(View):
    """A place in the chain, and its link in hex."""

    place: int
    link: str


class ChainedView(View):
    """`content` is what is hashed, behind the link before: as JSON without spaces, in UTF-8."""

    content: tuple[int | str | None, ...]
    link: str


class ChainPage(View):
    """Behind `after`, or behind `anchor` without it; `next` is the `after` of the following page."""

    anchor: EndView | None
    head: EndView | None
    waiting: int
    entries: tuple[ChainedView, ...]
    next: int | None


class BreakView(View):
    place: int
    why: str


class TrailVerdict(View):
    """`holds` unless there are `breaks`. `waiting` entries have no place in the chain yet: they get it in seconds."""

    holds: bool
    entries: int
    waiting: int
    anchor: EndView | None
    head: EndView | None
    breaks: tuple[BreakView, ...]


async def list_audit(call: Call, query: AuditFilter) -> AuditPage:
    found = await call.services.access.audit.read(
        AuditQuery(
            limit=query.limit + 1,
            before=query.before,
            actor=query.actor,
            what=query.what,
            operation=_underscored(query.operation),
            device_id=query.device,
            outcome=query.outcome,
            since=due("since", query.since, None, call.now),
            until=due("until", query.until, None, call.now),
        )
    )
    page = found[: query.limit]
    following = page[-1].sequence if len(found) > len(page) else None
    return AuditPage(entries=tuple(map(_view, page)), next=following)


async def list_chain(call: Call, query: ChainQuery) -> ChainPage:
    trail = call.services.access.audit
    ends = await trail.ends()
    anchored = ends.anchor.place if ends.anchor is not None else 0
    found = await trail.linked(anchored if query.after is None else query.after, query.limit)
    return ChainPage(
        anchor=_end(ends.anchor),
        head=_end(ends.head),
        waiting=ends.waiting,
        entries=tuple(ChainedView(content=each.columns, link=each.link.hex()) for each in found),
        next=found[-1].place if len(found) == query.limit else None,
    )


async def verify_audit(call: Call) -> TrailVerdict:
    return _verdict(await call.services.access.audit.verify())


def _underscored(operation: str | None) -> str | None:
    return operation and re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", operation)


def _view(each: Audited) -> AuditView:
    entry, actor = each.entry, each.entry.actor
    return AuditView(
        sequence=each.sequence,
        at=shown(entry.at),
        actor=ActorView(
            kind=actor.kind,
            id=actor.id,
            name=actor.name,
            address=actor.address,
            user_agent=actor.agent,
            request_id=actor.request,
        ),
        operation=actor.operation,
        outcome=entry.outcome,
        what=entry.what,
        device_id=entry.device_id,
        data=entry.data,
        place=each.place,
    )


def _verdict(verdict: Verdict) -> TrailVerdict:
    return TrailVerdict(
        holds=not verdict.breaks,
        entries=verdict.entries,
        waiting=verdict.waiting,
        anchor=_end(verdict.anchor),
        head=_end(verdict.head),
        breaks=tuple(BreakView(place=each.place, why=each.why) for each in verdict.breaks),
    )


def _end(end: End | None) -> EndView | None:
    return None if end is None else EndView(place=end.place, link=end.link.hex())
