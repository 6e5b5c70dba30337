"""Numbered SQL files, one folder a back-end, applied forward only; and which of them a database still needs.

A file is named `<four digits>_<what it does>.sql` and, once released, never changes: a correction is another file.
Back-ends keep the number of the last one in their own way, and apply each file and its number in one transaction.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from corral.store.errors import StoreRefused

_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str


def read_migrations(back_end: str) -> tuple[Migration, ...]:
    """All migrations of a back-end (`sqlite`), in order; they are numbered from 1 without a gap."""
    found: list[Migration] = []
    for file in files(__name__).joinpath(back_end).iterdir():
        match = _NAME.fullmatch(file.name)
        if match:
            found.append(Migration(int(match[1]), match[2], file.read_text(encoding="utf-8")))
    found.sort(key=lambda each: each.number)
    assert [each.number for each in found] == list(range(1, len(found) + 1)), "migrations are numbered without a gap"
    return tuple(found)


def pending(migrations: Sequence[Migration], applied: int) -> tuple[Migration, ...]:
    """Those that come after number `applied`. Raises StoreRefused for a database from a newer program."""
    newest = migrations[-1].number
    if applied > newest:
        raise StoreRefused(
            f"The database is of version {applied}, and this program knows versions up to {newest}: "
            "use the newer Corral that it was last opened with."
        )
    return tuple(each for each in migrations if each.number > applied)
