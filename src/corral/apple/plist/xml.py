"""The XML form, read by lxml.

The bytes are first held against the few shapes that a property list can have (`_admit`), and what does not
fit never reaches the XML parser: no entity, no internal DTD subset, no attribute, no foreign name. The last
is more than tidiness: lxml keeps every name that it has ever seen for the life of the process.
"""

import binascii
import codecs
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol, cast

import lxml.etree

from corral.apple.plist.value import Limits, PlistError, PlistLeaf, PlistValue


class Element(Protocol):
    """What is used of lxml's elements, which come without types."""

    @property
    def tag(self) -> str: ...
    @property
    def text(self) -> str | None: ...
    def __iter__(self) -> Iterator["Element"]: ...
    def __len__(self) -> int: ...


_etree = cast(Any, lxml.etree)

# huge_tree lifts libxml2's 10 MB for one value (a body may have 16 MiB). All else that it would guard against
# is bounded here: names, attributes and entities by `_admit`, depth and objects by the limits.
_PARSER = _etree.XMLParser(
    encoding="utf-8",
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    huge_tree=True,
    remove_blank_text=True,  # between the tags, that is; a string of blanks stays one
)

_PROLOG = re.compile(
    rb"""(?:\xef\xbb\xbf)?\s*+(?:<\?xml\s[^<>?]*+\?>)?\s*+
    (?:<!DOCTYPE\s++plist
        (?:\s++(?:PUBLIC\s++(?:"[^"<>\[]*+"|'[^'<>\[]*+')|SYSTEM)\s++(?:"[^"<>\[]*+"|'[^'<>\[]*+'))?\s*+>)?\s*+
    <plist(?:\s++version\s*+=\s*+(?:"[\w.]{0,16}"|'[\w.]{0,16}'))?\s*+/?>""",
    re.VERBOSE,
)
_FOREIGN_TAG = re.compile(
    # The usual forms first, all of them after that.
    rb"<(?!/?(?:key|string|integer|dict|array|real|data|date)>|(?:true|false)/>"
    rb"|/?(?:key|string|integer|dict|array|real|data|date|true|false)\s*+/?>|/plist\s*+>)"
)
_FOREIGN_REFERENCE = re.compile(rb"&(?!(?:lt|gt|amp|quot|apos|\#[0-9]{1,7}|\#x[0-9A-Fa-f]{1,6});)")

_INTEGER = re.compile(r"\s*+([+-]?)(0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20})\s*+", re.ASCII)
_REAL = re.compile(
    r"\s*+[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400}|inf(?:inity)?|nan)(?:e[+-]?[0-9]{1,5})?\s*+",
    re.ASCII | re.IGNORECASE,
)
_DATE = re.compile(r"\s*+([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z\s*+", re.ASCII)
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_ASIDES = ((b"<!--", b"-->"), (b"<![CDATA[", b"]]>"), (b"<!", b">"))
_CONTAINERS = frozenset({"dict", "array"})


def parse(data: bytes, limits: Limits) -> PlistValue:
    return _Builder(limits).build(_read(data, limits), 1)


def top_level(data: bytes, limits: Limits) -> dict[str, PlistLeaf]:
    root = _read(data, limits)
    if root.tag != "dict":
        raise PlistError("property list holds no dictionary at its top: wrap the keys in <dict>")
    # It takes that many tags to be so deep, or so many; most messages have a dozen.
    tags = data.count(b"<")
    if tags > limits.depth and _is_deeper_than(limits.depth)(root):
        raise limits.too_deep()
    if tags > limits.objects and _COUNT(root) >= limits.objects:
        raise limits.too_many()
    return {key: _leaf(value) for key, value in _pairs(root) if value.tag not in _CONTAINERS}


def _read(data: bytes, limits: Limits) -> Element:
    """The element of the outermost value."""
    admitted = _admit(data, limits)
    try:
        document: Element = _etree.fromstring(admitted, _PARSER)
    except _etree.LxmlError as error:
        reason = str(getattr(error, "msg", error)).partition("\n")[0]
        raise PlistError(f"property list is no well-formed XML: {reason}") from None
    values = list(document)
    if len(values) != 1:
        raise PlistError(f"<plist> holds {len(values)} values: it must hold exactly one")
    return values[0]


def _admit(data: bytes, limits: Limits) -> bytes:
    """The same document as UTF-8 without comments and CDATA, if all its tags are those of a property list."""
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        data = _from_utf16(data)
    fault = _find_fault(data)
    if fault is not None and (b"<!--" in data or b"<![CDATA[" in data):
        data = _without_asides(data)
        limits.check_size(len(data))
        fault = _find_fault(data)
    if fault is not None:
        raise PlistError(fault)
    # An object has one tag or two: this bounds what the parser builds, and the exact count comes after it.
    if data.count(b"<") > 2 * limits.objects + 4:
        raise limits.too_many()
    return data


def _find_fault(data: bytes) -> str | None:
    """What must not reach the XML parser, in words; None if it may have the document."""
    prolog = _PROLOG.match(data)
    if prolog is None:
        return "no property list: it must begin with <plist>, after at most an XML declaration and a DOCTYPE"
    if _FOREIGN_TAG.search(data, prolog.end()):
        return "property list with a tag that none has: only plist, dict, array, key and values are allowed"
    if b"&" in data and _FOREIGN_REFERENCE.search(data):
        return "property list refers to an entity: only XML's own five and characters are allowed"
    return None


def _from_utf16(data: bytes) -> bytes:
    try:
        return data.decode("utf-16").encode()
    except UnicodeError:
        raise PlistError("property list is neither UTF-8 nor UTF-16: send UTF-8") from None


def _without_asides(data: bytes) -> bytes:
    """Comments left out and CDATA turned into plain text, so that every `<` that is left begins a tag."""
    kept: list[bytes] = []
    at = 0
    while (start := data.find(b"<!", at)) >= 0:
        opening, closing = next((o, c) for o, c in _ASIDES if data.startswith(o, start))
        end = data.find(closing, start + len(opening))
        if end < 0:
            raise PlistError("property list with a comment or CDATA that does not end")
        kept.append(data[at:start])
        match opening:
            case b"<![CDATA[":
                kept.append(data[start + 9 : end].replace(b"&", b"&amp;").replace(b"<", b"&lt;"))
            case b"<!--":
                pass
            case _:
                kept.append(data[start : end + 1])
        at = end + len(closing)
    return b"".join(kept) + data[at:]


_COUNT: Callable[[Element], float] = _etree.XPath("count(.//*)")


@lru_cache(maxsize=8)
def _is_deeper_than(depth: int) -> Callable[[Element], bool]:
    return _etree.XPath("boolean(" + "/".join("*" * depth) + ")")


class _Builder:
    """Builds values and counts them."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._left = limits.objects

    def build(self, element: Element, depth: int) -> PlistValue:
        self._left -= 1
        if self._left < 0:
            raise self._limits.too_many()
        if element.tag not in _CONTAINERS:
            return _leaf(element)
        if depth >= self._limits.depth and len(element):
            raise self._limits.too_deep()
        if element.tag == "array":
            return [self.build(child, depth + 1) for child in element]
        self._left -= len(element) // 2
        found = {key: self.build(value, depth + 1) for key, value in _pairs(element)}
        self._limits.check_keys(len(element) // 2, len(found))
        return found


def _pairs(dictionary: Element) -> Iterator[tuple[str, Element]]:
    children = iter(dictionary)
    for key in children:
        if key.tag != "key" or len(key):
            raise PlistError(f"<dict> has <{key.tag}> where a plain <key> belongs")
        value = next(children, None)
        if value is None:
            raise PlistError("<dict> ends with a <key> that has no value")
        yield key.text or "", value


def _leaf(element: Element) -> PlistLeaf:
    convert = _LEAVES.get(element.tag)
    if convert is None or len(element):
        raise PlistError(f"property list has <{element.tag}> where a value belongs, or tags inside a plain value")
    return convert(element.text or "")


def _integer(text: str) -> int:
    match = _INTEGER.fullmatch(text)
    if match is None:
        raise PlistError("<integer> that is no number: write decimal digits")
    digits = match[2]
    number = int(digits, 16 if digits[:2] in ("0x", "0X") else 10)
    if match[1] == "-":
        number = -number
    if not -(1 << 63) <= number < 1 << 64:
        raise PlistError("<integer> of more than 64 bits")
    return number


def _real(text: str) -> float:
    if not _REAL.fullmatch(text):
        raise PlistError("<real> that is no number")
    return float(text)


def _date(text: str) -> datetime:
    match = _DATE.fullmatch(text)
    if match is None:
        raise PlistError("<date> that is not of the form 2026-01-31T10:00:00Z")
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        return datetime(year, month, day, hour, minute, second)
    except ValueError:
        raise PlistError("<date> that no calendar has") from None


def _data(text: str) -> bytes:
    """Base64 as CoreFoundation reads it: what is not of its alphabet is skipped, padding may be short."""
    raw = text.encode("ascii", "ignore")
    try:
        return binascii.a2b_base64(raw)
    except binascii.Error:
        digits = _NOT_BASE64.sub(b"", raw.partition(b"=")[0])
        whole = len(digits) - (len(digits) % 4 == 1)
        return binascii.a2b_base64(digits[:whole] + b"=" * (-whole % 4))


def _empty(value: bool) -> Callable[[str], bool]:
    def convert(text: str) -> bool:
        if text.strip():
            raise PlistError("<true/> or <false/> with text inside")
        return value

    return convert


_LEAVES: dict[str, Callable[[str], PlistLeaf]] = {
    "string": str,
    "integer": _integer,
    "real": _real,
    "true": _empty(True),
    "false": _empty(False),
    "data": _data,
    "date": _date,
}
