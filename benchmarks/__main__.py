"""`python -m benchmarks`: measures, writes a report, and with `--check` says whether the ratios hold."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.load import LoadFailed
from benchmarks.plot import bars
from benchmarks.questions.ground import QUICK, WHOLE
from benchmarks.report import Report, shortcomings, to_markdown
from benchmarks.run import QUESTIONS, Plan, run
from benchmarks.workloads import WORKLOADS, Extent
from corral.cli.process import ServiceFailed

LATEST: Final = Path(__file__).parent / "results" / "latest"


def main() -> int:
    options = _options()
    quick = bool(options.quick)
    plan = Plan(
        devices=400 if quick else 2000,
        keys=16 if quick else 64,
        clients=64,
        floor_seconds=1.0 if quick else 3.0,
        extent=Extent(seconds=1.0 if quick else 5.0, rounds=2 if quick else 4, endurance=20_000 if quick else 100_000),
        sizes=QUICK if quick else WHOLE,
        only=options.only,
        profiles=options.output if options.profile else None,
    )
    options.output.mkdir(parents=True, exist_ok=True)
    databases = [options.database] if options.database else ["sqlite"] if quick else ["sqlite", "postgres"]
    reports: list[Report] = []
    for database in databases:
        try:
            with tempfile.TemporaryDirectory(prefix="corral-bench-", dir=options.scratch) as folder:
                reports.append(asyncio.run(run(plan, database, Path(folder))))
        except (LoadFailed, ServiceFailed, TimeoutError) as error:
            print(f"The measurement over {database} failed: {error or type(error).__name__}", file=sys.stderr)
            return 1
        _write(reports, options.note, options.output)
    return _verdict(reports) if options.check else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure Corral; see benchmarks/README.md."
    )
    parser.add_argument("--check", action="store_true", help="exit 1 if a row falls short, and say which")
    parser.add_argument("--quick", action="store_true", help="fewer devices, shorter, one database: a minute or two")
    parser.add_argument("--only", choices=[*WORKLOADS, *QUESTIONS], help="one kind of work, or one question")
    parser.add_argument(
        "--database", choices=["sqlite", "postgres"], help="embedded, or a server of its own; both unless --quick"
    )
    parser.add_argument("--profile", action="store_true", help="record each row with py-spy, into the output folder")
    parser.add_argument("--output", type=Path, default=LATEST, help="folder of the report")
    parser.add_argument("--scratch", type=Path, help="folder of the data, on the disk to be measured")
    parser.add_argument("--note", default="", help="a sentence for the report: what else the machine does")
    return parser.parse_args()


def _write(reports: Sequence[Report], note: str, output: Path) -> None:
    """What has been measured so far, so that a later failure loses nothing."""
    parts: list[str] = []
    for report in reports:
        plots = {"work": bars(report)} if report.rows else {}
        for finding in report.findings:
            plots |= finding.plots()
        parts.append(to_markdown(report))
        for name, drawn in plots.items():
            file = f"{name}-{report.database.lower()}.svg"
            (output / file).write_text(drawn)
            parts.append(f"![{name}, {report.database}]({file})\n")
    markdown = "\n".join([*([note, ""] if note else []), *parts])
    (output / "README.md").write_text(markdown)
    print(f"\n{markdown}\nWritten to {output / 'README.md'}.")


def _verdict(reports: Sequence[Report]) -> int:
    short = [f"{report.database}: {each}" for report in reports for each in shortcomings(report)]
    if short:
        print(f"Fell short: {'; '.join(short)}.")
        return 1
    print("Every row holds.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
