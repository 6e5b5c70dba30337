"""The installation as a whole: its state, the breaker against mass unenrollment, and what happened."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from corral.http.admin.endpoint import Call, File, View
from corral.http.admin.times import shown
from corral.lifecycle.change import Event
from corral.lifecycle.operating import OperationRefused
from corral.service.installation.metrics import CONTENT_TYPE


class PushState(View):
    topic: str
    not_after: datetime
    apple_account: str
    stopped: str


class AuthorityState(View):
    subject: str
    not_after: datetime


class OlderAuthority(View):
    """One that is still believed: so many devices speak under it, which are renewed over to the issuing one by then."""

    id: str
    devices: int
    moved_by: datetime


class ExpiryView(View):
    """Something that ends. `warning_days`: the least of 60, 30, 7 and 1 days that it has come within, 0 when over."""

    kind: str
    name: str
    not_after: datetime
    days_left: int
    warning_days: int | None
    remedy: str


class StatusView(View):
    """`connections` by phase; `topics`: live channels that depend on each push topic; `unrenewed`: connected devices
    whose certificate has come within so many days of its end (0: is over) although it should have been renewed."""

    version: str
    time: datetime
    connections: Mapping[str, int]
    topics: Mapping[str, int]
    push_certificates: tuple[PushState, ...]
    authority: AuthorityState
    older_authorities: tuple[OlderAuthority, ...]
    unrenewed: Mapping[int, int]
    expiries: tuple[ExpiryView, ...]
    breaker_opened_at: datetime | None


class BreakerView(View):
    """Open: nothing is told to leave until a person has looked and closed it."""

    open: bool
    opened_at: datetime | None


async def show_metrics(call: Call) -> Annotated[File, CONTENT_TYPE]:
    return File(await call.services.metrics())


async def show_status(call: Call) -> StatusView:
    facts = await call.services.status()
    return StatusView(
        version=facts["version"],
        time=facts["time"],
        connections=facts["connections"],
        topics=facts["topics"],
        push_certificates=tuple(PushState(**each) for each in facts["push_certificates"]),
        authority=AuthorityState(**facts["authority"]),
        older_authorities=tuple(OlderAuthority(**each) for each in facts["older_authorities"]),
        unrenewed=facts["unrenewed"],
        expiries=tuple(ExpiryView(**each) for each in facts["expiries"]),
        breaker_opened_at=facts["breaker_opened_at"],
    )


async def show_breaker(call: Call) -> BreakerView:
    opened = await call.services.vault.breaker_opened_at()
    return BreakerView(open=opened is not None, opened_at=shown(opened))


async def close_breaker(call: Call) -> BreakerView:
    if await call.services.vault.breaker_opened_at() is None:
        raise OperationRefused("The breaker is not open.")
    event = Event(type="breaker.closed", at=call.now, data={"by": call.by})
    await call.services.vault.close_breaker(call.now, (event,))
    return await show_breaker(call)
