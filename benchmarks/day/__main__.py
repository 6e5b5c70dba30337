"""`python -m benchmarks.day`: play a working day, and write what was seen of it."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.day.account import to_markdown
from benchmarks.day.picture import to_svg
from benchmarks.day.playing import Plan, play

RESULTS: Final = Path(__file__).parent.parent / "results"


def main() -> int:
    options = _options()
    plan = Plan(
        database=options.database,
        devices=options.devices,
        newcomers=options.newcomers,
        seconds=options.minutes * 60,
        processes=options.processes,
        keys=options.keys,
        commands=options.commands,
        workers=1 if options.database == "sqlite" else options.workers,
    )
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="corral-day-", dir=options.scratch) as folder:
        day = asyncio.run(play(plan, Path(folder)))
    name = f"day-{plan.database}"
    (options.output / f"{name}.md").write_text(to_markdown(day, f"{name}.svg"))
    (options.output / f"{name}.svg").write_text(to_svg(day.title, day.points))
    print(to_markdown(day, f"{name}.svg"))
    wrong = day.shortcomings()
    print(f"Fell short: {'; '.join(wrong)}." if wrong else "All went as it should.")
    return 1 if wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.day", description=__doc__)
    parser.add_argument("--database", choices=["postgres", "sqlite"], default="postgres")
    parser.add_argument("--devices", type=int, default=100_000, help="that are connected when the day begins")
    parser.add_argument("--newcomers", type=int, default=2_000, help="that enroll in the course of it")
    parser.add_argument("--minutes", type=float, default=15.0, help="that the day takes")
    parser.add_argument("--processes", type=int, default=4, help="that the devices live in")
    parser.add_argument("--keys", type=int, default=500, help="distinct keys, since one takes some 45 ms")
    parser.add_argument("--commands", type=float, default=3.0, help="that each device gets within the day")
    parser.add_argument("--workers", type=int, default=2, help="processes of the service, on PostgreSQL")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the report")
    parser.add_argument("--scratch", type=Path, help="folder of the data, on the disk to be measured")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
