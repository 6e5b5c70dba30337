"""A running service with its fleet, ready to be measured."""

import asyncio
import base64
import contextlib
import shutil
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.backend import Backend
from benchmarks.fleet import Device, Fleet, command
from benchmarks.identity import Proof, Prover
from benchmarks.load import Job, LoadGenerator, Played, Script
from benchmarks.processes import Usage, usage_of_all
from benchmarks.signing import Workshop
from corral.cli.process import ServiceProcess, free_port, running

_LOOK, _MOST_LOOKS = 0.5, 240
"""Seconds between two looks at what is committed, and how many there are."""
_AT_REST = 1
"""Commits between two looks at a service that has nothing to do."""


@dataclass(frozen=True, slots=True)
class Site:
    """`clients` connections at a time play scripts against the service at `port`."""

    proof: Proof
    service: ServiceProcess
    port: int
    devices: Sequence[Device] = field(repr=False)
    prover: Prover
    generator: LoadGenerator
    clients: int
    admin: httpx.AsyncClient
    backend: Backend

    async def play(
        self, scripts: Sequence[Script], *, times: int = 1, seconds: float = 60.0, rate: float | None = None
    ) -> Played:
        """Raises LoadFailed as soon as an answer is not what it must be. `rate`: scripts a second, see Job."""
        return await self.generator.play(Job(self.port, scripts, times, seconds, self.clients, rate=rate))

    def usage(self) -> Usage:
        """Of the service's processes."""
        return usage_of_all(self.service.pid)

    def commits(self) -> int:
        """Of all processes, since the database was made."""
        return self.backend.commits(self.service.data)

    async def come_to_rest(self) -> None:
        """Until what came before has been worked off, such as the answers that are taken into the inventory."""
        before = self.commits()
        for _ in range(_MOST_LOOKS):
            await asyncio.sleep(_LOOK)
            now = self.commits()
            if now - before <= _AT_REST:
                return
            before = now
        raise RuntimeError(f"The service was still at work after {_LOOK * _MOST_LOOKS:g} s in which nothing was asked.")

    async def enqueue(self, command_uuid: str) -> bytes:
        """Queue a command for every device through the admin API; returns its body, as devices will get it."""
        body = command(command_uuid)
        plist = base64.b64encode(body).decode()
        answer = await self.admin.post(
            "/commands", json={"devices": [device.udid for device in self.devices], "plist": plist}, timeout=120
        )
        answer.raise_for_status()
        queued = answer.json()["queued"]
        if queued != len(self.devices):
            raise RuntimeError(
                f"The command was queued for {queued} of {len(self.devices)} devices: {answer.text[:500]}"
            )
        return body


@contextlib.asynccontextmanager
async def open_site(
    proof: Proof,
    fleet: Fleet,
    data: Path,
    backend: Backend,
    workshop: Workshop,
    generator: LoadGenerator,
    clients: int,
) -> AsyncGenerator[Site]:
    """A service over a copy of the fleet's installation in `data`."""
    place = Place(data, proof, copy_folder(fleet.data, data, backend))
    async with serve(place, fleet.devices, backend, workshop, generator, clients) as site:
        yield site


@dataclass(frozen=True, slots=True)
class Place:
    """A data folder to serve, and how: `environment` names its database and what else is set, `program` the module that
    is run."""

    data: Path
    proof: Proof
    environment: Mapping[str, str]
    program: str = "corral"


def copy_folder(of: Path, to: Path, backend: Backend) -> Mapping[str, str]:
    """An installation that does not run, once more; returns the environment that names its database."""
    to.mkdir()
    shutil.copy(of / "sealing.key", to / "sealing.key")
    return backend.copy(to, of)


@contextlib.asynccontextmanager
async def serve(
    place: Place,
    devices: Sequence[Device],
    backend: Backend,
    workshop: Workshop,
    generator: LoadGenerator,
    clients: int,
) -> AsyncGenerator[Site]:
    """A service over what lies in `place` already."""
    port = free_port()
    environment = {
        "CORRAL_PUBLIC_URL": "https://mdm.example.org",
        "CORRAL_TLS": "off",
        "CORRAL_LOG_LEVEL": "warning",
        "CORRAL_COLLECT_INVENTORY": "false",  # what devices are given is what is measured
        **place.proof.settings,
        **place.environment,
    }
    service = ServiceProcess(place.data, f"127.0.0.1:{port}", environment, program=place.program)
    async with running(service), service.admin() as admin:
        prover = Prover(place.proof, workshop)
        yield Site(place.proof, service, port, devices, prover, generator, clients, admin, backend)
