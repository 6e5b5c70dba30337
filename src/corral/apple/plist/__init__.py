"""Property lists: bytes in, plain values out, and back.

Dates are naive and in UTC, as plistlib has them; integers lie in -2^63 .. 2^64-1; of a key that comes twice
the last counts, or `parse` refuses it (`Limits.unique_keys`). The readers raise PlistError and nothing else,
whatever the bytes are.
"""

import plistlib
import re
from typing import Any, cast

from corral.apple.plist import binary, xml
from corral.apple.plist.value import LIMITS, Limits, PlistError, PlistLeaf, PlistValue, is_leaf

__all__ = [
    "LIMITS",
    "Limits",
    "PlistError",
    "PlistLeaf",
    "PlistValue",
    "dump",
    "is_binary",
    "parse",
    "parse_dict",
    "repair",
    "top_level",
]


def parse(data: bytes, limits: Limits = LIMITS) -> PlistValue:
    """The value of an XML or binary property list; containers are `dict` and `list`."""
    limits.check_size(len(data))
    return binary.parse(data, limits) if is_binary(data) else xml.parse(data, limits)


def parse_dict(data: bytes, limits: Limits = LIMITS) -> dict[str, PlistValue]:
    """Like `parse`, for property lists whose outermost value must be a dictionary."""
    value = parse(data, limits)
    if not isinstance(value, dict):
        raise PlistError("property list holds no dictionary at its top: wrap the keys in <dict>")
    return value


def top_level(data: bytes, limits: Limits = LIMITS) -> dict[str, PlistLeaf]:
    """The leaves (strings, numbers, booleans, data, dates) of the top dictionary, without its containers.

    What is nested counts against the limits but is not converted: a nested `<integer>x</integer>`, which
    `parse` refuses, goes unnoticed. It spares most of the work on a report with much in it.
    """
    limits.check_size(len(data))
    if is_binary(data):
        return {key: value for key, value in parse_dict(data, limits).items() if is_leaf(value)}
    return xml.top_level(data, limits)


def is_binary(data: bytes) -> bool:
    return data.startswith(binary.MAGIC)


_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
_REFERENCE = re.compile(r"&#(?:x([0-9A-Fa-f]+)|([0-9]+));")


def repair(data: bytes) -> bytes:
    """The same bytes without what XML 1.0 (section 2.2) forbids: NUL and other control characters, references
    to them such as `&#0;`, bytes that are not UTF-8, and (section 2.4) a bare `]]>`.

    Real devices send these in names of apps and networks, and send a report that is refused again for ever.
    For a body that `parse` has refused, after its signature has been verified over what was sent.
    """
    if is_binary(data):
        return data
    text = _ILLEGAL.sub("", data.decode("utf-8", "ignore"))
    return _without_bare_ends(_REFERENCE.sub(_without_illegal, text)).encode()


def _without_bare_ends(text: str) -> str:
    """`]]>` only where it ends a CDATA section that began since the last one; linear, whatever the text is."""
    *closed, rest = text.split("]]>")
    return "".join(part + ("]]>" if "<![CDATA[" in part else "]]&gt;") for part in closed) + rest


def _without_illegal(reference: re.Match[str]) -> str:
    digits = reference[1] or reference[2]
    # No code point has more than seven digits, and int() is not linear.
    significant = digits.lstrip("0") or "0"
    if len(significant) > 7:
        return ""
    number = int(significant, 16 if reference[1] else 10)
    legal = number <= 0x10FFFF and not _ILLEGAL.match(chr(number))
    return f"&#{number};" if legal else ""


def dump(value: PlistValue) -> bytes:
    """XML, keys in the order given. Raises PlistError for what XML cannot hold (control characters, say)."""
    try:
        return plistlib.dumps(cast(Any, value), sort_keys=False)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise PlistError(f"value that no property list can hold: {str(error).partition(chr(10))[0]}") from None
