"""Single values out of Apple's answers: what has the wrong type is left out, with a remark."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from corral.apple.inventory.value import Kind, Value, clean
from corral.apple.plist import PlistValue

_MOST_REMARKS = 50


class Remarks:
    """What could not be read of one answer. Keys are told, values never."""

    def __init__(self) -> None:
        self._lines = list[str]()

    def add(self, line: str) -> None:
        if len(self._lines) < _MOST_REMARKS:
            self._lines.append(clean(line))

    def all(self) -> tuple[str, ...]:
        return tuple(self._lines)


def found(keys: Mapping[str, PlistValue], path: Sequence[str]) -> "PlistValue | None":
    """What is at the end of a path of dictionaries."""
    here: PlistValue | None = keys
    for step in path:
        here = here.get(step) if isinstance(here, Mapping) else None
    return here


def leaf(kind: Kind, value: "PlistValue | None", where: str, remarks: Remarks) -> Value | None:
    """A value of this kind; None for what is absent, empty, or something else."""
    if value is None or value == "":
        return None
    read = _leaf(kind, value)
    if read is None:
        remarks.add(f"{where}: {type(value).__name__} where a value of kind {kind} belongs")
    return None if read == "" else read


def dictionaries(answer: Mapping[str, PlistValue], key: str, remarks: Remarks) -> list[Mapping[str, PlistValue]] | None:
    """Those of an array; None where there is no array."""
    several = answer.get(key)
    if not isinstance(several, Sequence) or isinstance(several, str | bytes):
        remarks.add(f"{key}: no array")
        return None
    fit = [each for each in several if isinstance(each, Mapping)]
    if len(fit) < len(several):
        remarks.add(f"{key}: {len(several) - len(fit)} entries that are no dictionary")
    return fit


def _leaf(kind: Kind, value: PlistValue) -> Value | None:
    match kind, value:
        case Kind.TEXT | Kind.VERSION, str():
            return clean(value)
        case Kind.YES_NO, bool():
            return value
        case Kind.NUMBER, int() | float() if not isinstance(value, bool):
            return value if math.isfinite(value) and abs(value) < 2**62 else None
        case Kind.TIME, datetime():
            return round((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() * 1000)
        case _:
            return None
