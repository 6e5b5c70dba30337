"""What people read: tables, facts and sentences. Programs get `--json` instead."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE = 240
"""Columns where there is no terminal: a line that is cut off helps no `grep`."""


def console() -> Console:
    """Made anew, since tests and pipes replace standard output."""
    terminal = sys.stdout.isatty()
    return Console(width=None if terminal else WIDE, highlight=False, markup=False, emoji=False)


def clean(value: object) -> str:
    """A device names itself: nothing of that may steer a terminal."""
    text = "" if value is None else str(value)
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def say(*lines: str) -> None:
    """Sentences, which wrap as the terminal does."""
    for line in lines:
        print(line)


def hint(line: str) -> None:
    """For people only: not part of the output."""
    print(line, file=sys.stderr)


def print_json(data: object) -> None:
    print(json.dumps(data, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """`empty` is said instead of a table without rows."""
    listed = [[clean(cell) for cell in row] for row in rows]
    if not listed:
        say(empty)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, column in enumerate(columns):
        numeric = all(row[number].isdecimal() or not row[number] for row in listed)
        table.add_column(column, overflow="fold", justify="right" if numeric else "left")
    for row in listed:
        table.add_row(*map(Text, row))
    out = console()
    with out.capture() as written:
        out.print(table)
    # Padding to the right would only be in the way of a pipe.
    print("\n".join(line.rstrip() for line in written.get().splitlines()))


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Name and value, a line each; what is empty is left out."""
    shown = [(name, clean(value)) for name, value in facts if value not in (None, "", [], ())]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        print(f"{name:<{width}}  {value}")


def when(text: Any) -> str:
    """A time of the API in this machine's zone, to the second."""
    found = _read(text)
    return f"{found.astimezone():%Y-%m-%d %H:%M:%S}" if found else ""


def ago(text: Any) -> str:
    """How long it is since then, or until then."""
    found = _read(text)
    if found is None:
        return ""
    seconds = (datetime.now(UTC) - found).total_seconds()
    return f"{_length(seconds)} ago" if seconds >= 0 else f"in {_length(-seconds)}"


def when_ago(text: Any) -> str:
    return f"{when(text)} ({ago(text)})" if _read(text) else ""


def count(number: int, noun: str, plural: str = "") -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _read(text: Any) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None


def _length(seconds: float) -> str:
    for size, noun in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size or (size != 86400 and seconds >= size):
            return count(round(seconds / size), noun)
    return count(int(seconds), "second")
