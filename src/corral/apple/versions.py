"""System versions, compared as numbers: 10.9 is older than 10.15, and 17 is 17.0."""

import re

_NUMBERS = re.compile(r"\d{1,9}(?:\.\d{1,9}){0,4}")


def numbers(version: str) -> tuple[int, ...]:
    """The numbers at the start of a version, without trailing zeros; empty if it has none."""
    found = _NUMBERS.match(version.strip())
    parts = [int(part) for part in found[0].split(".")] if found else []
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def at_least(version: str, minimum: str) -> bool:
    return numbers(version) >= numbers(minimum)
