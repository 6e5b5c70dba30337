"""`python -m benchmarks`: measures, writes a report, and with `--check` says whether the ratios hold."""

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks import floors
from benchmarks.backend import Backend
from benchmarks.embedded import Embedded
from benchmarks.fleet import Fleet, make_fleet
from benchmarks.identity import Proof
from benchmarks.load import Job, LoadFailed, LoadGenerator, Script
from benchmarks.plot import to_svg
from benchmarks.processes import child, usage, wait_for_port
from benchmarks.profiling import profiled
from benchmarks.report import Floor, Report, Row, shortcomings, to_markdown
from benchmarks.signing import Workshop
from benchmarks.site import open_site
from benchmarks.workloads import WORKLOADS, Endurance, Extent, endure, idle_scripts
from corral.cli.process import ServiceFailed, free_port

RESULTS: Final = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything."""

    devices: int
    keys: int
    clients: int
    floor_seconds: float
    extent: Extent
    only: str | None
    database: str
    profiles: Path | None


def main() -> int:
    options = _options()
    quick = bool(options.quick)
    plan = Plan(
        devices=400 if quick else 2000,
        keys=16 if quick else 64,
        clients=64,
        floor_seconds=1.0 if quick else 3.0,
        extent=Extent(seconds=2.0 if quick else 5.0, rounds=2 if quick else 4, endurance=20_000 if quick else 100_000),
        only=options.only,
        database=options.database,
        profiles=options.output if options.profile else None,
    )
    options.output.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="corral-bench-", dir=options.scratch) as folder:
            report = asyncio.run(_run(plan, Path(folder)))
    except (LoadFailed, ServiceFailed) as error:
        print(f"The measurement failed: {error}", file=sys.stderr)
        return 1
    markdown = to_markdown(report)
    (options.output / "latest.md").write_text(markdown)
    (options.output / "latest.svg").write_text(to_svg(report))
    print(f"\n{markdown}\nWritten to {options.output / 'latest.md'} and latest.svg.")
    return _verdict(report) if options.check else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure Corral; see benchmarks/README.md."
    )
    parser.add_argument("--check", action="store_true", help="exit 1 if a row falls short, and say which")
    parser.add_argument("--quick", action="store_true", help="fewer devices, shorter: within forty seconds")
    parser.add_argument("--only", choices=list(WORKLOADS), help="one kind of work, after the enrollments that it needs")
    parser.add_argument(
        "--database", choices=["sqlite", "postgres"], default="sqlite", help="embedded, or a server of its own"
    )
    parser.add_argument("--profile", action="store_true", help="record each row with py-spy, into the output folder")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the report")
    parser.add_argument("--scratch", type=Path, help="folder of the data, on the disk to be measured")
    return parser.parse_args()


def _verdict(report: Report) -> int:
    short = shortcomings(report)
    if short:
        print(f"Fell short: {'; '.join(short)}.")
        return 1
    print("Every row holds its ratio.")
    return 0


async def _run(plan: Plan, folder: Path) -> Report:
    async with AsyncExitStack() as stack:
        workshop = stack.enter_context(Workshop())
        generator = stack.enter_context(LoadGenerator())
        _say(f"{plan.devices} devices with certificates of their own, {plan.keys} keys ...")
        backend = _backend(plan.database, folder / "fleet", stack)
        fleet = await make_fleet(folder / "fleet", backend, plan.devices, plan.keys, workshop)
        _say("Floors ...")
        database_floors = backend.floors(folder, plan.floor_seconds)
        rows: list[Row] = []
        endurance: Endurance | None = None
        echo = Floor(0, 0)
        echo_generator_ms = 0.0
        for proof in Proof:
            measured = await _measure(plan, proof, fleet, folder / proof.value, backend, workshop, generator)
            rows += measured.rows
            endurance = endurance or measured.endurance
            if proof is Proof.HEADER:
                echo, echo_generator_ms = measured.echo, measured.echo_generator_ms
    return Report(
        at=datetime.now(UTC),
        machine=_machine(),
        devices=plan.devices,
        clients=plan.clients,
        database=backend.name,
        database_floors=database_floors,
        echo=echo,
        echo_generator_ms=echo_generator_ms,
        rows=rows,
        endurance=endurance,
    )


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


@dataclass(frozen=True, slots=True)
class _Measurements:
    rows: list[Row]
    endurance: Endurance | None
    echo: Floor
    echo_generator_ms: float


async def _measure(
    plan: Plan,
    proof: Proof,
    fleet: Fleet,
    data: Path,
    backend: Backend,
    workshop: Workshop,
    generator: LoadGenerator,
) -> _Measurements:
    """Every kind of work with one kind of identity, and the floors with the same requests."""
    async with open_site(proof, fleet, data, backend, workshop, generator, plan.clients) as site:
        asked = await idle_scripts(site)
        echo, echo_generator_ms = _echo(plan, asked, generator)
        bare = _bare(plan, asked, generator)
        rows: list[Row] = []
        for name, workload in WORKLOADS.items():
            if plan.only not in (None, name, "enrollments") and name != "enrollments":
                continue
            profile = plan.profiles / f"{name}-{proof}.folded" if plan.profiles else None
            async with profiled(site.service.pid, profile):
                measured = await workload(site, plan.extent)
            _say(f"{measured.work}, {proof}: {measured.rate:,.0f}/s")
            if plan.only in (None, name):
                rows.append(Row(measured, bare))
        wanted = proof is Proof.HEADER and plan.only in (None, "polls")
        endurance = await endure(site, plan.extent) if wanted else None
    return _Measurements(rows, endurance, echo, echo_generator_ms)


def _echo(plan: Plan, scripts: Sequence[Script], generator: LoadGenerator) -> tuple[Floor, float]:
    """The load generator's own cost, with requests of one size; and its CPU milliseconds a request."""
    port, size = free_port(), len(scripts[0][0][0])
    same = [script for script in scripts if len(script[0][0]) == size]
    with child(floors.serve_echo, port, size):
        wait_for_port(port)
        played = generator.play_now(Job(port, same[:1], 10**9, plan.floor_seconds, plan.clients))
    return Floor(played.requests / played.seconds, 0), played.cpu * 1000 / played.requests


def _bare(plan: Plan, scripts: Sequence[Script], generator: LoadGenerator) -> Floor:
    port = free_port()
    with child(floors.serve_bare_route, port) as process:
        wait_for_port(port)
        assert process.pid is not None
        generator.play_now(Job(port, scripts, 10**9, plan.floor_seconds / 4, plan.clients))
        before = usage(process.pid)
        played = generator.play_now(Job(port, scripts, 10**9, plan.floor_seconds, plan.clients))
        cpu = usage(process.pid).cpu - before.cpu
    return Floor(played.requests / played.seconds, cpu * 1000 / played.requests)


def _machine() -> str:
    model = "processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{os.cpu_count()} x {model}, {platform.system()} {platform.release()}, Python {platform.python_version()}"


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
