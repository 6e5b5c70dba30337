"""A bounded reader of BER and a writer of DER (ITU-T X.690), as much of both as CMS, PKCS#10 and SCEP need.

Apple's devices send BER with indefinite lengths, so a reader of DER alone does not do. Reading is lazy: an
element's children are looked at when they are asked for, and what a signature covers is taken from the bytes
as they were sent.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_ELEMENTS = 65_536

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
UTF8_STRING, PRINTABLE_STRING, T61_STRING, IA5_STRING = 0x0C, 0x13, 0x14, 0x16
UTC_TIME, GENERALIZED_TIME, BMP_STRING = 0x17, 0x18, 0x1E
SEQUENCE, SET = 0x30, 0x31
CONSTRUCTED = 0x20

_TEXT = {
    UTF8_STRING: "utf-8",
    PRINTABLE_STRING: "ascii",
    T61_STRING: "latin-1",
    IA5_STRING: "ascii",
    BMP_STRING: "utf-16-be",
}


class BerError(ValueError):
    """These bytes are not BER, or more of it than a message of ours may hold."""


class Element(NamedTuple):
    """Where one element lies in its document: its content from `content` to `end`, the next one at `stop`."""

    tag: int
    start: int
    content: int
    end: int
    stop: int


# Half the time of calling Element, whose own __new__ is a Python function around this one. The stubs of
# tuple.__new__ leave its type argument open whatever it is assigned to.
_new: Callable[[type[Element], tuple[int, int, int, int, int]], Element]
_new = tuple.__new__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


class Reader:
    """One document and what may still be read of it.

    Every element that is looked at is paid for from one budget, so no nesting and no repetition can cost more
    than `MAX_ELEMENTS` steps. Raises `BerError` and nothing else, whatever the bytes are.
    """

    __slots__ = ("_ends", "_left", "data")

    def __init__(self, data: bytes, limit: int = MAX_BYTES) -> None:
        if len(data) > limit:
            raise BerError(f"{len(data)} bytes where at most {limit} are read")
        self.data = data
        self._left = MAX_ELEMENTS
        self._ends: dict[int, int] = {}

    def root(self) -> Element:
        """The one element that the document consists of."""
        found = self._elements(0, len(self.data))
        if len(found) != 1:
            raise BerError(f"{len(found)} elements where one whole document is expected")
        return found[0]

    def children(self, parent: Element, *tags: int | None) -> list[Element]:
        """The elements inside `parent`; with `tags`, as many must be there and bear them (None: any)."""
        if not parent.tag & CONSTRUCTED:
            raise BerError(f"element 0x{parent.tag:02x} at byte {parent.start} holds no elements")
        found = self._elements(parent.content, parent.end)
        if len(found) < len(tags):
            raise BerError(f"element 0x{parent.tag:02x} at byte {parent.start} lacks a part")
        for element, tag in zip(found, tags, strict=False):
            if tag is not None and element.tag != tag:
                raise BerError(f"element 0x{element.tag:02x} at byte {element.start}, 0x{tag:02x} expected")
        return found

    def only(self, parent: Element, tag: int | None = None) -> Element:
        """The single child of `parent`."""
        found = self.children(parent)
        if len(found) != 1 or (tag is not None and found[0].tag != tag):
            raise BerError(f"element 0x{parent.tag:02x} at byte {parent.start} must hold exactly one part of its kind")
        return found[0]

    def raw(self, element: Element) -> bytes:
        """The element with its header, byte for byte as it was sent."""
        return self.data[element.start : element.stop]

    def value(self, element: Element) -> bytes:
        """The content of a primitive element."""
        if element.tag & CONSTRUCTED:
            raise BerError(f"element 0x{element.tag:02x} at byte {element.start} must be primitive")
        return self.data[element.content : element.end]

    def string(self, element: Element) -> bytes:
        """The bytes of an OCTET STRING or its implicitly tagged like, joined if it was sent in pieces."""
        if not element.tag & CONSTRUCTED:
            return self.data[element.content : element.end]
        pieces: list[bytes] = []
        waiting = [(element, 0)]
        while waiting:
            one, depth = waiting.pop()
            if not one.tag & CONSTRUCTED:
                pieces.append(self.data[one.content : one.end])
                continue
            if depth >= MAX_DEPTH:
                raise BerError(f"strings nested deeper than {MAX_DEPTH} at byte {one.start}")
            parts = self._elements(one.content, one.end)
            if any(part.tag & ~CONSTRUCTED != OCTET_STRING for part in parts):
                raise BerError(f"a string at byte {one.start} has a part that is no OCTET STRING")
            waiting.extend((part, depth + 1) for part in reversed(parts))
        return b"".join(pieces)

    def integer(self, element: Element) -> int:
        """An INTEGER of at most 64 bytes."""
        if element.tag != INTEGER or not 1 <= element.end - element.content <= 64:
            raise BerError(f"no INTEGER of a sane size at byte {element.start}")
        return int.from_bytes(self.data[element.content : element.end], "big", signed=True)

    def text(self, element: Element) -> str:
        """One of the character strings."""
        encoding = _TEXT.get(element.tag)
        if encoding is None:
            raise BerError(f"element 0x{element.tag:02x} at byte {element.start} is no text")
        try:
            return self.value(element).decode(encoding)
        except UnicodeDecodeError:
            raise BerError(f"text at byte {element.start} has characters of another alphabet") from None

    def time(self, element: Element) -> datetime:
        """A UTCTime or GeneralizedTime in whole seconds and in UTC, the one form that RFC 5280 4.1.2.5
        allows.
        """
        digits = self.value(element)
        if element.tag == UTC_TIME:
            digits = (b"19" if digits >= b"50" else b"20") + digits
        elif element.tag != GENERALIZED_TIME:
            raise BerError(f"element 0x{element.tag:02x} at byte {element.start} is no time")
        if len(digits) != 15 or digits[14:] != b"Z" or not digits[:14].isdigit():
            raise BerError(f"time at byte {element.start} is not written as RFC 5280 has it")
        parts = [int(digits[at : at + 2]) for at in range(4, 14, 2)]
        try:
            return datetime(int(digits[:4]), *parts, tzinfo=UTC)
        except ValueError:
            raise BerError(f"time at byte {element.start} is no moment of the calendar") from None

    def der(self, element: Element) -> bytes:
        """The element in definite, shortest lengths and with sets in DER's order (X.690 11.6)."""
        return self._der(element, 0)

    def _der(self, element: Element, depth: int) -> bytes:
        if depth >= MAX_DEPTH:
            raise BerError(f"nested deeper than {MAX_DEPTH} at byte {element.start}")
        if element.tag == OCTET_STRING | CONSTRUCTED:
            return encode(OCTET_STRING, self.string(element))
        if not element.tag & CONSTRUCTED:
            return encode(element.tag, self.value(element))
        parts = [self._der(child, depth + 1) for child in self._elements(element.content, element.end)]
        return encode(element.tag, *(sorted(parts) if element.tag == SET else parts))

    def _elements(self, position: int, end: int) -> list[Element]:
        # The innermost loop of every signature check: written out, because a call for each element costs as
        # much again as what it does.
        data = self.data
        left = self._left
        found: list[Element] = []
        while position < end:
            start = position
            left -= 1
            if left < 0:
                raise BerError(f"more than {MAX_ELEMENTS} elements")
            if position + 2 > end:
                raise BerError(f"cut off at byte {position}")
            tag = data[position]
            length = data[position + 1]
            position += 2
            if tag & 0x1F == 0x1F or tag == 0:
                raise BerError(f"tag 0x{tag:02x} at byte {start} belongs to nothing that is read here")
            if length < 0x80:
                stop = close = position + length
            elif length == 0x80:
                self._left = left
                close = self._close(tag, position, end)
                left = self._left
                stop = close + 2
            else:
                position, length = self._long(position, length & 0x7F, end)
                stop = close = position + length
            if stop > end:
                raise BerError(f"element at byte {start} reaches beyond what it lies in")
            found.append(_new(Element, (tag, start, position, close, stop)))
            position = stop
        self._left = left
        return found

    def _long(self, position: int, count: int, end: int) -> tuple[int, int]:
        if count > 4 or position + count > end:
            raise BerError(f"no usable length at byte {position - 1}")
        return position + count, int.from_bytes(self.data[position : position + count], "big")

    def _close(self, tag: int, position: int, end: int) -> int:
        """Where the content of indefinite length that starts at `position` ends; remembers those found inside
        it.
        """
        known = self._ends.get(position)
        if known is not None:
            return known
        if not tag & CONSTRUCTED:
            raise BerError(f"indefinite length of a primitive element before byte {position}")
        data = self.data
        unclosed = [position]
        while unclosed:
            if position + 2 > end:
                raise BerError(f"indefinite length before byte {unclosed[-1]} is never closed")
            tag, length = data[position], data[position + 1]
            position += 2
            self._left -= 1
            if self._left < 0:
                raise BerError(f"more than {MAX_ELEMENTS} elements")
            if tag == 0:
                if length:
                    raise BerError(f"end of contents at byte {position - 2} has a length")
                self._ends[unclosed.pop()] = position - 2
            elif length < 0x80:
                position += length
            elif length == 0x80:
                if not tag & CONSTRUCTED or len(unclosed) >= MAX_DEPTH:
                    raise BerError(f"indefinite length before byte {position} is nested too deep or out of place")
                unclosed.append(position)
            else:
                position, length = self._long(position, length & 0x7F, end)
                position += length
        return position - 2


def encode(tag: int, *parts: bytes) -> bytes:
    """One element of DER around the parts of its content."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def encode_indefinite(tag: int, *parts: bytes) -> bytes:
    """The same in the indefinite form of BER, as Apple's devices write the outer layers of a signature."""
    return b"".join((bytes((tag, 0x80)), *parts, b"\0\0"))


def sequence(*parts: bytes) -> bytes:
    return encode(SEQUENCE, *parts)


def set_of(parts: Iterable[bytes], tag: int = SET) -> bytes:
    """A SET OF in DER's order of its members' encodings."""
    return encode(tag, *sorted(parts))


def integer(number: int) -> bytes:
    magnitude = number if number >= 0 else ~number
    return encode(INTEGER, number.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True))


def octet_string(value: bytes) -> bytes:
    return encode(OCTET_STRING, value)


_PRINTABLE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?")


def text(value: str) -> bytes:
    """A PrintableString, or a UTF8String for what its alphabet lacks."""
    if _PRINTABLE.issuperset(value):
        return encode(PRINTABLE_STRING, value.encode("ascii"))
    return encode(UTF8_STRING, value.encode())


def null() -> bytes:
    return b"\x05\x00"


@lru_cache(maxsize=256)
def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER from its dotted form."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    content = bytearray()
    for arc in (first * 40 + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        content += bytes(reversed(groups))
    return encode(OID, bytes(content))


def dotted(content: bytes) -> str:
    """The dotted form of an OBJECT IDENTIFIER's content, for messages to people; "?" for one that is none."""
    arcs: list[int] = []
    arc = 0
    for octet in content[:64]:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    if not arcs:
        return "?"
    first = min(arcs[0] // 40, 2)
    return ".".join(str(one) for one in (first, arcs[0] - 40 * first, *arcs[1:]))


def time(moment: datetime) -> bytes:
    """A Time of RFC 5280: UTCTime through 2049, GeneralizedTime from 2050."""
    moment = moment.astimezone(UTC)
    if 1950 <= moment.year < 2050:
        return encode(UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())
    return encode(GENERALIZED_TIME, f"{moment.year:04}{moment:%m%d%H%M%S}Z".encode())
