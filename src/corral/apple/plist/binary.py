"""The binary form (`bplist00`), after CoreFoundation's CFBinaryPList.c.

Objects refer to each other by number, so that a small file can describe an endless, or an exponentially
large, value. Therefore an object is counted each time that it is referred to, and so are its bytes.
"""

import struct
from collections.abc import Iterator
from datetime import datetime, timedelta

from corral.apple.plist.value import Limits, PlistError, PlistLeaf, PlistValue

MAGIC = b"bplist0"
_HEADER = 8
_TRAILER = struct.Struct(">6xBBQQQ")
_EPOCH = datetime(2001, 1, 1)


def parse(data: bytes, limits: Limits) -> PlistValue:
    reader = _Reader(data, limits)
    return reader.build(reader.top, 1)


class _Reader:
    def __init__(self, data: bytes, limits: Limits) -> None:
        if len(data) < _HEADER + _TRAILER.size:
            raise PlistError("binary property list is cut off: send all of it")
        offset_size, reference_size, count, top, table = _TRAILER.unpack_from(data, len(data) - _TRAILER.size)
        if count > limits.objects:
            raise limits.too_many()
        if not (1 <= offset_size <= 8 and 1 <= reference_size <= 8 and top < count):
            raise PlistError("binary property list with a trailer that makes no sense")
        self._end = table
        if table < _HEADER or table + count * offset_size > len(data) - _TRAILER.size:
            raise PlistError("binary property list with an offset table outside of its bytes")
        self.top = top
        self._data = data
        self._limits = limits
        self._reference_size = reference_size
        self._offsets = list(_integers(data, table, count, offset_size))
        self._leaves: dict[int, PlistLeaf] = {}
        self._objects_left = limits.objects
        self._bytes_left = limits.bytes

    def build(self, reference: int, depth: int) -> PlistValue:
        """The value of an object; cycles end at the limit of depth."""
        self._objects_left -= 1
        if self._objects_left < 0:
            raise self._limits.too_many()
        if reference >= len(self._offsets):
            raise PlistError("binary property list refers to an object that it does not have")
        at = self._offsets[reference]
        if not _HEADER <= at < self._end:
            raise PlistError("binary property list has an object outside of its bytes")
        kind = self._data[at] >> 4
        if kind not in (0xA, 0xD):
            return self._leaf(reference, at)
        count, at = self._count(at)
        if count and depth >= self._limits.depth:
            raise self._limits.too_deep()
        if kind == 0xA:
            return [self.build(item, depth + 1) for item in self._references(at, count)]
        keys = self._references(at, count)
        values = self._references(at + count * self._reference_size, count)
        found = {self._key(key): self.build(value, depth + 1) for key, value in zip(keys, values, strict=True)}
        self._limits.check_keys(count, len(found))
        return found

    def _key(self, reference: int) -> str:
        key = self.build(reference, self._limits.depth)
        if not isinstance(key, str):
            raise PlistError("binary property list with a key that is no string")
        return key

    def _leaf(self, reference: int, at: int) -> PlistLeaf:
        leaf = self._leaves.get(reference)
        if leaf is None:
            leaf = self._leaves[reference] = self._convert(at)
        if isinstance(leaf, str | bytes):
            self._bytes_left -= len(leaf)
            if self._bytes_left < 0:
                raise PlistError(f"binary property list that unfolds to more than {self._limits.bytes} bytes")
        return leaf

    def _convert(self, at: int) -> PlistLeaf:
        marker = self._data[at]
        match marker >> 4:
            case 0x0 if marker in (0x08, 0x09):
                return marker == 0x09
            case 0x1 if marker <= 0x14:
                return self._integer(at)
            case 0x2 if marker in (0x22, 0x23):
                width = 1 << (marker & 0xF)
                number: float = struct.unpack(">f" if width == 4 else ">d", self._slice(at + 1, width))[0]
                return number
            case 0x3 if marker == 0x33:
                return self._date(at)
            case 0x4:
                count, at = self._count(at)
                return self._slice(at, count)
            case 0x5:
                count, at = self._count(at)
                return self._text(self._slice(at, count), "ascii")
            case 0x6:
                count, at = self._count(at)
                return self._text(self._slice(at, 2 * count), "utf-16-be")
            case _:
                raise PlistError(f"binary property list with an object of kind 0x{marker:02x}, which none has")

    def _integer(self, at: int) -> int:
        # Only those of 8 and 16 bytes have a sign.
        width = 1 << (self._data[at] & 0xF)
        number = int.from_bytes(self._slice(at + 1, width), "big", signed=width >= 8)
        if not -(1 << 63) <= number < 1 << 64:
            raise PlistError("binary property list with an integer of more than 64 bits")
        return number

    def _date(self, at: int) -> datetime:
        (seconds,) = struct.unpack(">d", self._slice(at + 1, 8))
        try:
            return _EPOCH + timedelta(seconds=seconds)
        except (OverflowError, ValueError):
            raise PlistError("binary property list with a date that no calendar has") from None

    def _text(self, raw: bytes, encoding: str) -> str:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            raise PlistError(f"binary property list with a string that is not {encoding}") from None

    def _count(self, at: int) -> tuple[int, int]:
        """How many items the object at this place has, and where they begin."""
        count = self._data[at] & 0xF
        if count != 0xF:
            return count, at + 1
        marker = self._slice(at + 1, 1)[0]
        if not 0x10 <= marker <= 0x13:
            raise PlistError("binary property list with a length that is no integer")
        width = 1 << (marker & 0xF)
        return int.from_bytes(self._slice(at + 2, width), "big"), at + 2 + width

    def _slice(self, at: int, length: int) -> bytes:
        if at + length > self._end:
            raise PlistError("binary property list with an object that goes beyond its end")
        return self._data[at : at + length]

    def _references(self, at: int, count: int) -> Iterator[int]:
        if at + count * self._reference_size > self._end:
            raise PlistError("binary property list with an object that goes beyond its end")
        return _integers(self._data, at, count, self._reference_size)


def _integers(data: bytes, at: int, count: int, width: int) -> Iterator[int]:
    return (int.from_bytes(data[i : i + width], "big") for i in range(at, at + count * width, width))
