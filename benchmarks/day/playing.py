"""A day from its preparation to its end: the database, the service, the push service, the devices, the people."""

import asyncio
import contextlib
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from benchmarks.day import databases, herd
from benchmarks.day.databases import Rows
from benchmarks.day.hours import HOURS
from benchmarks.day.installation import TOPIC, Start, facts_of, make_installation
from benchmarks.day.operator import Asked, operate
from benchmarks.day.pushes import serve_pushes
from benchmarks.day.watching import Herds, Point, Seen, points, read_herds, watch
from benchmarks.processes import SPAWN, child, wait_for_port
from benchmarks.signing import Workshop
from corral.cli.process import ServiceProcess, free_port, running
from corral.simulator.push_certificates import StandInApple

KEEP: Final[Mapping[str, str]] = {
    "CORRAL_KEEP_RESULTS": "3h",
    "CORRAL_KEEP_EVENTS": "6h",
    "CORRAL_KEEP_PUSHES": "3h",
    "CORRAL_KEEP_CONTACTS": "3h",
}
"""Of the day's own hours."""

PATIENCE: Final = 600.0
"""Seconds that processes of devices may take until they are ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    database: str
    devices: int
    newcomers: int
    seconds: float
    processes: int
    keys: int
    commands: float
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    plan: Plan
    database: str
    at: datetime
    points: Sequence[Point] = field(repr=False)
    seen: Sequence[Seen] = field(repr=False)
    herds: Herds = field(repr=False)
    asked: Asked
    before: Mapping[str, Rows]
    after: Mapping[str, Rows]
    sizes: tuple[int, int]
    """Of the database, bytes: before and after."""
    left_open: int
    """Deliveries that were open when everybody had gone home."""

    @property
    def title(self) -> str:
        plan = self.plan
        return (
            f"{plan.devices:,} devices over a working day of {plan.seconds / 60:g} minutes, {self.database}, "
            f"{self.at:%Y-%m-%d}"
        )

    def shortcomings(self) -> list[str]:
        """What no day may have: words of devices about the service, answers that are errors, commands undone."""
        found = [f"{count} times: {what}" for what, count in self.herds.wrong().most_common(5)]
        found += [
            f"{count} answers with status {status}"
            for status, count in self.herds.statuses().items()
            if status not in ("200", "503")
        ]
        if self.left_open:
            found.append(f"{self.left_open} commands were not carried out")
        return found


async def play(plan: Plan, folder: Path) -> Day:
    with ExitStack() as stack:
        data = folder / "data"
        database = stack.enter_context(databases.running(plan.database, data))
        apple = StandInApple.create(datetime.now(UTC))
        _say(f"An installation with {plan.devices:,} connections ...")
        with Workshop() as workshop:
            start = await make_installation(
                data, database.filling, apple, plan.devices, plan.newcomers, plan.keys, workshop
            )
        (data / "apns.pem").write_bytes(apple.root_pem)
        before, size = await database.tables(), await database.size()
        push_port, registry, port = free_port(), free_port(), free_port()
        stack.enter_context(child(serve_pushes, apple.pem(), TOPIC, push_port, registry))
        wait_for_port(registry)
        _say(f"{plan.processes} processes of devices ...")
        begun, began = SPAWN.Event(), SPAWN.Value("d", 0.0)
        reports = [folder / f"herd-{number}.jsonl" for number in range(plan.processes)]
        herds = await _gather(plan, start, reports, port, registry, begun, began, stack)
        udids = [facts_of(person.number).udid for person in start.people]
        del start
        now = time.time()
        service = ServiceProcess(
            data,
            f"127.0.0.1:{port}",
            _environment(plan, database, data, push_port, now),
            program="benchmarks.day.hurried",
        )
        async with running(service), service.admin() as admin:
            began.value = now
            begun.set()
            _say(f"The day, {plan.seconds / 60:g} minutes ...")
            seen: list[Seen] = []
            watching = asyncio.create_task(watch(service.pid, database, seen))
            asked = await operate(admin, udids, plan.commands, plan.seconds, now)
            _say("Everybody finishes what was begun ...")
            for process in herds:
                await asyncio.to_thread(process.join, herd.DRAIN + 30)
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            left_open = await database.open_deliveries()
        found = read_herds(reports)
        return Day(
            plan=plan,
            database=database.name,
            at=datetime.now(UTC),
            points=points(found, seen, now, plan.seconds),
            seen=seen,
            herds=found,
            asked=asked,
            before=before,
            after=await database.tables(),
            sizes=(size, await database.size()),
            left_open=left_open,
        )


async def _gather(
    plan: Plan,
    start: Start,
    reports: Sequence[Path],
    port: int,
    registry: int,
    begun: Any,
    began: Any,
    stack: ExitStack,
) -> list[BaseProcess]:
    """Processes whose devices are all there and listen."""
    herds: list[BaseProcess] = []
    for number, report in enumerate(reports):
        newcomers = range(plan.devices + number + 1, plan.devices + plan.newcomers + 1, plan.processes)
        orders = herd.Orders(port, registry, plan.seconds, newcomers, number, report)
        ready = SPAWN.Event()
        people = start.people[number :: plan.processes]
        arguments = (orders, people, start.keys, start.profile, start.link, ready, begun, began)
        herds.append(stack.enter_context(child(herd.live, *arguments)))
        deadline = time.monotonic() + PATIENCE
        while not ready.is_set():
            if time.monotonic() > deadline or not herds[-1].is_alive():
                raise RuntimeError(f"A process of {len(people)} devices did not get ready within {PATIENCE:.0f} s.")
            await asyncio.sleep(0.1)
    return herds


def _environment(
    plan: Plan, database: databases.Database, data: Path, push_port: int, began: float
) -> Mapping[str, str]:
    return {
        "CORRAL_PUBLIC_URL": "https://mdm.example.org",
        "CORRAL_TLS": "off",
        "CORRAL_IDENTITY": "header",
        "CORRAL_PROXY": "127.0.0.1/32",
        "CORRAL_LOG_LEVEL": "info",
        "CORRAL_WORKERS": str(plan.workers),
        "CORRAL_COLLECT_INVENTORY": "false",  # the account is of what the day asks for
        "CORRAL_APNS_URL": f"https://127.0.0.1:{push_port}",
        "CORRAL_APNS_CA": str(data / "apns.pem"),
        "DAY_BEGAN": str(began),
        "DAY_FACTOR": str(HOURS * 3600 / plan.seconds),
        **KEEP,
        **database.environment,
    }


def _say(what: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {what}", file=sys.stderr, flush=True)
