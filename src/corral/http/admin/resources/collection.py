"""How devices are asked for their inventory: by a schedule, and now."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from corral.http.admin.endpoint import Body, Call, View
from corral.http.admin.resources import targets
from corral.service.breathing import pieces
from corral.service.collecting.refreshing import Refreshed
from corral.service.collecting.schedule import MOST_RULES, Report, ScheduleDocument, ScheduleRule
from corral.service.errors import NotFound


class ScheduleView(View):
    """The first rule that names a report and fits the device decides for that report; one that no rule names is not
    asked for."""

    rules: tuple[ScheduleRule, ...]


class NewSchedule(Body):
    """The whole schedule: what was there is replaced."""

    rules: Annotated[tuple[ScheduleRule, ...], Meta(max_length=MOST_RULES)] = ()


class Refresh(Body):
    """Without `reports`, each device is asked for those of its schedule."""

    reports: Annotated[tuple[Report, ...], Meta(max_length=50)] = ()


class RefreshMany(Body):
    """Devices by name, by a query, or both. Without `reports`, each is asked for those of its schedule."""

    devices: Annotated[tuple[str, ...], Meta(max_length=100_000)] = ()
    query: targets.TargetQuery | None = None
    reports: Annotated[tuple[Report, ...], Meta(max_length=50)] = ()


class RefreshedView(View, gc=False):
    """The reports that it is asked for now, those that it was asked for before and has not answered, and those that it
    does not take. `problem` says why it is asked for none."""

    device: str
    asked: tuple[str, ...]
    waiting: tuple[str, ...]
    not_taken: tuple[str, ...]
    problem: str


class RefreshedMany(View):
    """`asked` counts the devices that are asked for anything, now or since before."""

    asked: int
    devices: tuple[RefreshedView, ...]


async def show_schedule(call: Call) -> ScheduleView:
    return ScheduleView(rules=(await call.services.schedules.document()).rules)


async def put_schedule(call: Call, body: NewSchedule) -> ScheduleView:
    await call.services.collecting.put_schedule(ScheduleDocument(rules=body.rules), call.by)
    return await show_schedule(call)


async def refresh_device(call: Call, device: str, body: Refresh) -> RefreshedView:
    (found,) = await call.services.refreshing.refresh([device], call.by, body.reports)
    if not found.known:
        raise NotFound(found.problem)
    return _view(found)


async def refresh_devices(call: Call, body: RefreshMany) -> RefreshedMany:
    names = await targets.names(call, body.devices, body.query)
    found = await call.services.refreshing.refresh(names, call.by, body.reports)
    return RefreshedMany(asked=sum(bool(each.asked or each.waiting) for each in found), devices=await _views(found))


async def _views(found: Sequence[Refreshed]) -> tuple[RefreshedView, ...]:
    return tuple([_view(each) async for piece in pieces(found) for each in piece])


def _view(found: Refreshed) -> RefreshedView:
    return RefreshedView(
        device=found.device,
        asked=found.asked,
        waiting=found.waiting,
        not_taken=found.not_taken,
        problem=found.problem,
    )
