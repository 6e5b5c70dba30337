"""The rows of docs/answers.md, and the checks that bring them about."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import httpx

from e2e.account_place import Place
from e2e.installation import Installation

DOCUMENT = Path(__file__).parents[3] / "docs" / "answers.md"
_ROW = re.compile(r"^\| *(\d+) *\| *(.+?) *\| *(.+?) *\| *(.+?) *\|$")


@dataclass(frozen=True, slots=True)
class Row:
    number: int
    where: str
    arrives: str
    answer: str


@dataclass(frozen=True, slots=True)
class Stage:
    """Services by how they are set: `corral` as by default; `refusing` refuses restores and challenges users;
    `narrow` manages no users, takes bodies of 64 KiB and one request at a time, and had no push certificate at
    first; `later` may be sent into the future."""

    corral: Installation
    refusing: Installation
    narrow: Installation
    later: Installation
    accounts: Place
    """Enrolls with accounts, and checks the tokens of their devices, and the passwords of network users."""
    early: httpx.Response
    """What a link of `narrow` answered then."""


Check: TypeAlias = Callable[[Stage], Awaitable[None]]
CHECKS: dict[int, Check] = {}


def row(number: int) -> Callable[[Check], Check]:
    """Registers the check of one row."""

    def register(check: Check) -> Check:
        assert number not in CHECKS, f"row {number} has two checks"
        CHECKS[number] = check
        return check

    return register


def rows() -> dict[int, Row]:
    matches = (_ROW.match(line) for line in DOCUMENT.read_text().splitlines())
    found = [Row(int(m[1]), m[2], m[3], m[4]) for m in matches if m is not None]
    assert len({each.number for each in found}) == len(found), "a number stands twice in docs/answers.md"
    return {each.number: each for each in found}
