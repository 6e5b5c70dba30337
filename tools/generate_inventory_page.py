"""Writes the tables of docs/inventory.md from the catalog of what can be asked for.

PYTHONPATH=src python tools/generate_inventory_page.py
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from corral.apple.inventory.items import ITEM_KINDS
from corral.inventory.fields import FIELDS, ITEM_FIELDS, Field

PAGE = Path(__file__).resolve().parent.parent / "docs" / "inventory.md"
BEGIN = "<!-- The rest is written by tools/generate_inventory_page.py from apple/inventory. -->\n"


def tables() -> str:
    """The device's own fields, and then those of each kind of item."""
    lines = ["## Of a device\n", *_table(FIELDS.values(), "")]
    for kind in ITEM_KINDS.values():
        lines += [
            f"\n## `{kind.name}`: {kind.title.lower()}\n",
            *_table(ITEM_FIELDS[kind.name].values(), f"{kind.name}."),
        ]
    return "\n".join(lines) + "\n"


def _table(fields: Iterable[Field], before: str) -> Iterator[str]:
    yield "| name | kind | what | source |"
    yield "|---|---|---|---|"
    for each in fields:
        unit = f" ({each.unit})" if each.unit else ""
        yield f"| `{before}{each.name}` | {each.kind} | {each.title}{unit} | {each.source} |"


def main() -> None:
    before, _, _ = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{tables()}")


if __name__ == "__main__":
    main()
