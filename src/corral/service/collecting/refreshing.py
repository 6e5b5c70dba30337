"""Reports that somebody wants now: a person, or what has just been queued that changes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from corral.lifecycle.change import Event
from corral.lifecycle.collecting import PATIENCE
from corral.service.breathing import pieces
from corral.service.clock import Clock
from corral.service.collecting.asking import depends_on_answers, takes
from corral.service.collecting.batch import Batch
from corral.service.collecting.schedule import DEFAULT, Report, Schedule, Schedules
from corral.service.commands.commanding import DEVICES_TOLD
from corral.service.commands.targeting import Aim, Targeting
from corral.service.commands.verdicts import UNKNOWN
from corral.store.collection import CollectionStore
from corral.store.work import WorkStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What became of it for one device: the reports that it was asked for, those that it was asked for already and has
    not answered, and those that it does not take. `problem` says why it was asked for none."""

    device: str
    asked: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    not_taken: tuple[str, ...] = ()
    problem: str = ""
    known: bool = True
    """Whether there is such a device."""


class Refreshing:
    def __init__(
        self, store: CollectionStore, work: WorkStore, schedules: Schedules, targeting: Targeting, clock: Clock
    ) -> None:
        self._store = store
        self._work = work
        self._schedules = schedules
        self._targeting = targeting
        self._clock = clock

    async def refresh(
        self, devices: Sequence[str], by: str, reports: Sequence[Report] = (), *, user_id: str = "", told: bool = True
    ) -> list[Refreshed]:
        """Ask these devices now, each for these reports or for those of its schedule, and wake them.

        `told`: an event says so. Reports that a device is asked for already are not asked for again.
        """
        schedule = await self._schedules.schedule()
        found: list[Refreshed] = []
        async for names in pieces(dict.fromkeys(devices)):
            found += await self._some(names, by, reports, schedule, user_id, told=told)
        return found

    async def _some(
        self,
        names: Sequence[str],
        by: str,
        reports: Sequence[Report],
        schedule: Schedule,
        user_id: str,
        *,
        told: bool,
    ) -> list[Refreshed]:
        now = self._clock()
        learns = any(map(depends_on_answers, reports or schedule.of(None)))
        aims = await self._targeting.aim(names, user_id, supervision=learns)
        batch, wanted = Batch(now, by), dict[str, list[str]]()
        for aim in aims:
            channel = aim.known.channel_id if aim.known is not None else None
            if channel is not None:
                target = aim.target(user_id)
                wanted[channel] = [each for each in _reports(aim, reports, schedule) if takes(each, target)]
                for report in wanted[channel]:
                    batch.add(report, target, channel, PATIENCE)
        askings = batch.askings()
        events = (self._told(by, wanted, aims, now),) if told and askings else ()
        asked: dict[str, set[str]] = {}
        for asking, some in zip(askings, await self._store.ask(askings, events), strict=True):
            for channel in some:
                asked.setdefault(channel, set()).add(asking.command.request_type)
        await self._work.add("push", [each for each in wanted if each not in asked and wanted[each]], now)
        return [_outcome(aim, wanted, asked, reports, schedule) for aim in aims]

    def _told(self, by: str, wanted: Mapping[str, Sequence[str]], aims: Sequence[Aim], now: int) -> Event:
        """Of one it is a line in its history; of many devices the first are named."""
        known = [aim.known.device_id for aim in aims if aim.known is not None and aim.known.channel_id in wanted]
        data = {
            "by": by,
            "reports": sorted({report for each in wanted.values() for report in each}),
            "devices": list(islice(known, DEVICES_TOLD)),
            "count": len(known),
        }
        only = known[0] if len(known) == 1 else None
        return Event(type="inventory.asked-for", at=now, device_id=only, data=data)


def _reports(aim: Aim, reports: Sequence[str], schedule: Schedule) -> Sequence[str]:
    """Those that were named, or those that the device is asked for anyway; the usual ones where that is nothing."""
    platform = aim.known.platform if aim.known is not None else None
    return reports or tuple(schedule.of(platform)) or tuple(Schedule(DEFAULT).of(platform))


def _outcome(
    aim: Aim,
    wanted: Mapping[str, Sequence[str]],
    asked: Mapping[str, set[str]],
    reports: Sequence[str],
    schedule: Schedule,
) -> Refreshed:
    known = aim.known
    if known is None:
        return Refreshed(device=aim.name, problem=UNKNOWN.format(aim.name), known=False)
    if known.connection_id is None:
        return Refreshed(device=known.device_id, problem=f"Device {aim.name} is not connected.")
    if known.channel_id is None:
        return Refreshed(device=known.device_id, problem="it has not sent a token yet")
    taken, came = wanted[known.channel_id], asked.get(known.channel_id, set())
    return Refreshed(
        device=known.device_id,
        asked=tuple(each for each in taken if each in came),
        waiting=tuple(each for each in taken if each not in came),
        not_taken=tuple(each for each in _reports(aim, reports, schedule) if each not in taken),
    )
