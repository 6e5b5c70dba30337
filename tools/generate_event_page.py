"""Writes the tables of docs/events.md from the vocabulary of events.

PYTHONPATH=src python tools/generate_event_page.py
"""

from collections.abc import Iterator
from pathlib import Path

from corral.lifecycle.event_type import About, EventType
from corral.lifecycle.vocabulary import VOCABULARY

PAGE = Path(__file__).resolve().parent.parent / "docs" / "events.md"
BEGIN = "<!-- The rest is written by tools/generate_event_page.py from lifecycle/vocabulary.py. -->\n"


def tables() -> str:
    """All types, a table for each first word, in the order of the vocabulary."""
    groups: dict[str, list[EventType]] = {}
    for each in VOCABULARY.values():
        groups.setdefault(each.name.partition(".")[0], []).append(each)
    return "\n".join("\n".join(_table(name, kinds)) for name, kinds in groups.items())


def _table(name: str, kinds: list[EventType]) -> Iterator[str]:
    yield f"## `{name}`\n"
    yield "| type | means | names a device | data |"
    yield "|---|---|---|---|"
    for each in kinds:
        yield f"| `{each.name}` | {each.meaning} | {_ABOUT[each.about]} | {_data(each)} |"
    yield ""


_ABOUT = {About.DEVICE: "yes", About.PERHAPS: "where it is known", About.INSTALLATION: "no"}


def _data(kind: EventType) -> str:
    return "; ".join(f"`{each.name}`{'?' if each.optional else ''} {each.meaning}" for each in kind.fields)


def main() -> None:
    before, _, _ = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{tables()}")


if __name__ == "__main__":
    main()
