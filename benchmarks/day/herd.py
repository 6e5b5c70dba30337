"""A process full of simulated devices: they are woken and obey, get new tokens, are restored, leave, and come."""

import asyncio
import itertools
import json
import math
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path
from random import Random
from typing import Any, Final

import uvloop
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from benchmarks.day.hours import HOURS, Due, arrived_by, done_by
from benchmarks.day.hurried import day_clock
from benchmarks.day.installation import PUBLIC_URL, Person, facts_of
from benchmarks.day.pushes import RemoteRegistry
from benchmarks.processes import usage
from corral.simulator.behaviour import Behaviour, Busy, Patience
from corral.simulator.device import Device
from corral.simulator.enrollment import Channel, Enrollment
from corral.simulator.fetching import InstallationFailed, open_profile
from corral.simulator.fleet import Feed
from corral.simulator.identity import Identity, ProxyHeader
from corral.simulator.installing import read_profile
from corral.simulator.keys import KeyPool
from corral.simulator.life_events import change_push_token, restore_to_itself
from corral.simulator.transport import Detour, Transport
from corral.simulator.trust import Trust
from corral.simulator.world import World

TOKENS, RESTORES, RETURNS, BUSY = 0.05, 0.005, 0.002, 0.02
"""Shares of the fleet to which it happens within the day: a new push token; a restore of a backup to the same device;
leaving, and coming back by a restore; NotNow."""

CONNECTIONS: Final = 48
STEP: Final = 0.25
ATTEMPTS: Final = 10
"""To enroll."""

DRAIN: Final = 150.0
"""Seconds that devices may still take, after the day, for what was begun."""

BASE: Final = 1.1
"""Latencies are counted in buckets, each a tenth wider than the one before; the first is of 10 microseconds."""


@dataclass(frozen=True, slots=True)
class Orders:
    """For one process. `begin` holds the moment (Unix seconds) once the day has begun."""

    port: int
    registry: int
    seconds: float
    newcomers: range
    seed: int
    report: Path


@dataclass(slots=True)
class Measure:
    """Answers since they were last looked at."""

    statuses: Counter[int] = field(default_factory=Counter[int])
    latencies: Counter[int] = field(default_factory=Counter[int])

    def __call__(self, status: int, seconds: float) -> None:
        self.statuses[status] += 1
        self.latencies[max(0, int(math.log(max(seconds, 1e-5) / 1e-5, BASE)))] += 1


def percentile(latencies: Counter[int], share: float) -> float:
    """Milliseconds within which this share (0 to 1) was answered, to a tenth."""
    wanted = share * sum(latencies.values())
    for bucket in sorted(latencies):
        wanted -= latencies[bucket]
        if wanted <= 0:
            return 0.01 * BASE ** (bucket + 1)
    return 0.0


class DealtKeys(KeyPool):
    """Keys that are there already, dealt out in turn."""

    def __init__(self, keys: Sequence[rsa.RSAPrivateKey]) -> None:
        super().__init__(threads=1)
        self._turns = itertools.cycle(keys)

    async def take(self, bits: int = 2048) -> rsa.RSAPrivateKey:
        del bits
        return next(self._turns)


def live(
    orders: Orders,
    people: Sequence[Person],
    keys: Sequence[bytes],
    profile: bytes,
    link: str,
    ready: Event,
    begun: Event,
    began: Any,
) -> None:
    """What the process runs: sets `ready`, waits for `begun`, lives through the day and ends."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_Herd(orders, people, keys, profile, link).live(ready, begun, began))


class _Herd:
    def __init__(
        self, orders: Orders, people: Sequence[Person], keys: Sequence[bytes], profile: bytes, link: str
    ) -> None:
        self._orders = orders
        self._people = people
        self._keys = {pem: _load(pem) for pem in keys}
        self._raw = profile
        self._link = link
        self._random = Random(orders.seed)
        self._measure = Measure()
        self._feed = Feed()
        self._began = 0.0
        self._factor = HOURS * 3600 / orders.seconds
        self._tasks: set[asyncio.Task[None]] = set()
        self._wrong: Counter[str] = Counter()
        self._late = 0.0

    async def live(self, ready: Event, begun: Event, began: Any) -> None:
        orders = self._orders
        registry = await RemoteRegistry.connect(orders.registry)
        transport = Transport(
            connections=CONNECTIONS,
            timeout=60.0,
            detours={PUBLIC_URL: Detour("127.0.0.1", orders.port)},
            measure=self._measure,
        )
        keys = DealtKeys(list(self._keys.values()))
        world = World(transport, keys, registry, Trust(system=False), self._now, self._feed)
        devices = self._make(world)
        self._people = ()
        ready.set()
        await asyncio.to_thread(begun.wait)
        self._began = began.value
        with orders.report.open("w") as report:
            reporting = asyncio.create_task(self._report(report, registry))
            await self._day(devices, world)
            await self._drain(devices)
            await asyncio.sleep(1.1)
            reporting.cancel()
            states = Counter(device.state for device in devices)
            complaints = [complaint for device in devices for complaint in device.complaints]
            last = {
                "devices": len(devices),
                "states": states,
                "complaints": complaints[:20],
                "wrong": self._wrong,
                "counts": {f"{what}{'' if ok else ' failed'}": n for (what, ok), n in self._feed.counts.items()},
            }
            print(json.dumps(last), file=report)
        await transport.close()
        keys.close()

    def _make(self, world: World) -> list[Device]:
        behaviour = Behaviour(
            proof=ProxyHeader(), unlock_token=False, information_size=2048, patience=Patience(20, 0.5, 5.0)
        )
        download = open_profile(self._raw)
        profile = read_profile(download, None)
        trust = world.trust.and_roots(profile.trust_roots)
        devices: list[Device] = []
        for person in self._people:
            facts = facts_of(person.number)
            device = Device(facts, world, behaviour, seed=person.number)
            identity = Identity(person.signer.certificate, self._keys[person.signer.key])
            channel = Channel({"UDID": facts.udid}, person.token, person.magic)
            device.adopt(Enrollment(profile, download.signer, identity, trust, channel))
            devices.append(device)
        self._behaviour = behaviour
        return devices

    def _now(self) -> datetime:
        return datetime.fromtimestamp(day_clock(self._began, self._factor) / 1e9, UTC)

    @property
    def _hour(self) -> float:
        return (time.time() - self._began) * self._factor / 3600

    async def _day(self, devices: list[Device], world: World) -> None:
        count = len(devices)
        tokens, restores, returns, busy = (Due(count * share) for share in (TOKENS, RESTORES, RETURNS, BUSY))
        newcomers, arrivals = Due(len(self._orders.newcomers)), iter(self._orders.newcomers)
        while (hour := self._hour) < HOURS:
            before = time.monotonic()
            share = done_by(hour)
            for _ in tokens.take(share):
                self._do(self._change_token(self._random.choice(devices)))
            for _ in restores.take(share):
                self._do(self._restore(self._random.choice(devices)))
            for _ in returns.take(share):
                self._do(self._leave_and_return(self._random.choice(devices)))
            for _ in busy.take(share):
                self._random.choice(devices).busy = Busy(1, pause=1.0)
            for _ in newcomers.take(arrived_by(hour)):
                number = next(arrivals)
                device = Device(facts_of(number), world, self._behaviour, seed=number)
                devices.append(device)
                self._do(self._enroll(device))
            await asyncio.sleep(STEP)
            self._late = max(self._late, time.monotonic() - before - STEP)

    async def _drain(self, devices: list[Device]) -> None:
        try:
            async with asyncio.timeout(DRAIN):
                while self._tasks:
                    await asyncio.wait(self._tasks)
                for device in devices:
                    await device.settle()
        except TimeoutError:
            self._wrong["not done after the day"] += 1

    def _do(self, act: Any) -> None:
        task = asyncio.create_task(act)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _change_token(self, device: Device) -> None:
        if device.enrollment is not None:
            await change_push_token(device)

    async def _restore(self, device: Device) -> None:
        if device.enrollment is not None:
            await restore_to_itself(device, new_magic=True)

    async def _leave_and_return(self, device: Device) -> None:
        if device.enrollment is None:
            return
        await device.leave()
        await asyncio.sleep(3600 / self._factor)
        await restore_to_itself(device, new_magic=True)

    async def _enroll(self, device: Device) -> None:
        """As somebody who tries again when it did not work; the profile that is there is not asked for again."""
        why = ""
        for _ in range(ATTEMPTS):
            try:
                await (device.enroll(self._link) if device.cached_profile is None else device.retry_installation())
            except InstallationFailed as failure:
                why = str(failure)
                await asyncio.sleep(2.0)
            else:
                return
        self._wrong[why] += 1

    async def _report(self, report: Any, registry: RemoteRegistry) -> None:
        """A line a second."""
        pid, told = os.getpid(), 0
        while True:
            await asyncio.sleep(1.0)
            measure = self._measure
            line = {
                "at": time.time(),
                "statuses": measure.statuses,
                "latencies": measure.latencies,
                "pushes": registry.delivered - told,
                "memory": usage(pid).memory,
                "cpu": usage(pid).cpu,
                "late": round(self._late, 3),
            }
            print(json.dumps(line), file=report, flush=True)
            told, self._late = registry.delivered, 0.0
            measure.statuses, measure.latencies = Counter(), Counter()


def _load(pem: bytes) -> rsa.RSAPrivateKey:
    key = load_pem_private_key(pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key
