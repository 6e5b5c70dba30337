"""What is measured: each kind of work that devices make, played against a service and counted."""

import uuid
from array import array
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from benchmarks.fleet import authenticate, idle, result, token_update
from benchmarks.identity import CHECK_IN, REPORT
from benchmarks.load import Exchange, Played, Script, percentile
from benchmarks.site import Site

WARM_UP = 10_000
"""Requests before memory is first looked at."""


@dataclass(frozen=True, slots=True)
class Measured:
    """`done` pieces of work in `seconds`; `cpu` seconds of the service, `database_cpu` of the database's own
    processes, and the service's resident bytes before and after."""

    work: str
    proof: str
    done: int
    seconds: float
    cpu: float
    database_cpu: float
    generator_cpu: float
    memory: tuple[int, int]
    latencies: "array[float]" = field(repr=False)

    @property
    def rate(self) -> float:
        return self.done / self.seconds

    @property
    def requests(self) -> int:
        return len(self.latencies)

    @property
    def request_rate(self) -> float:
        return self.requests / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Of the service, milliseconds a request."""
        return self.cpu * 1000 / self.requests

    @property
    def database_ms(self) -> float:
        """Of the database's own processes, milliseconds a request."""
        return self.database_cpu * 1000 / self.requests

    def percentile(self, percent: float) -> float:
        """Of the latencies, in milliseconds."""
        return percentile(self.latencies, percent)


@dataclass(frozen=True, slots=True)
class Endurance:
    """Memory and writes of very many polls: `commits` and bytes `written` while they lasted."""

    polls: int
    seconds: float
    commits: int
    written: int
    memory: tuple[int, int]

    @property
    def growth(self) -> float:
        return self.memory[1] / self.memory[0] - 1


Workload: TypeAlias = Callable[[Site, "Extent"], Awaitable[Measured]]


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured of each kind of work."""

    seconds: float
    rounds: int
    endurance: int


async def enrollments(site: Site, extent: Extent) -> Measured:
    """Authenticate and the first TokenUpdate: certificates were issued before."""
    del extent
    return await _measure("enrollments", site, await _enrollment_scripts(site))


async def enroll(site: Site) -> None:
    """The same, unmeasured."""
    await site.play(await _enrollment_scripts(site))


async def _enrollment_scripts(site: Site) -> list[Script]:
    begin = await site.prover.requests(CHECK_IN, [(device, authenticate(device)) for device in site.devices])
    connect = await site.prover.requests(CHECK_IN, [(device, token_update(device)) for device in site.devices])
    return [((first, b""), (second, b"")) for first, second in zip(begin, connect, strict=True)]


async def polls(site: Site, extent: Extent) -> Measured:
    """Idle, and nothing is queued."""
    scripts = await idle_scripts(site)
    await site.play(scripts)
    return await _measure("idle polls", site, scripts, times=1000, seconds=extent.seconds)


async def one_command(site: Site, extent: Extent) -> Measured:
    """Idle, the command, its result stored, and nothing more."""
    return await _commands("commands, one queued", site, 1, extent.rounds)


async def four_commands(site: Site, extent: Extent) -> Measured:
    """Idle, a command, its result stored, the next: four times."""
    return await _commands("commands, four queued", site, 4, max(extent.rounds // 2, 1))


async def token_updates(site: Site, extent: Extent) -> Measured:
    """A new token of a connected device."""
    rounds = [
        await site.prover.requests(CHECK_IN, [(device, token_update(device)) for device in site.devices])
        for _ in range(extent.rounds)
    ]
    return await _measure("TokenUpdates", site, [((request, b""),) for requests in rounds for request in requests])


WORKLOADS: dict[str, Workload] = {
    "enrollments": enrollments,
    "polls": polls,
    "one-command": one_command,
    "four-commands": four_commands,
    "tokens": token_updates,
}
"""In the order in which they are measured: devices have to enroll first."""


async def endure(site: Site, extent: Extent) -> Endurance:
    """Polls, and nothing else: memory must stay flat, and nothing but the flush of `last_seen` be written."""
    await site.come_to_rest()
    scripts = await idle_scripts(site)
    await site.play(scripts, times=max(WARM_UP // len(scripts), 1))
    before, commits = site.usage(), site.commits()
    played = await site.play(scripts, times=extent.endurance // len(scripts))
    after = site.usage()
    return Endurance(
        polls=played.requests,
        seconds=played.seconds,
        commits=site.commits() - commits,
        written=after.written - before.written,
        memory=(before.memory, after.memory),
    )


async def idle_scripts(site: Site) -> list[Script]:
    requests = await site.prover.requests(REPORT, [(device, idle(device)) for device in site.devices])
    return [((request, b""),) for request in requests]


async def _commands(work: str, site: Site, queued: int, rounds: int) -> Measured:
    """Each round is queued through the admin API and signed before it is measured."""
    asked = await site.prover.requests(REPORT, [(device, idle(device)) for device in site.devices])
    measured: list[Measured] = []
    for _ in range(rounds):
        names = [str(uuid.uuid4()).upper() for _ in range(queued)]
        bodies = [await site.enqueue(name) for name in names]
        told = [
            await site.prover.requests(REPORT, [(device, result(device, name)) for device in site.devices])
            for name in names
        ]
        scripts = [_command_script(ask, bodies, tells) for ask, *tells in zip(asked, *told, strict=True)]
        measured.append(await _measure(work, site, scripts, pieces=queued))
    return _sum(measured)


def _command_script(ask: bytes, bodies: Sequence[bytes], tells: Sequence[bytes]) -> Script:
    """Every request is answered by the next command, the last one by nothing."""
    exchanges: list[Exchange] = list(zip((ask, *tells), (*bodies, b""), strict=True))
    return tuple(exchanges)


async def _measure(
    work: str, site: Site, scripts: Sequence[Script], *, pieces: int = 1, times: int = 1, seconds: float = 60.0
) -> Measured:
    before, database = site.usage(), site.backend.cpu()
    played = await site.play(scripts, times=times, seconds=seconds)
    after, database = site.usage(), site.backend.cpu() - database
    memory = before.memory, after.memory
    return _measured(work, site.proof.value, played, pieces, after.cpu - before.cpu, database, memory)


def _measured(
    work: str, proof: str, played: Played, pieces: int, cpu: float, database: float, memory: tuple[int, int]
) -> Measured:
    return Measured(
        work=work,
        proof=proof,
        done=played.scripts * pieces,
        seconds=played.seconds,
        cpu=cpu,
        database_cpu=database,
        generator_cpu=played.cpu,
        memory=memory,
        latencies=played.latencies,
    )


def _sum(parts: Sequence[Measured]) -> Measured:
    latencies: array[float] = array("d")
    for part in parts:
        latencies.extend(part.latencies)
    return Measured(
        work=parts[0].work,
        proof=parts[0].proof,
        done=sum(part.done for part in parts),
        seconds=sum(part.seconds for part in parts),
        cpu=sum(part.cpu for part in parts),
        database_cpu=sum(part.database_cpu for part in parts),
        generator_cpu=sum(part.generator_cpu for part in parts),
        memory=(parts[0].memory[0], parts[-1].memory[1]),
        latencies=latencies,
    )
