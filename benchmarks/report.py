"""What was measured, as a Markdown table and as the verdict of `--check`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from benchmarks.backend import DatabaseFloor
from benchmarks.floors import Floor
from benchmarks.questions.ground import Finding
from benchmarks.workloads import Endurance, Measured

LEAST: Final[dict[tuple[str, str], float]] = {
    ("idle polls", "header"): 0.30,
    ("idle polls", "signature"): 0.10,
    ("commands, one queued", "header"): 0.04,
    ("commands, one queued", "signature"): 0.04,
    ("commands, four queued", "header"): 0.04,
    ("commands, four queued", "signature"): 0.04,
    ("TokenUpdates", "header"): 0.02,
    ("TokenUpdates", "signature"): 0.02,
    ("enrollments", "header"): 0.012,
    ("enrollments", "signature"): 0.008,
}
"""Of each row its requests a second, divided by those of the bare route with the same requests in the same run: the
least that `--check` takes. See README.md for how these were set."""

LEAST_OF_INSERTS: Final[dict[tuple[str, str], float]] = {
    ("commands, one queued", "header"): 0.08,
    ("commands, four queued", "header"): 0.08,
    ("TokenUpdates", "header"): 0.06,
    ("enrollments", "header"): 0.02,
}
"""Of each row what is done a second, divided by pgbench's durable inserts of one row by 64 clients. On PostgreSQL only:
the embedded database's floor is inserts one after the other, which every shared commit leaves far behind."""

MOST_CPU: Final = {("idle polls", "header"): 0.1}
"""Milliseconds a request, service and database together."""

MOST_GROWTH: Final = 0.05
"""Of the memory of the service, over the polls of the endurance row."""

MOST_COMMITS: Final = {"SQLite": 2.0, "PostgreSQL": 8.0}
"""A second, while devices only poll: the flush of `last_seen`, which PostgreSQL gets in pieces of 500 devices so that
reports do not wait for it, and now and then a sweep."""


@dataclass(frozen=True, slots=True)
class Row:
    measured: Measured
    bare: Floor

    @property
    def ratio(self) -> float:
        return self.measured.request_rate / self.bare.rate


@dataclass(slots=True)
class Report:
    """A run over one database, filled as it goes. `echo` is the load generator against an answer that costs nothing,
    with the CPU that it takes itself."""

    at: datetime
    machine: str
    devices: int
    clients: int
    database: str
    database_floors: Sequence[DatabaseFloor]
    echo: Floor | None = None
    rows: list[Row] = field(default_factory=list[Row])
    endurance: Endurance | None = None
    findings: list[Finding] = field(default_factory=list[Finding])

    def of_inserts(self, measured: Measured) -> float:
        """What is done a second, as a share of the first floor of the database."""
        return measured.rate / self.database_floors[0].rate


def to_markdown(report: Report) -> str:
    lines = [
        f"# {report.database}, measured on {report.at:%Y-%m-%d %H:%M} UTC",
        "",
        f"{report.machine}; {report.devices} connections, {report.clients} keep-alive clients on",
        "loopback, the load generator beside the service. CPU is user and system time.",
        "",
        "| floor | per second | CPU ms each |",
        "|---|---:|---:|",
        *_echo(report.echo),
        *(f"| bare route, {proof} | {bare.rate:,.0f} | {bare.cpu_ms:.3f} |" for proof, bare in _bare(report).items()),
        *(f"| {floor.what} | {floor.rate:,.0f} | |" for floor in report.database_floors),
    ]
    if report.rows:
        lines += ["", *_HEAD, *(_line(row, report) for row in report.rows)]
    if report.endurance is not None:
        lines += ["", *_endurance(report.endurance)]
    for finding in report.findings:
        lines += ["", *finding.lines()]
    return "\n".join(lines) + "\n"


def shortcomings(report: Report) -> list[str]:
    """The rows that fall short of their least ratio, in words; empty if none does."""
    found: list[str] = []
    for row in report.rows:
        measured = row.measured
        least = LEAST.get((measured.work, measured.proof))
        if least is not None and row.ratio < least:
            found.append(f"{measured.work} ({measured.proof}) {row.ratio:.2f} of the bare route, least {least:.2f}")
        most, spent = MOST_CPU.get((measured.work, measured.proof)), measured.cpu_ms + measured.database_ms
        if most is not None and spent > most:
            found.append(f"{measured.work} ({measured.proof}) take {spent:.3f} ms of CPU, most {most}")
        least, share = LEAST_OF_INSERTS.get((measured.work, measured.proof)), report.of_inserts(measured)
        if report.database == "PostgreSQL" and least is not None and share < least:
            found.append(f"{measured.work} ({measured.proof}) {share:.2f} of durable inserts, least {least:.2f}")
    endurance = report.endurance
    if endurance is not None:
        if endurance.growth > MOST_GROWTH:
            found.append(f"memory grew by {endurance.growth:.1%} over {endurance.polls:,} polls")
        if endurance.commits > 2 + MOST_COMMITS[report.database] * endurance.seconds:
            found.append(f"{endurance.polls:,} polls made {endurance.commits} commits")
    return [*found, *(each for finding in report.findings for each in finding.shortcomings())]


_HEAD: Final = (
    "| work | identity | per second | requests / s | of bare route | of durable inserts | p50 ms | p99 ms "
    "| CPU ms / request: service | database | RSS MB before, after |",
    "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
)


def _echo(echo: Floor | None) -> Iterator[str]:
    if echo is not None:
        yield f"| the load generator against an echo | {echo.rate:,.0f} | {echo.cpu_ms:.3f} (its own) |"


def _bare(report: Report) -> dict[str, Floor]:
    return {row.measured.proof: row.bare for row in report.rows}


def _line(row: Row, report: Report) -> str:
    measured = row.measured
    before, after = (each / 2**20 for each in measured.memory)
    cells = [
        measured.work,
        measured.proof,
        f"{measured.rate:,.0f}",
        f"{measured.request_rate:,.0f}",
        f"{row.ratio:.2f}",
        "" if measured.work == "idle polls" else f"{report.of_inserts(measured):.2f}",
        f"{measured.percentile(50):.1f}",
        f"{measured.percentile(99):.1f}",
        f"{measured.cpu_ms:.3f}",
        f"{measured.database_ms:.3f}" if measured.database_cpu else "",
        f"{before:.0f}, {after:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _endurance(endurance: Endurance) -> list[str]:
    before, after = (each / 2**20 for each in endurance.memory)
    return [
        "| endurance | value |",
        "|---|---:|",
        f"| idle polls, proxied header | {endurance.polls:,} in {endurance.seconds:.1f} s |",
        f"| RSS MB before, after a warm-up | {before:.1f}, {after:.1f} ({endurance.growth:+.1%}) |",
        f"| commits while they lasted | {endurance.commits} ({endurance.commits / endurance.seconds:.1f} a second) |",
        f"| bytes written to disk | {endurance.written:,} ({endurance.written / endurance.polls:.0f} a poll) |",
    ]
