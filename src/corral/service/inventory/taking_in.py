"""Takes the answers of devices into the inventory, after they were stored: no exchange waits for this.

Of all processes one does it at a time, under a lease. An answer is marked as taken in by the commit that does so, and
until then it is found again by whoever comes next.
"""

import asyncio
from collections.abc import Callable, Sequence

from corral.apple.inventory.attributes import CHECK_IN, OF_CHECK_IN
from corral.apple.inventory.facts import Facts
from corral.apple.inventory.reading import read
from corral.apple.inventory.value import Value, clean
from corral.apple.plist import PlistError, PlistValue, parse_dict
from corral.inventory.merging import Report, sha_of
from corral.lifecycle.state import SECOND, Device, Instant
from corral.logs import lines
from corral.service.clock import Clock
from corral.store.errors import StoreUnavailable
from corral.store.inventory import Answer, Arrival, InventoryStore, Taken
from corral.store.work import LeasedWork, WorkStore

WORK, KEY = "inventory", "taking-in"
AT_ONCE = 25
"""Answers of one commit: some ten milliseconds of reading."""
ARRIVALS_AT_ONCE = 200
LEASE = 20 * SECOND
LONGEST = 8 * SECOND
"""Of one turn, which must end well before its lease."""


class TakingIn:
    """`heard` is called when there may be something; `count` hears how many answers were taken in."""

    def __init__(
        self, store: InventoryStore, work: WorkStore, clock: Clock, count: Callable[[int], None] = lambda _: None
    ) -> None:
        self._store = store
        self._work = work
        self._clock = clock
        self._count = count
        self.news = asyncio.Event()

    def heard(self) -> None:
        """Called for every acknowledged report: it must cost nothing."""
        self.news.set()

    async def turn(self) -> bool:
        """Take in what there is, or leave it to whoever is at it; returns whether there may be more at once."""
        if not await self._store.arrivals(1) and not await self._store.answers(1):
            return False
        now = self._clock()
        await self._work.add(WORK, [KEY], now)
        leased = await self._work.lease(WORK, now, now + LEASE, 1)
        if not leased:
            return False
        more = False
        try:
            more = await self._take_all(now + LONGEST)
        finally:
            await self._finish(leased)
        return more

    async def _take_all(self, end: Instant) -> bool:
        """Returns whether it ended before everything was taken in."""
        while self._clock() < end:
            arrivals = await self._store.arrivals(ARRIVALS_AT_ONCE)
            if arrivals:
                await self._store.take([_arrived(each, self._clock()) for each in arrivals], self._clock())
                await asyncio.sleep(0)
                continue
            answers = await self._store.answers(AT_ONCE)
            if not answers:
                return False
            await self._take(await asyncio.to_thread(_understood, answers))
            self._count(len(answers))
        return True

    async def _take(self, taken: Sequence[Taken]) -> None:
        """One that the database will not have must not keep others out."""
        try:
            await self._store.take(taken, self._clock())
        except StoreUnavailable:
            raise
        except Exception:
            lines.inventory_not_taken_in(answers=len(taken))
            for each in taken:
                try:
                    await self._store.take([each], self._clock())
                except StoreUnavailable:
                    raise
                except Exception:
                    unread = Taken(connection_id=each.connection_id, sequence=each.sequence, report=None)
                    await self._store.take([unread], self._clock())

    async def _finish(self, leased: Sequence[LeasedWork]) -> None:
        try:
            await self._work.finish(leased)
        except StoreUnavailable as error:  # the lease ends by itself
            lines.inventory_store_unavailable(why=str(error))


def _understood(answers: Sequence[Answer]) -> list[Taken]:
    """Commands that went to many are read once."""
    commands = dict[str, dict[str, PlistValue]]()
    taken = list[Taken]()
    for each in answers:
        if each.command_uuid not in commands:
            commands[each.command_uuid] = _asked(each.command)
        taken.append(_answered(each, commands[each.command_uuid]))
    return taken


def _answered(answer: Answer, asked: dict[str, PlistValue]) -> Taken:
    facts = _facts(answer, asked)
    if facts is not None and facts.remarks:
        remarks = "; ".join(facts.remarks)
        lines.inventory_remarks(connection=answer.connection_id, command=answer.command_uuid, why=remarks)
    report = None
    if facts is not None:
        report = Report(
            name=answer.request_type,
            user_id=answer.user_id,
            facts=facts,
            asked_at=answer.asked_at,
            received_at=answer.received_at,
            sha=sha_of(facts),
        )
    return Taken(connection_id=answer.connection_id, sequence=answer.sequence, report=report)


def _facts(answer: Answer, asked: dict[str, PlistValue]) -> Facts | None:
    if answer.body is None:
        return None
    try:
        return read(answer.request_type, asked, parse_dict(answer.body))
    except PlistError as error:
        lines.inventory_unreadable(connection=answer.connection_id, command=answer.command_uuid, why=str(error))
        return None


def _asked(command: bytes) -> dict[str, PlistValue]:
    """Its keys; nothing, of a command that somebody has sent although it cannot be read."""
    try:
        inner = parse_dict(command).get("Command")
    except PlistError:
        return {}
    return dict(inner) if isinstance(inner, dict) else {}


def _arrived(arrival: Arrival, now: Instant) -> Taken:
    facts = Facts(attributes=_first_facts(arrival.device), about=frozenset(OF_CHECK_IN))
    report = Report(name=CHECK_IN, facts=facts, asked_at=None, received_at=now, sha=sha_of(facts))
    return Taken(connection_id=arrival.connection_id, sequence=None, report=report)


def _first_facts(device: Device) -> dict[str, Value]:
    """What it said at its enrollment."""
    told: dict[str, Value | None] = {
        "device": device.id,
        "platform": device.platform,
        "personal": device.user_enrollment,
        "os_version": device.os_version,
        "build_version": device.build_version,
        "name": device.name,
        "serial": device.serial_number,
        "model": device.model,
        "model_name": device.model_name,
        "product": device.product_name,
        "imei": device.imei,
        "meid": device.meid,
    }
    values = {name: clean(value) if isinstance(value, str) else value for name, value in told.items()}
    return {name: value for name, value in values.items() if value is not None and value != ""}
