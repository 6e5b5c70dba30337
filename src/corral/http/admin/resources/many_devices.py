"""What is decided about many devices at once: to end, block, renew and wake them, with a verdict for each."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from corral.http.admin.endpoint import Body, Call, Number, View
from corral.http.admin.resources import targets
from corral.http.admin.times import Seconds, Time, due
from corral.service.connections.deciding_for_many import LARGEST, Decided, Verdict


class ManyDevices(Body):
    """`devices` by id, serial number or connection id, and those that a `query` means. `dry_run`: only the verdicts."""

    devices: Annotated[tuple[str, ...], Meta(max_length=LARGEST)] = ()
    query: targets.TargetQuery | None = None
    dry_run: bool = False


class EndingMany(ManyDevices):
    """`confirm` is how many devices these are: needed for more than the setting `confirm_above`.

    The deadline past which a contact is answered by unenrolling: a time, or seconds from now (0: at once).
    """

    confirm: Number | None = None
    deadline: Time | None = None
    deadline_in: Seconds | None = None


class BlockingMany(ManyDevices):
    """`confirm` is how many devices these are: needed for more than the setting `confirm_above`."""

    confirm: Number | None = None
    reason: Annotated[str, Meta(max_length=1000)] = ""


class DecidedView(View):
    """`problem` says why nothing was done for this device."""

    device: str
    verdict: Verdict
    problem: str


class ManyView(View):
    """How many devices it was about, each counted once; how many have each verdict; and what became of each."""

    asked: int
    done: int
    eligible: int
    refused: int
    unknown: int
    failed: int
    devices: tuple[DecidedView, ...]


async def end_devices(call: Call, body: EndingMany) -> ManyView:
    deadline = due("deadline", body.deadline, body.deadline_in, call.now)
    return _view(
        await call.services.many.end(
            await _named(call, body), call.by, deadline, confirm=body.confirm, only_ask=body.dry_run
        )
    )


async def block_devices(call: Call, body: BlockingMany) -> ManyView:
    return _view(
        await call.services.many.block(
            await _named(call, body), call.by, body.reason, confirm=body.confirm, only_ask=body.dry_run
        )
    )


async def renew_devices(call: Call, body: ManyDevices) -> ManyView:
    return _view(await call.services.many.renew(await _named(call, body), call.by, only_ask=body.dry_run))


async def wake_devices(call: Call, body: ManyDevices) -> ManyView:
    return _view(await call.services.many.wake(await _named(call, body), call.by, only_ask=body.dry_run))


async def _named(call: Call, body: ManyDevices) -> list[str]:
    return await targets.names(call, body.devices, body.query)


def _view(decided: Sequence[Decided]) -> ManyView:
    counts = Counter(each.verdict for each in decided)
    return ManyView(
        asked=len(decided),
        done=counts["done"],
        eligible=counts["eligible"],
        refused=counts["refused"],
        unknown=counts["unknown"],
        failed=counts["failed"],
        devices=tuple(DecidedView(device=each.device, verdict=each.verdict, problem=each.problem) for each in decided),
    )
