"""Devices are asked for their reports as the schedule says: each at its own time, all that is due in one wake."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from corral.lifecycle.collecting import COLLECT, COLLECTOR, GRID, SOON, STIRS, Inquiry, Plan, next_turn, plan
from corral.lifecycle.state import DAY, HOUR, MINUTE, DeliveryState, Instant
from corral.service.breathing import pieces
from corral.service.clock import Clock
from corral.service.collecting.asking import depends_on_answers, takes
from corral.service.collecting.batch import Batch
from corral.service.collecting.schedule import Schedule, ScheduleDocument, Schedules
from corral.service.commands.targeting import Aim, Targeting
from corral.store.collection import CollectionStore
from corral.store.work import LeasedWork, WorkStore

AT_ONCE = 200
"""Connections in one batch: some milliseconds of Python and of the database."""
LEASE = 5 * MINUTE
NOTICED = 500
HURRIED = 5_000
"""Connections whose time is moved in one commit."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """A connection whose time has come; `aim` knows its channel."""

    work: LeasedWork
    aim: Aim
    channel_id: str
    times: Mapping[str, Instant]
    inquiries: Mapping[str, Inquiry]
    plan: Plan


@dataclass(slots=True)
class _Outcome:
    """When each connection is looked at again, and the channels that do not take a report that it was time for."""

    again: list[tuple[LeasedWork, Instant]] = field(default_factory=list[tuple[LeasedWork, Instant]])
    passed: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


class Collecting:
    def __init__(
        self,
        store: CollectionStore,
        work: WorkStore,
        schedules: Schedules,
        targeting: Targeting,
        clock: Clock,
        fitting: Callable[[str, Sequence[str]], Awaitable[frozenset[str]]],
        asked: Callable[[str, int], None] = lambda report, channels: None,
        *,
        enabled: bool = True,
    ) -> None:
        """`fitting` tells which of some devices fit a query; `asked` hears of each report that was asked for and of how
        many. Not `enabled`: nothing is asked for."""
        self._store = store
        self._work = work
        self._schedules = schedules
        self._targeting = targeting
        self._clock = clock
        self._fitting = fitting
        self._asked = asked
        self._enabled = enabled
        self._notice_at: Instant = 0

    async def notice(self) -> None:
        """Give every connection that nobody looks at a time to be looked at: those from before there was a schedule."""
        now = self._clock()
        if not self._enabled or now < self._notice_at:
            return
        after = ""
        while found := await self._store.uncollected(after, NOTICED):
            after = found[-1].connection_id
            at: dict[Instant, list[str]] = {}
            for each in found:
                turn = next_turn(DAY, each.device_id, now)
                # To the hour, so that many are put in one commit.
                at.setdefault(max(turn - turn % HOUR, now), []).append(each.connection_id)
            for due_at, connections in at.items():
                await self._work.add(COLLECT, connections, due_at)
        self._notice_at = now + HOUR

    async def put_schedule(self, document: ScheduleDocument, by: str) -> None:
        """Go by this one from now on. Raises RequestRefused for one that cannot be gone by; it changes nothing then."""
        await self._schedules.put(document, by)
        due_at = self._clock() + GRID
        while self._enabled and await self._store.hurry(due_at, HURRIED) == HURRIED:
            pass

    async def stirred(self, request_type: str, command_uuid: str, channel_ids: Sequence[str]) -> None:
        """A command is about to be queued for these channels that may change what they tell."""
        reports = [report for report, _ in STIRS.get(request_type, ())]
        if self._enabled and reports:
            await self._store.stir(command_uuid, reports, channel_ids, self._clock())

    async def collect(self) -> bool:
        """Ask those whose time has come, a batch of them; whether there may be more."""
        now = self._clock()
        works = await self._work.lease(COLLECT, now, now + LEASE, AT_ONCE)
        if not works:
            return False
        aims = {aim.name: aim for aim in await self._targeting.aim([each.key for each in works], "", supervision=False)}
        living: list[LeasedWork] = []
        over: list[LeasedWork] = []
        for each in works:
            lives = self._enabled and _channel(aims[each.key], each.key) is not None
            (living if lives else over).append(each)
        turns = await self._turns(living, aims, now)
        batch, outcome = Batch(now, COLLECTOR), _Outcome()
        await self._choose(turns, batch, outcome, now)
        askings = batch.askings()
        reached = await self._store.ask(askings)
        # Somebody has asked for the same, and the device has not answered yet.
        missed = {
            channel
            for asking, some in zip(askings, reached, strict=True)
            for channel in asking.channel_ids
            if channel not in some
        }
        for asking, some in zip(askings, reached, strict=True):
            self._asked(asking.command.request_type, len(some))
        for report, channels in outcome.passed.items():
            await self._store.pass_over(report, channels, now)
        await self._store.forget([each.key for each in over])
        await self._work.finish(over)
        await self._work.put_back(
            [(work, min(at, now + HOUR) if work.key in missed else at) for work, at in outcome.again]
        )
        return len(works) == AT_ONCE

    async def _turns(self, works: Sequence[LeasedWork], aims: Mapping[str, Aim], now: Instant) -> list[_Turn]:
        schedule = await self._schedules.schedule()
        devices = [known.device_id for known in (aims[each.key].known for each in works) if known is not None]
        fitting = {query: await self._fitting(query, devices) for query in schedule.queries} if devices else {}
        inquiries: dict[str, dict[str, Inquiry]] = {}
        for inquiry in await self._store.inquiries([each.key for each in works]):
            inquiries.setdefault(inquiry.channel_id, {})[inquiry.report] = inquiry
        return [
            _turn(work, aims[work.key], schedule, fitting, inquiries.get(work.key, {}), now)
            async for piece in pieces(works)
            for work in piece
        ]

    async def _choose(self, turns: Sequence[_Turn], batch: Batch, outcome: _Outcome, now: Instant) -> None:
        """What each is asked for now. Of what depends on supervision and users, only what it is known to take."""
        asking = [turn.work.key for turn in turns if any(map(depends_on_answers, turn.plan.due))]
        learned = {aim.name: aim for aim in await self._targeting.aim(asking, "", supervision=True)} if asking else {}
        for turn in turns:
            aim = learned.get(turn.work.key, turn.aim)
            target, again = aim.target(""), turn.plan.again
            is_known = aim.learned is not None and aim.learned.supervised is not None
            for report in turn.plan.due:
                if depends_on_answers(report) and not is_known and _is_awaited(turn):
                    again = min(again, now + SOON)
                elif takes(report, target):
                    batch.add(report, target, turn.channel_id, turn.times[report])
                else:
                    outcome.passed.setdefault(report, []).append(turn.channel_id)
            outcome.again.append((turn.work, again))


def _channel(aim: Aim, connection_id: str) -> str | None:
    """The device channel of this life, if it is still the device's."""
    known = aim.known
    return known.channel_id if known is not None and known.connection_id == connection_id else None


def _turn(
    work: LeasedWork,
    aim: Aim,
    schedule: Schedule,
    fitting: Mapping[str, frozenset[str]],
    inquiries: Mapping[str, Inquiry],
    now: Instant,
) -> _Turn:
    known, channel_id = aim.known, _channel(aim, work.key)
    assert known is not None
    assert channel_id is not None
    target = aim.target("")
    fits = frozenset(query for query, devices in fitting.items() if known.device_id in devices)
    times = {report: every for report, every in schedule.of(known.platform, fits).items() if takes(report, target)}
    return _Turn(work, aim, channel_id, times, inquiries, plan(inquiries, times, known.device_id, now))


def _is_awaited(turn: _Turn) -> bool:
    """Whether DeviceInformation, which says what else it takes, is asked for now or not answered yet."""
    inquiry = turn.inquiries.get("DeviceInformation")
    return "DeviceInformation" in turn.plan.due or (inquiry is not None and inquiry.state is DeliveryState.OPEN)
