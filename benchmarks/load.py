"""The load generator: a process of its own that plays scripts of prepared requests and checks every answer.

It does as little as it can while it measures: bytes that were made before go out, and what comes back is compared.
"""

import asyncio
import gc
import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self, TypeAlias, cast

import uvloop

from benchmarks.processes import SPAWN

Exchange: TypeAlias = tuple[bytes, bytes]
"""A whole request, and the body that its answer (always 200) must have."""

Script: TypeAlias = tuple[Exchange, ...]
"""What one device says, each request after the answer to the one before."""

PATIENCE = 20.0
"""Seconds that scripts under way get after the time of a job is over."""

_LENGTH = b"ontent-length: "
_LENGTH_SIZE = len(_LENGTH)


class LoadFailed(Exception):
    """An answer was not what it must be, or none came; the message shows it."""


@dataclass(frozen=True, slots=True)
class Job:
    """Play the scripts in order, `times` over, each on whichever of the clients is free; after `seconds` no more
    are begun. A device's script must not come again while it is under way: give more scripts than clients.
    Where it is `refusable`, a 503 is an answer too: it ends its script.

    With a `rate`, so many scripts a second are begun, each at its time; one that found no client free begins late, and
    the wait counts as latency of its first request. Without one, each client begins the next script at once."""

    port: int
    scripts: Sequence[Script] = field(repr=False)
    times: int = 1
    seconds: float = 60.0
    clients: int = 64
    refusable: bool = False
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Played:
    """`latencies` has the seconds of each request, `refused` of each that was answered 503; `cpu` what the load
    generator itself used."""

    scripts: int
    seconds: float
    cpu: float
    latencies: "array[float]" = field(repr=False)
    refused: "array[float]" = field(repr=False)

    @property
    def requests(self) -> int:
        return len(self.latencies)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    def percentile(self, percent: float) -> float:
        """Of the latencies, in milliseconds."""
        return percentile(self.latencies, percent)


def percentile(latencies: "array[float]", percent: float) -> float:
    """Of seconds, in milliseconds; 0 of none."""
    ordered = sorted(latencies)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)] * 1000 if ordered else 0.0


class LoadGenerator:
    """Clients in another process, for as many jobs as come, one after the other."""

    def __init__(self) -> None:
        self._ours, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_work, args=(theirs,), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.join()

    async def play(self, job: Job) -> Played:
        """Raises LoadFailed."""
        return await asyncio.to_thread(self.play_now, job)

    def play_now(self, job: Job) -> Played:
        self._ours.send(job)
        result = cast(Played | str, self._ours.recv())
        if isinstance(result, str):
            raise LoadFailed(result)
        return result


def _work(jobs: "Connection[Played | str, Job]") -> None:
    gc.disable()
    while True:
        job = jobs.recv()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            try:
                jobs.send(runner.run(_play(job)))
            except (LoadFailed, OSError) as error:
                jobs.send(f"{error}")
        del job
        gc.collect()


class _Stage:
    """What the clients of one job share."""

    def __init__(self, job: Job) -> None:
        self.scripts: Iterator[Script] = chain.from_iterable(repeat(job.scripts, job.times))
        self.latencies: array[float] = array("d")
        self.refused: array[float] = array("d")
        self.refusable = job.refusable
        self.played = 0
        self.playing = job.clients
        self.deadline = time.perf_counter() + job.seconds
        self.pause = 1 / job.rate if job.rate else 0.0
        self.next_at = 0.0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def turn(self) -> float:
        """When the script that is begun next should be, on the clock of `perf_counter`."""
        at = self.next_at
        self.next_at += self.pause
        return at

    def fail(self, why: str) -> None:
        if not self.over.done():
            self.over.set_exception(LoadFailed(why))

    def leave(self) -> None:
        self.playing -= 1
        if not self.playing and not self.over.done():
            self.over.set_result(None)


class _Client(asyncio.Protocol):
    """One kept connection, one request under way at a time."""

    __slots__ = ("_expected", "_left", "_rest", "_sent", "_stage", "transport")

    def __init__(self, stage: _Stage) -> None:
        self._stage = stage
        self._left: Iterator[Exchange] = iter(())
        self._rest = b""
        self._expected = b""
        self._sent = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def begin(self) -> None:
        """The next script, or the end."""
        stage = self._stage
        if not stage.pause:
            self._begin(time.perf_counter())
            return
        at = stage.turn()
        early = at - time.perf_counter()
        if early > 0:
            asyncio.get_running_loop().call_later(early, self._begin, at)
        else:
            self._begin(at)

    def _begin(self, at: float) -> None:
        stage = self._stage
        script = next(stage.scripts, None) if at < stage.deadline and not stage.over.done() else None
        if script is None:
            self._expected = b""
            stage.leave()
            return
        self._left = iter(script)
        self._send(next(self._left), at)

    def _send(self, exchange: Exchange, at: float) -> None:
        request, self._expected = exchange
        assert self.transport is not None
        self._sent = at
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        end = data.find(b"\r\n\r\n")
        at = data.find(_LENGTH, 0, end)
        if end < 0 or at < 0:
            self._rest = data
            if end >= 0:
                self._stage.fail(f"An answer without a length: {data[:300]!r}")
            return
        size = int(data[at + _LENGTH_SIZE : data.find(b"\r", at)])
        if len(data) < end + 4 + size:
            self._rest = data
            return
        self._rest = b""
        now = time.perf_counter()
        if data[9:12] == b"503" and self._stage.refusable:
            self._stage.refused.append(now - self._sent)
            self.begin()
            return
        if data[9:12] != b"200" or data[end + 4 :] != self._expected:
            expected = self._expected[:200]
            self._stage.fail(f"Expected 200 with {expected!r}, got {data[:12]!r} with {data[end + 4 : end + 404]!r}")
            return
        self._stage.latencies.append(now - self._sent)
        following = next(self._left, None)
        if following is not None:
            self._send(following, time.perf_counter())
        else:
            self._stage.played += 1
            self.begin()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stage.fail(f"A connection was lost: {exc or 'the server closed it'}")


async def _play(job: Job) -> Played:
    loop = asyncio.get_running_loop()
    stage = _Stage(job)
    clients: list[_Client] = []
    try:
        for _ in range(job.clients):
            _, client = await loop.create_connection(lambda: _Client(stage), "127.0.0.1", job.port)
            clients.append(client)
        cpu, start = time.process_time(), time.perf_counter()
        stage.deadline, stage.next_at = start + job.seconds, start
        for client in clients:
            client.begin()
        async with asyncio.timeout(job.seconds + PATIENCE):
            await stage.over
        elapsed, cpu = time.perf_counter() - start, time.process_time() - cpu
    except TimeoutError:
        raise LoadFailed(f"No end within {job.seconds + PATIENCE:.0f} s: {stage.playing} clients wait.") from None
    finally:
        for client in clients:
            if client.transport is not None:
                client.transport.abort()
    return Played(stage.played, elapsed, cpu, stage.latencies, stage.refused)
