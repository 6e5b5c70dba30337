"""A day in words and figures: the page beside its plot."""

import os
from collections.abc import Callable, Iterator

from benchmarks.day.herd import percentile
from benchmarks.day.playing import KEEP, Day
from benchmarks.day.watching import Point


def to_markdown(day: Day, plot: str) -> str:
    return "\n".join([*_head(day, plot), *_traffic(day), *_flat(day), *_sizes(day), *_devices(day), ""])


def _head(day: Day, plot: str) -> Iterator[str]:
    plan = day.plan
    yield f"# A working day: {plan.devices:,} devices, {day.database}"
    yield ""
    yield f"![Throughput, latency, memory and database size over the day]({plot})"
    yield ""
    yield (
        f"{day.at:%Y-%m-%d}, {os.cpu_count()} processors. {plan.devices:,} connections were loaded in bulk,"
        f" {plan.newcomers:,} enrolled in the course of it; the day took {plan.seconds / 60:g} minutes, so its clock"
        f" ran {86400 / plan.seconds:.0f} times faster. {plan.workers} process(es) of the service, {plan.processes} of"
        " devices, the stand-in for Apple's push service and the database shared the machine. Each device got"
        f" {plan.commands:g} commands, each pushed, polled for, answered and stored."
    )


def _traffic(day: Day) -> Iterator[str]:
    statuses, counts, latencies = day.herds.statuses(), day.herds.counts(), day.herds.latencies()
    yield ""
    yield "| over the day | |"
    yield "|---|---|"
    yield f"| requests of devices | {sum(statuses.values()):,} |"
    yield f"| answered otherwise than 200 | {sum(n for status, n in statuses.items() if status != '200'):,} |"
    yield f"| p50, p99, p99.9 of all | {', '.join(f'{percentile(latencies, s):.1f}' for s in (0.5, 0.99, 0.999))} ms |"
    yield f"| commands queued | {day.asked.commands:,} |"
    yield f"| open after the day | {day.left_open:,} |"
    for name in ("token changed", "restored", "left", "enrolled", "updated"):
        yield f"| {_NAMES[name]} | {counts[name]:,} |"
    slowest = sorted(day.asked.latencies)
    if slowest:
        yield f"| queueing for hundreds of devices at once, p99 | {slowest[int(0.99 * len(slowest))] * 1000:.0f} ms |"


_NAMES = {
    "token changed": "new push tokens, restores among them",
    "restored": "restores of a backup to the same device",
    "left": "devices that left, and came back by a restore",
    "enrolled": "devices that enrolled",
    "updated": "identities renewed",
}


def _flat(day: Day) -> Iterator[str]:
    """The same load late in the working day as early in it: what is to be flat is compared."""
    yield ""
    yield "| at steady work | 10 to 12 o'clock | 15 to 17 o'clock |"
    yield "|---|---|---|"
    early, late = _between(day, 10, 12), _between(day, 15, 17)
    rows: tuple[tuple[str, Callable[[Point], float], int], ...] = (
        ("requests a second", lambda point: point.requests, 0),
        ("p50, ms", lambda point: point.p50, 1),
        ("p99, ms", lambda point: point.p99, 1),
        ("processors that the service used", lambda point: point.cpu, 2),
        ("memory of the service, MB", lambda point: point.service / 1e6, 0),
        ("database, MB", lambda point: point.database_size / 1e6, 0),
    )
    for name, of, digits in rows:
        yield f"| {name} | {_mean(early, of):,.{digits}f} | {_mean(late, of):,.{digits}f} |"


def _between(day: Day, start: float, end: float) -> list[Point]:
    return [point for point in day.points if start <= point.hour < end]


def _mean(points: list[Point], of: Callable[[Point], float]) -> float:
    return sum(map(of, points)) / len(points) if points else 0.0


def _sizes(day: Day) -> Iterator[str]:
    kept = ", ".join(f"{name.removeprefix('CORRAL_KEEP_').lower()} {span}" for name, span in KEEP.items())
    before, after = day.sizes
    devices = day.plan.devices
    yield ""
    yield (
        f"Retention kept {kept}, by the day's clock. The database had {before / 1e6:,.0f} MB before the day"
        f" ({before / devices:,.0f} bytes a connection) and {after / 1e6:,.0f} MB after it."
    )
    yield ""
    yield "| table | rows before | rows after | MB after | bytes a row |"
    yield "|---|---|---|---|---|"
    for name, rows in sorted(day.after.items(), key=lambda item: -item[1].size or -item[1].count):
        if rows.count >= devices / 100:
            size = f"{rows.size / 1e6:,.1f} | {rows.size / rows.count:,.0f}" if rows.size else "- | -"
            yield f"| {name} | {day.before[name].count:,} | {rows.count:,} | {size} |"


def _devices(day: Day) -> Iterator[str]:
    yield ""
    yield "| process of devices | devices | memory, MB | bytes a device | requests a second, busiest minute |"
    yield "|---|---|---|---|---|"
    for number, (lines, end) in enumerate(zip(day.herds.lines, day.herds.ends, strict=True), 1):
        memory = max((line["memory"] for line in lines), default=0)
        rates = [sum(line["statuses"].values()) for line in lines]
        busiest = max((sum(rates[at : at + 60]) / len(rates[at : at + 60]) for at in range(len(rates))), default=0.0)
        count = end["devices"]
        yield f"| {number} | {count:,} | {memory / 1e6:,.0f} | {memory / count:,.0f} | {busiest:,.0f} |"
