"""Webhooks: who is told of events by a call, and what was not taken."""

from collections.abc import Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from corral.http.admin.endpoint import Body, Call, Number, Query, View
from corral.http.admin.times import Time, due, shown
from corral.lifecycle.state import DAY, SECOND
from corral.lifecycle.vocabulary import OF_RIGHTS
from corral.service.access.permission import Permission
from corral.service.errors import RequestRefused
from corral.service.events.document import EventDocument, document
from corral.service.webhooks.message import good_secrets
from corral.store.events import StoredEvent
from corral.store.webhooks import Letters, Webhook

Url: TypeAlias = Annotated[str, Meta(min_length=1, max_length=2000)]
Note: TypeAlias = Annotated[str, Meta(max_length=500)]
Types: TypeAlias = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=100)], ...], Meta(max_length=50)]
Overlap: TypeAlias = Annotated[int, Meta(ge=0, le=30 * 86_400)]


class WebhookView(View):
    """`types`: patterns. `passed`: events up to this number were taken, or are letters: `waiting` and `dead` ones.

    `failing_since`: null if the last call succeeded; `problem`: what was wrong with it. `secrets`: how many sign now.
    """

    VOLATILE = frozenset({"passed", "waiting", "dead", "succeeded_at", "failing_since", "problem", "secrets"})

    id: str
    url: str
    note: str
    types: tuple[str, ...]
    format: Literal["standard"]
    created_at: datetime | None
    created_by: str
    disabled_at: datetime | None
    disabled_why: str
    passed: int
    waiting: int
    dead: int
    succeeded_at: datetime | None
    failing_since: datetime | None
    problem: str
    secrets: int


class WebhookList(View):
    webhooks: tuple[WebhookView, ...]


class NewWebhook(Body):
    """`types`: patterns of event types, as a shell has them: `connection.*`."""

    url: Url
    types: Types = ("*",)
    note: Note = ""


class WebhookChange(Body):
    """What is not given stays as it is."""

    url: Url | None = None
    types: Types | None = None
    note: Note | None = None
    enabled: bool | None = None


class WebhookSecret(View):
    """`secret` is shown this once; whoever receives the calls checks their signature with it."""

    webhook: WebhookView
    secret: str


class Rotation(Body):
    """`overlap`: seconds for which the secret that is replaced signs as well."""

    overlap: Overlap = DAY // SECOND


class TestResult(View):
    """`taken`: the receiver answered 2xx; else `problem` says what was wrong."""

    taken: bool
    problem: str
    milliseconds: int


class Replay(Body):
    """Events behind the number `after`, or since a time."""

    after: Number | None = None
    since: Time | None = None


class Replayed(View):
    after: int


class DeadQuery(Query):
    before: Number | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class DeadLetter(View):
    """`event` is null once it has been forgotten by age, and for who may not see such events."""

    sequence: int
    attempts: int
    put_at: datetime | None
    dead_at: datetime | None
    problem: str
    event: EventDocument | None


class DeadLetters(View):
    """Latest events first; `next` is the `before` of the following page."""

    letters: tuple[DeadLetter, ...]
    next: int | None


class Resend(Body):
    """Numbers of events; none: all dead letters."""

    sequences: Annotated[tuple[Number, ...], Meta(max_length=1000)] | None = None


class Resent(View):
    count: int


async def list_webhooks(call: Call) -> WebhookList:
    found = await call.services.webhooks.list()
    return WebhookList(webhooks=tuple(_view(call, webhook, letters) for webhook, letters in found))


async def add_webhook(call: Call, body: NewWebhook) -> WebhookSecret:
    _may_tell(call, body.types)
    webhook, secret = await call.services.webhooks.add(body.url, body.types, body.note, call.by)
    return WebhookSecret(webhook=_view(call, webhook, Letters()), secret=secret)


async def show_webhook(call: Call, webhook: str) -> WebhookView:
    return _view(call, *await call.services.webhooks.show(webhook))


async def change_webhook(call: Call, webhook: str, body: WebhookChange) -> WebhookView:
    if body.url is not None or body.types is not None:
        found, _ = await call.services.webhooks.show(webhook)
        _may_tell(call, found.types if body.types is None else body.types)
    await call.services.webhooks.change(
        webhook, call.by, url=body.url, types=body.types, note=body.note, enabled=body.enabled
    )
    return await show_webhook(call, webhook)


async def remove_webhook(call: Call, webhook: str) -> None:
    await call.services.webhooks.remove(webhook, call.by)


async def rotate_webhook(call: Call, webhook: str, body: Rotation) -> WebhookSecret:
    rotated, secret = await call.services.webhooks.rotate(webhook, body.overlap * SECOND, call.by)
    _, letters = await call.services.webhooks.show(webhook)
    return WebhookSecret(webhook=_view(call, rotated, letters), secret=secret)


async def test_webhook(call: Call, webhook: str) -> TestResult:
    tested = await call.services.webhooks.test(webhook)
    return TestResult(taken=not tested.problem, problem=tested.problem, milliseconds=tested.milliseconds)


async def replay_webhook(call: Call, webhook: str, body: Replay) -> Replayed:
    since = due("since", body.since, None, call.now)
    if since is not None and since > call.now:
        raise RequestRefused("What has not happened yet cannot be sent again.")
    return Replayed(after=await call.services.webhooks.replay(webhook, call.by, after=body.after, since=since))


async def list_dead_letters(call: Call, webhook: str, query: DeadQuery) -> DeadLetters:
    letters, events = await call.services.webhooks.dead(webhook, query.before, query.limit)
    views = tuple(
        DeadLetter(
            sequence=each.sequence,
            attempts=each.attempts,
            put_at=shown(each.put_at),
            dead_at=shown(each.dead_at),
            problem=each.problem,
            event=document(found)
            if (found := events.get(each.sequence)) is not None and _may_see(call, found)
            else None,
        )
        for each in letters
    )
    return DeadLetters(letters=views, next=letters[-1].sequence if len(letters) == query.limit else None)


async def resend_letters(call: Call, webhook: str, body: Resend) -> Resent:
    return Resent(count=await call.services.webhooks.resend(webhook, body.sequences, call.by))


def _may_tell(call: Call, types: Sequence[str]) -> None:
    """Nobody has events sent somewhere that they may not see themselves. Raises Forbidden."""
    of_rights = any(fnmatchcase(kind, pattern) for kind in OF_RIGHTS for pattern in types)
    call.caller.may_give(_to_see(of_rights=of_rights))


def _may_see(call: Call, stored: StoredEvent) -> bool:
    return _to_see(of_rights=stored.event.type in OF_RIGHTS) <= call.caller.permissions


def _to_see(*, of_rights: bool) -> set[Permission]:
    """What it takes to see events; those that tell who may do what take more."""
    return {Permission.EVENTS_READ, Permission.ACCESS_READ} if of_rights else {Permission.EVENTS_READ}


def _view(call: Call, webhook: Webhook, letters: Letters) -> WebhookView:
    return WebhookView(
        id=webhook.id,
        url=webhook.url,
        note=webhook.note,
        types=webhook.types,
        format="standard",
        created_at=shown(webhook.created_at),
        created_by=webhook.created_by,
        disabled_at=shown(webhook.disabled_at),
        disabled_why=webhook.disabled_why,
        passed=webhook.passed,
        waiting=letters.waiting,
        dead=letters.dead,
        succeeded_at=shown(webhook.health.succeeded_at),
        failing_since=shown(webhook.health.failing_since),
        problem=webhook.health.problem,
        secrets=len(good_secrets(webhook, call.now)),
    )
