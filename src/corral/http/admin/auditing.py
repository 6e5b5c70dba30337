"""What the door writes into the audit trail: refusals, failures, looks at secrets. Changes bring their own."""

from starlette.requests import Request

from corral.http.admin import problems
from corral.http.admin.endpoint import Endpoint
from corral.http.admin.sources import Proxies
from corral.lifecycle.actor import Actor
from corral.lifecycle.state import Instant
from corral.logs import lines
from corral.logs.requests import request_id
from corral.service.access.audit import AuditTrail
from corral.service.access.caller import NOBODY, Caller, CallerKind
from corral.service.access.limits import Limits
from corral.service.clock import Clock
from corral.service.errors import Forbidden, SignInFailed, TooManyAttempts
from corral.store.audit import AuditEntry, AuditOutcome
from corral.store.errors import StoreUnavailable

_MOST_AGENT = 200


def actor_of(caller: Caller, operation: str, request: Request, proxies: Proxies) -> Actor:
    agent = "".join(each for each in request.headers.get("user-agent", "") if each.isprintable())
    return Actor(
        kind=caller.kind.value,
        id=caller.id,
        name=caller.name,
        operation=operation,
        address=proxies.address(request),
        agent=agent[:_MOST_AGENT],
        request=request_id(request.scope),
    )


class Strangers:
    """Who has not said who they are, or with a token that is none: told of a few times for each address, so that they
    cannot fill the trail."""

    def __init__(self, trail: AuditTrail, proxies: Proxies, clock: Clock) -> None:
        self._trail = trail
        self._proxies = proxies
        self._clock = clock
        self._told = Limits(clock)

    def may_be_told_of(self, request: Request) -> bool:
        """Once more, from there."""
        source = self._proxies.source(request)
        try:
            self._told.begin(source, source or "a proxy")
        except TooManyAttempts:
            return False
        return True

    async def note(self, request: Request) -> None:
        if not self.may_be_told_of(request):
            return
        actor = actor_of(NOBODY, "authenticate", request, self._proxies)
        data = {"status": 401, "path": request.url.path[:_MOST_AGENT], "detail": "not a token of this service"}
        entry = AuditEntry(actor=actor, at=self._clock(), outcome=AuditOutcome.REFUSED, what="authenticate", data=data)
        await _note(self._trail, entry)


async def note_look(trail: AuditTrail, actor: Actor, endpoint: Endpoint, request: Request, now: Instant) -> None:
    """Durable before the answer goes out, with what was asked. Raises StoreUnavailable."""
    asked: dict[str, object] = dict(request.query_params)
    await trail.note(_entry(actor, endpoint.serve.__name__, request, AuditOutcome.DONE, now, asked))


async def note_replay(trail: AuditTrail, actor: Actor, endpoint: Endpoint, request: Request, now: Instant) -> None:
    """The kept answer of a request that was done before, secrets and all, is looked at once more."""
    await trail.note(_entry(actor, endpoint.serve.__name__, request, AuditOutcome.DONE, now, {"replayed": True}))


async def note_error(
    trail: AuditTrail,
    strangers: Strangers,
    actor: Actor,
    endpoint: Endpoint,
    request: Request,
    now: Instant,
    error: Exception,
) -> None:
    """An error of something that would have changed something, and whatever was forbidden."""
    if isinstance(error, TooManyAttempts) or (endpoint.method == "GET" and not isinstance(error, Forbidden)):
        # Who guesses is told of by the failures before: strangers must not fill the trail.
        return
    known = isinstance(error, SignInFailed) and error.who  # so often as there are users, and guesses at each
    if actor.kind == CallerKind.NOBODY and not known and not strangers.may_be_told_of(request):
        return
    problem = problems.of(error)
    refused = problem is not None and problem.status < 500
    data: dict[str, object] = {"status": 500}
    if problem is not None:
        data = {"status": problem.status, "detail": problem.detail}
    if isinstance(error, SignInFailed) and error.who:
        data["who"] = error.who
    outcome = AuditOutcome.REFUSED if refused else AuditOutcome.FAILED
    await _note(trail, _entry(actor, endpoint.serve.__name__, request, outcome, now, data))


async def _note(trail: AuditTrail, entry: AuditEntry) -> None:
    """What was refused stays refused, whether or not it can be told."""
    try:
        await trail.note(entry)
    except StoreUnavailable as error:
        lines.audit_lost(operation=entry.actor.operation, outcome=entry.outcome.value, why=str(error))


def _entry(
    actor: Actor, what: str, request: Request, outcome: AuditOutcome, now: Instant, data: dict[str, object]
) -> AuditEntry:
    named = {name: str(value) for name, value in request.path_params.items()}
    return AuditEntry(actor=actor, at=now, outcome=outcome, what=what, data={**named, **data})
