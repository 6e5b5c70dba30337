"""One run over one database: the floors, every kind of work with both kinds of identity, and every question."""

import os
import platform
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.backend import Backend
from benchmarks.embedded import Embedded
from benchmarks.fleet import make_fleet
from benchmarks.floors import bare_route, echo
from benchmarks.identity import Proof
from benchmarks.load import LoadGenerator
from benchmarks.profiling import profiled
from benchmarks.questions import (
    clients,
    growth,
    hanging,
    listings,
    observed,
    order,
    overload,
    reach,
    starting,
    workers,
)
from benchmarks.questions.ground import Finding, Ground, Sizes
from benchmarks.report import Report, Row
from benchmarks.signing import Workshop
from benchmarks.site import Site, open_site
from benchmarks.workloads import WORKLOADS, Extent, endure, idle_scripts

QUESTIONS: Final[Mapping[str, Callable[[Ground], Awaitable[Finding]]]] = {
    "starting": starting.measure,
    "clients": clients.measure,
    "overload": overload.measure,
    "order": order.measure,
    "reach": reach.measure,
    "hanging": hanging.measure,
    "observed": observed.measure,
    "listings": listings.measure,
    "growth": growth.measure,
    "workers": workers.measure,
}
"""In the order in which they are asked, each of a copy of the same installation."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything; `only` names a workload or a question."""

    devices: int
    keys: int
    clients: int
    floor_seconds: float
    extent: Extent
    sizes: Sizes
    only: str | None
    profiles: Path | None

    def wants(self, name: str) -> bool:
        return self.only in (None, name)


async def run(plan: Plan, database: str, folder: Path) -> Report:
    """Raises LoadFailed and ServiceFailed."""
    async with AsyncExitStack() as stack:
        workshop = stack.enter_context(Workshop())
        generator = stack.enter_context(LoadGenerator())
        _say(f"{plan.devices} devices with certificates of their own, {plan.keys} keys ...")
        backend = _backend(database, folder / "fleet", stack)
        fleet = await make_fleet(folder / "fleet", backend, plan.devices, plan.keys, workshop)
        ground = Ground(fleet, folder, backend, workshop, generator, plan.clients, plan.sizes)
        _say(f"Floors of {backend.name} ...")
        report = Report(
            at=datetime.now(UTC),
            machine=_machine(),
            devices=plan.devices,
            clients=plan.clients,
            database=backend.name,
            database_floors=backend.floors(folder, plan.floor_seconds),
        )
        for proof in Proof:
            if plan.only in (None, *WORKLOADS):
                await _work(plan, ground, proof, report)
        for name, ask in QUESTIONS.items():
            # The embedded database is one process's.
            if plan.wants(name) and (name != "workers" or database == "postgres"):
                _say(f"{name} ...")
                report.findings.append(await ask(ground))
    return report


def _backend(name: str, fleet: Path, stack: AsyncExitStack) -> Backend:
    if name == "sqlite":
        return Embedded(fleet)
    # The tests know how to bring up a server; who measures the embedded database needs none of it.
    from tests.postgres_server import Server

    from benchmarks.postgres import Postgres

    server = Server(durable=True)
    stack.callback(server.remove)
    server.start()
    return Postgres(server)


async def _work(plan: Plan, ground: Ground, proof: Proof, report: Report) -> None:
    """Every kind of work with one kind of identity, and the floors with the same requests."""
    async with open_site(
        proof, ground.fleet, ground.folder / proof, ground.backend, ground.workshop, ground.generator, plan.clients
    ) as site:
        asked = await idle_scripts(site)
        if proof is Proof.HEADER:
            report.echo = echo(ground.generator, asked, plan.floor_seconds, plan.clients)
        bare = bare_route(ground.generator, asked, plan.floor_seconds, plan.clients)
        for name, workload in WORKLOADS.items():
            if not plan.wants(name) and name != "enrollments":
                continue
            await site.come_to_rest()
            async with _profiled(plan, site, f"{name}-{proof}-{report.database}"):
                measured = await workload(site, plan.extent)
            _say(f"{measured.work}, {proof}: {measured.rate:,.0f}/s")
            if plan.wants(name):
                report.rows.append(Row(measured, bare))
        if proof is Proof.HEADER and plan.wants("polls"):
            report.endurance = await endure(site, plan.extent)


def _profiled(plan: Plan, site: Site, name: str) -> AbstractAsyncContextManager[None]:
    return profiled(site.service.pid, plan.profiles / f"{name}.folded" if plan.profiles else None)


def _machine() -> str:
    model = "processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{os.cpu_count()} x {model}, {platform.system()} {platform.release()}, Python {platform.python_version()}"


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
