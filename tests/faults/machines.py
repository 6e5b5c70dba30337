"""Further machines of an installation: a process and a data folder of their own, the same sealing key and database."""

import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from corral.cli.process import ServiceProcess, free_port, running
from corral.simulator.transport import Detour, Transport
from e2e.installation import Installation


@asynccontextmanager
async def machine(
    beside: Installation, folder: Path, settings: dict[str, str] | None = None
) -> AsyncGenerator[ServiceProcess]:
    shutil.copytree(beside.template.data, folder)
    environment = {**beside.service.environment, **(settings or {})}
    async with running(ServiceProcess(folder, f"127.0.0.1:{free_port()}", environment)) as service:
        yield service


def port(service: ServiceProcess) -> int:
    return int(service.listen.rpartition(":")[2])


def way(corral: Installation, at: int, *, connections: int = 64) -> Transport:
    """How devices reach the installation at this port."""
    detours = {corral.url: Detour("127.0.0.1", at)}
    return Transport(connections=connections, timeout=30, detours=detours)
