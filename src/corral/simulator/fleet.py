"""Many simulated devices: made alike from one seed, doing things side by side, counted."""

import asyncio
import time
from array import array
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, TypeAlias

from corral.simulator.behaviour import Behaviour
from corral.simulator.device import Device, make_device
from corral.simulator.facts import Model
from corral.simulator.fetching import InstallationFailed
from corral.simulator.speaking import Accepted, Failed, Unenrolled, Verdict
from corral.simulator.world import Happening, State, World

Source: TypeAlias = str | bytes | Callable[[Device], Awaitable[str | bytes]]
"""An enrollment link, a profile, or who gives one of them for a device."""

_MOST_KEPT: Final = 10_000
_MOST_REASONS: Final = 20
_MIX: Final = (Model.IPHONE,) * 5 + (Model.IPAD,) * 3 + (Model.MAC,) * 4 + (Model.APPLE_TV, Model.VISION)


class Feed:
    """Hands on what happens to devices; give it to a World as `observe`."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, bool]] = Counter()
        self._listeners: list[Callable[[Happening], None]] = []

    def __call__(self, happening: Happening) -> None:
        self.counts[happening.what, happening.ok] += 1
        for listener in self._listeners:
            listener(happening)

    def listen(self, listener: Callable[[Happening], None]) -> None:
        """Called for each happening, in the event loop, until the feed is gone."""
        self._listeners.append(listener)

    async def stream(self) -> AsyncIterator[Happening]:
        """What happens from now on; a reader that is slow misses the oldest."""
        waiting: deque[Happening] = deque(maxlen=_MOST_KEPT)
        come = asyncio.Event()

        def keep(happening: Happening) -> None:
            waiting.append(happening)
            come.set()

        self._listeners.append(keep)
        try:
            while True:
                await come.wait()
                come.clear()
                while waiting:
                    yield waiting.popleft()
        finally:
            self._listeners.remove(keep)


@dataclass(slots=True)
class Tally:
    """What many devices did: `failures` are counted by reason, `latencies` (seconds) are of what was done."""

    what: str
    done: int = 0
    failed: int = 0
    seconds: float = 0.0
    failures: Counter[str] = field(default_factory=Counter[str])
    latencies: "array[float]" = field(default_factory=lambda: array("d"), repr=False)

    @property
    def per_second(self) -> float:
        return self.done / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """The latency (seconds) within which this share (0 to 1) was done; 0 if nothing was."""
        if not self.latencies:
            return 0.0
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def add(self, reason: str | None, seconds: float) -> None:
        if reason is None:
            self.done += 1
            self.latencies.append(seconds)
            return
        self.failed += 1
        known = reason in self.failures or len(self.failures) < _MOST_REASONS
        self.failures[reason if known else "other reasons"] += 1


class Fleet:
    """Devices, of which `concurrency` do something at a time."""

    def __init__(self, devices: Sequence[Device], *, concurrency: int = 64) -> None:
        self.devices = list(devices)
        self.concurrency = concurrency

    def states(self) -> Counter[State]:
        return Counter(device.state for device in self.devices)

    async def each(
        self,
        what: str,
        act: Callable[[Device], Awaitable[str | None]],
        devices: Iterable[Device] | None = None,
        *,
        seconds: float | None = None,
    ) -> Tally:
        """Have each device do this once; `act` says why it failed, or None. With `seconds`, they go round until
        the time is up."""
        tally = Tally(what)
        chosen = list(self.devices if devices is None else devices)
        start = time.perf_counter()
        ends = None if seconds is None else start + seconds
        turns = _turns(chosen, ends)

        async def work() -> None:
            for device in turns:
                began = time.perf_counter()
                reason = await act(device)
                tally.add(reason, time.perf_counter() - began)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.concurrency, len(chosen))):
                group.create_task(work())
        tally.seconds = time.perf_counter() - start
        return tally

    async def enroll(self, source: Source, devices: Iterable[Device] | None = None) -> Tally:
        async def act(device: Device) -> str | None:
            try:
                await device.enroll(source if isinstance(source, str | bytes) else await source(device))
            except InstallationFailed as failure:
                return str(failure)
            return None

        return await self.each("enrolled", act, devices)

    async def poll(self, devices: Iterable[Device] | None = None, *, seconds: float | None = None) -> Tally:
        """Sessions of the device channel, once each, or round and round for so long."""

        async def act(device: Device) -> str | None:
            return explain(await device.poll())

        return await self.each("polled", act, devices, seconds=seconds)

    async def settle(self) -> None:
        """Until nobody has anything under way."""
        for device in self.devices:
            await device.settle()


def make_fleet(
    world: World,
    count: int,
    *,
    seed: int = 0,
    model: Model | None = None,
    behaviour: Behaviour | None = None,
    concurrency: int = 64,
) -> Fleet:
    """The same fleet each time for the same seed: models mixed as in an office, unless one is given."""
    random = Random(seed)  # noqa: S311 - devices, not secrets
    devices = [
        make_device(random, world, model or _MIX[number % len(_MIX)], number=number, behaviour=behaviour)
        for number in range(1, count + 1)
    ]
    return Fleet(devices, concurrency=concurrency)


def explain(verdict: Verdict) -> str | None:
    """Why a session did not end well; None if it did."""
    match verdict:
        case Accepted():
            return None
        case Failed(why) | Unenrolled(why):
            return why
        case _:
            return "HTTP 410"


def _turns(devices: Sequence[Device], ends: float | None) -> Iterable[Device]:
    """Who is next, for several at once: a generator is shared by all who draw from it."""
    if ends is None:
        return iter(devices)
    return _rounds(devices, ends)


def _rounds(devices: Sequence[Device], ends: float) -> Iterable[Device]:
    while True:
        for device in devices:
            if time.perf_counter() >= ends:
                return
            yield device
