"""Where a page of a listing by age ends: a place that stays, also when the row that stood there is forgotten."""

import re
from dataclasses import dataclass
from typing import Self

from corral.lifecycle.state import Instant


@dataclass(frozen=True, slots=True)
class Mark:
    """Behind the row of this time and id, where rows stand newest first and, of one moment, by id from the last on."""

    at: Instant
    id: str

    def __str__(self) -> str:
        return f"{self.at}.{self.id}"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """What str() has made; None for anything else."""
        found = re.fullmatch(r"(\d{1,18})\.([!-~]{1,255})", text, re.ASCII)
        return cls(int(found[1]), found[2]) if found else None


def place(mark: Mark | None) -> tuple[Instant | None, str | None]:
    """As back-ends bind it."""
    return (None, None) if mark is None else (mark.at, mark.id)
