"""Writes the table of docs/logging.md from the lines of the log.

PYTHONPATH=src python tools/generate_log_page.py
"""

from collections.abc import Iterator
from pathlib import Path

from corral.logs.line import LINES
from corral.logs.lines import FIELDS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "logging.md"
BEGIN = "<!-- The rest is written by tools/generate_log_page.py from logs/lines.py. -->\n"


def table() -> str:
    return "\n".join(_rows()) + "\n"


def _rows() -> Iterator[str]:
    yield "| event | level | means | fields |"
    yield "|---|---|---|---|"
    for each in LINES.values():
        fields = [f"`{name}` {FIELDS[name]}" for name in each.fields]
        fields += ["`exception`"] if each.raised else []
        yield f"| `{each.name}` | {each.level.name.lower()} | {each.meaning} | {'; '.join(fields)} |"


def main() -> None:
    before, _, _ = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}")


if __name__ == "__main__":
    main()
