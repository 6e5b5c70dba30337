"""Values of the inventory: five kinds, how each is written down, and a key of each that sorts as the values do.

The key is text in whose byte order (of UTF-8) values of one kind compare. Whoever compares values, here or in a
database, compares keys, so that all say the same.
"""

import math
import re
import struct
from enum import StrEnum
from typing import TypeAlias

Value: TypeAlias = str | bool | int | float
"""Text and versions are strings, times are Unix milliseconds."""

LONGEST = 256
"""Characters of a text or version; what is longer is cut."""


class Kind(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    YES_NO = "yes/no"
    TIME = "time"
    VERSION = "version"


# What the databases and a terminal cannot hold of a string: control characters, lone surrogates.
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_PARTS = re.compile(r"[0-9]+|[^\W\d_]+")
_MOST_DIGITS = 40


def fit(text: str) -> str:
    """Without what cannot be kept or shown."""
    return _UNFIT.sub("\ufffd", text)


def clean(text: str) -> str:
    """As it is kept: fit, without blanks around it, and no longer than LONGEST."""
    return fit(text).strip()[:LONGEST]


def written(kind: Kind, value: Value) -> str:
    """As it is kept in a database: `true` and `false`, milliseconds, the shortest form of a number."""
    if kind is Kind.YES_NO:
        return "true" if value else "false"
    if kind is Kind.NUMBER and isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def read_written(kind: Kind, text: str) -> Value:
    """The value that `written` wrote so."""
    match kind:
        case Kind.YES_NO:
            return text == "true"
        case Kind.NUMBER:
            return float(text) if any(c in text for c in ".en") else int(text)
        case Kind.TIME:
            return int(text)
        case Kind.TEXT | Kind.VERSION:
            return text


def key(kind: Kind, value: Value) -> str:
    """Of a value of this kind; the same for values that count as equal (`15.0` and `15`, `Mac` and `mac`)."""
    match kind:
        case Kind.TEXT:
            return text_key(str(value))
        case Kind.VERSION:
            return version_key(str(value))
        case Kind.YES_NO:
            return "1" if value else "0"
        case Kind.NUMBER | Kind.TIME:
            return number_key(float(value))


def text_key(text: str) -> str:
    return text.casefold()[:LONGEST]


def number_key(number: float) -> str:
    """The bits of a double, turned so that they sort as the numbers do. Not for NaN."""
    if math.isnan(number):
        raise ValueError("NaN has no place among the numbers")
    (bits,) = struct.unpack(">Q", struct.pack(">d", number + 0.0))
    return f"{bits ^ (2**64 - 1 if bits >> 63 else 2**63):016x}"


def version_key(text: str) -> str:
    """Numbers between dots compare as numbers, and zeros at the end count nothing: 15.3 is older than 15.10, and 15.0
    is 15. A word stands before the release that it is added to: 2.0b1 is older than 2.0, and 2.0b2 in between.

    A letter tells how long a number is, before it; a word begins with `1`, and the end is `5`.
    """
    parts = _PARTS.findall(text.casefold())[:20]
    numbers = next((n for n, part in enumerate(parts) if not part.isdecimal()), len(parts))
    release = [_number(part) for part in parts[:numbers]]
    while release and release[-1] == _number("0"):
        release.pop()
    rest = [_number(part) if part.isdecimal() else f"1{part}." for part in parts[numbers:]]
    return "".join([*release, *rest])[: LONGEST - 1] + "5"


def _number(digits: str) -> str:
    """Of decimal digits, of whatever script."""
    plain = str(int(digits[:_MOST_DIGITS]))
    return chr(ord("a") + min(len(plain), 25) - 1) + plain[:25]
