"""What a request is aimed at, devices by name or by a query, and the verdict for each."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from corral.apple.catalog import Finding
from corral.apple.platform import Platform
from corral.http.admin.endpoint import Call, View
from corral.service.access.permission import Permission
from corral.service.breathing import pieces
from corral.service.commands.targeting import LARGEST, DeviceQuery
from corral.service.commands.verdicts import Sent, Verdict
from corral.service.errors import RequestRefused


class TargetQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """All connected devices that fit: `search` is the start of an id, serial number or name, `os_below` a version that
    theirs is older than, `where` a question to the inventory (docs/inventory.md). Empty: all."""

    search: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    platform: Platform | None = None
    os_below: Annotated[str, Meta(max_length=64)] | None = None
    where: Annotated[str, Meta(min_length=1, max_length=4000)] | None = None


class FindingView(View):
    """What speaks against it. An error is what the device would refuse, a warning what it would leave out."""

    severity: str
    where: str
    what: str


class SentView(View, gc=False):
    """What became of the command for one device; `problem` says why it was not queued."""

    device: str
    channel_id: str
    queued: bool
    verdict: Verdict
    problem: str
    findings: tuple[FindingView, ...]


async def names(call: Call, devices: Sequence[str], query: TargetQuery | None) -> list[str]:
    """The devices that are named and those that the query means, each once. Raises RequestRefused if there are none,
    and Forbidden for a query by somebody who may not look for devices: its verdicts tell which there are."""
    found = list(devices)
    if query is not None:
        found += await _meant(call, query)
    elif not found:
        raise RequestRefused("Name at least one device in `devices`, or give a `query`.")
    if not found:
        raise RequestRefused("No connected device fits the query.")
    return list(dict.fromkeys(found))


async def _meant(call: Call, query: TargetQuery) -> Sequence[str]:
    call.caller.require(Permission.DEVICES_READ)
    asked = DeviceQuery(search=query.search, platform=query.platform, os_below=query.os_below)
    if query.where is None:
        return await call.services.commanding.select(asked)
    call.caller.require(Permission.INVENTORY_READ)
    fit = await call.services.inventory.connected(query.where, LARGEST)
    if asked == DeviceQuery():
        return fit
    both = set(fit)
    return [each for each in await call.services.commanding.select(asked) if each in both]


async def sent_views(sent: Sequence[Sent]) -> tuple[SentView, ...]:
    return tuple([sent_view(each) async for piece in pieces(sent) for each in piece])


def sent_view(sent: Sent) -> SentView:
    return SentView(
        device=sent.device,
        channel_id=sent.channel_id,
        queued=sent.queued,
        verdict=sent.verdict,
        problem=sent.problem,
        findings=finding_views(sent.findings),
    )


def finding_views(findings: Sequence[Finding]) -> tuple[FindingView, ...]:
    return tuple(FindingView(severity=each.severity, where=each.where, what=each.what) for each in findings)
