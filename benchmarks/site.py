"""A running service with its fleet, ready to be measured."""

import base64
import contextlib
import shutil
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.backend import Backend
from benchmarks.fleet import Device, Fleet, command
from benchmarks.identity import Proof, Prover
from benchmarks.load import Job, LoadGenerator, Played, Script
from benchmarks.processes import Usage, usage
from benchmarks.signing import Workshop
from corral.cli.process import ServiceProcess, free_port, running


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

    async def play(self, scripts: Sequence[Script], *, times: int = 1, seconds: float = 60.0) -> Played:
        """Raises LoadFailed as soon as an answer is not what it must be."""
        return await self.generator.play(Job(self.port, scripts, times, seconds, self.clients))

    def usage(self) -> Usage:
        """Of the service's process."""
        return usage(self.service.pid)

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


def _copy_folder(of: Path, to: Path) -> None:
    """All but the database, which the back-end copies."""
    to.mkdir()
    shutil.copy(of / "sealing.key", to / "sealing.key")


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
    _copy_folder(fleet.data, data)
    port = free_port()
    environment = {
        "CORRAL_PUBLIC_URL": "https://mdm.example.org",
        "CORRAL_TLS": "off",
        "CORRAL_LOG_LEVEL": "warning",
        **proof.settings,
        **backend.copy(data),
    }
    service = ServiceProcess(data, f"127.0.0.1:{port}", environment)
    async with running(service), service.admin() as admin:
        prover = Prover(proof, workshop)
        yield Site(proof, service, port, fleet.devices, prover, generator, clients, admin, backend)
