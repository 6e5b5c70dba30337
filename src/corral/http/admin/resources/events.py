"""What happened: page by page after a cursor, or as a stream."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from corral.http.admin.endpoint import Call, Number, Query, Stream, View
from corral.http.admin.problems import ProblemError
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.vocabulary import OF_RIGHTS
from corral.service.access.permission import Permission
from corral.service.errors import RequestRefused
from corral.service.events.document import EventDocument, document
from corral.service.events.feed import Page, Selection
from corral.store.errors import StoreUnavailable

HEARTBEAT = 15.0
"""Seconds of silence after which a stream says that it is there."""
LONGEST_WAIT = 55
RETRY = 2000
"""Milliseconds after which a client that lost its stream comes again."""

Types: TypeAlias = Annotated[str, Meta(min_length=1, max_length=2000)]


class EventQuery(Query):
    """`types`: patterns with commas between. `last`: begin so many numbers before the end. `wait`: so many seconds for
    something to happen."""

    after: Number | None = None
    last: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    types: Types | None = None
    device: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    wait: Annotated[int, Meta(ge=0, le=LONGEST_WAIT)] = 0


class StreamQuery(Query):
    """Without `after` (and the header Last-Event-ID) the stream begins with what happens now."""

    after: Number | None = None
    types: Types | None = None
    device: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class EventPage(View):
    """Oldest first; `next` is the `after` of the following page, also when there is nothing more yet.

    Where events were asked for by type, a page may be empty though more follow: go on until `next` stays the same.
    """

    events: tuple[EventDocument, ...]
    next: int


async def list_events(call: Call, query: EventQuery) -> EventPage:
    if query.after is not None and query.last is not None:
        raise RequestRefused("Give either `after` or `last`, not both.")
    feed = call.services.feed
    after = query.after or 0
    if query.last is not None:
        after = max(await feed.last() - query.last, 0)
    elif after:
        await _check(call, after)
    selection = await _selection(call, query.types, query.device)
    if query.wait:
        page = await feed.wait(after, query.limit, selection, query.wait)
    else:
        page = await feed.read(after, query.limit, selection)
    return EventPage(events=tuple(map(document, page.events)), next=page.next)


async def stream_events(call: Call, query: StreamQuery) -> Stream:
    """Server-sent events (HTML Living Standard, 9.2): `id` is the number, `event` the type, `data` the event."""
    after = query.after
    if call.last_event_id:
        if not (call.last_event_id.isascii() and call.last_event_id.isdigit() and len(call.last_event_id) < 19):
            raise ProblemError(422, "Last-Event-ID is the number of an event.")
        after = int(call.last_event_id)
    if after is None:
        after = await call.services.feed.last()
    else:
        await _check(call, after)
    selection = await _selection(call, query.types, query.device)
    call.services.feed.check_room(selection.reader)
    return Stream(_lines(call.services.feed.follow(after, selection, HEARTBEAT)))


async def _check(call: Call, after: int) -> None:
    """Whoever has read further than there is would wait, and miss all that gets the numbers which they know.

    Raises OperationRefused.
    """
    last = await call.services.feed.last()
    if after > last:
        raise OperationRefused(
            f"There is no event {after} yet, the last one is {last}: the database has been put back since you have "
            f"read, by a backup perhaps, and numbers are given anew. Go on behind {last}, or earlier, by the times of "
            "the events that you know."
        )


async def _lines(pages: AsyncGenerator[Page]) -> AsyncGenerator[bytes]:
    """Ends where the database cannot be reached: the client comes again, and is told then."""
    yield f"retry: {RETRY}\n\n".encode()
    with suppress(StoreUnavailable):
        async with aclosing(pages):
            async for page in pages:
                if page.events:
                    yield b"".join(map(_line, map(document, page.events)))
                else:  # with the number, so that a client that is cut off here does not look through all of it again
                    yield f"id: {page.next}\n: nothing new\n\n".encode()


def _line(event: EventDocument) -> bytes:
    head = f"id: {event.sequence}\nevent: {event.type}\ndata: ".encode()
    return head + msgspec.json.encode(event) + b"\n\n"


async def _selection(call: Call, types: str | None, device: str | None) -> Selection:
    patterns = tuple(each.strip() for each in (types or "").split(",") if each.strip())
    known = await call.services.directory.resolve(device) if device is not None else None
    wanted = known or device  # events outlive a device that is forgotten
    hidden = frozenset[str]() if Permission.ACCESS_READ in call.caller.permissions else OF_RIGHTS
    return Selection(patterns, wanted, hidden, f"{call.caller.kind}:{call.caller.id}")
