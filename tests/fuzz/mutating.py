"""Inputs that are wrong in ways that readers fall over: bytes exchanged and cut, and values exchanged in JSON, property
lists and DER, with everything around them still as it should be."""

import base64
import json
import plistlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from random import Random
from typing import Any, cast

from fuzz.der import Der, parse_der

LARGEST = 64 * 1024

_BYTES = (0x00, 0x01, 0x20, 0x22, 0x2C, 0x30, 0x3C, 0x5B, 0x7B, 0x7F, 0x80, 0x82, 0x84, 0xA0, 0xC0, 0xED, 0xFE, 0xFF)
_PIECES = (
    b"", b"\0", b"\xff", b"\xed\xa0\x80", b"\xf0\x9f\x92\xa9", b"\\u0000", b"\\ud800", b"&#0;", b"&#xd800;", b"]]>",
    b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"&a;", b"=", b"%00", b"%ff", b":", b"[", b"//[", b"-", b"-0", b"1e999", b"NaN",
    b"9" * 400, b"9" * 5000, b"0x10", b"18446744073709551616", b"-9223372036854775809", b"\xd9\xa1\xd9\xa2",
    b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-14:00", b"0001-01-01T00:00:00Z", b"2026-02-30T00:00:00Z",
    b"Mon, 01 Jan 99999999999 00:00:00 GMT", b"Mon, 01 Jan 0000 00:00:00 +2500", b"\r\n", b"\r\n\r\n", b"\x80" * 9,
    b"Content-Transfer-Encoding: uuencode\r\n", b"Content-Type: ;;\r\n",
)  # fmt: skip
_TEXTS = (
    "", "\0", "\ud800", "\udfff\ud800", "\u2028", "\u200f", "💩", "a" * 70_000, "1" * 400, "1" * 5000, "-1", "0x1",
    "NaN", "١٢", "https://[", "https://", "https://\ud800/", "https://a:99999999/", "https://xn--\0/", "//", "=",
    "====", "AA", "%", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:60Z", "16.1 (a)",
    "1." * 3000,
)  # fmt: skip
_NUMBERS = (0, 1, -1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1, -(2**63), 0.5, -0.0, 1e308)
_JSON_ONLY = (None, 2**64, -(2**63) - 1, 2**1100, float("nan"), float("inf"))


class Mutations:
    """An endless sequence that is the same for the same `seed`."""

    def __init__(self, samples: Sequence[bytes], seed: object) -> None:
        self._samples = list(samples) or [b""]
        self._random = Random(repr(seed))
        self._json = [found for each in self._samples if (found := _as_json(each)) is not None]
        self._plists = [found for each in self._samples if (found := _as_plist(each)) is not None]
        self._ders = [found for each in self._samples if (found := parse_der(each)) is not None]

    def __iter__(self) -> Iterator[bytes]:
        yield from self._samples
        for sample in self._ders:
            yield from self._each_part(sample)
        while True:
            yield self._next()[:LARGEST]

    def _next(self) -> bytes:
        ways = [self._by_bytes]
        if self._json:
            ways += [self._by_json] * 2
        if self._plists:
            ways += [self._by_plist] * 2
        if self._ders:
            ways += [self._by_der] * 2
        return self._random.choice(ways)()

    # -- bytes

    def _by_bytes(self) -> bytes:
        random = self._random
        data = bytearray(random.choice(self._samples))
        for _ in range(random.choice((1, 1, 1, 2, 4))):
            at, to = sorted((random.randrange(len(data) + 1), random.randrange(len(data) + 1)))
            match random.randrange(9):
                case 0 if data:
                    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
                case 1 if data:
                    data[random.randrange(len(data))] = random.choice(_BYTES)
                case 2:
                    del data[at:to]
                case 3:
                    del data[at:]
                case 4:
                    data[at:at] = random.choice(_PIECES)
                case 5:
                    data[at : at + random.randrange(1, 9)] = random.choice(_PIECES)
                case 6:
                    data[at:at] = data[at:to] * random.choice((1, 2, 50))
                case 7:
                    other = random.choice(self._samples)
                    data[at:] = other[random.randrange(len(other) + 1) :]
                case _:
                    data[at:at] = random.randbytes(random.choice((1, 2, 4, 16)))
        return bytes(data)

    # -- values

    def _by_json(self) -> bytes:
        random = self._random
        value = self._exchanged(json.loads(random.choice(self._json)), (*_NUMBERS, *_JSON_ONLY))
        with suppress(RecursionError):
            return json.dumps(value, ensure_ascii=random.random() < 0.7).encode("utf-8", "surrogatepass")
        return b"[" * 3000

    def _by_plist(self) -> bytes:
        random = self._random
        leaves = (*_NUMBERS, b"", b"\0" * 40, datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59))
        value = self._exchanged(plistlib.loads(random.choice(self._plists)), leaves)
        with suppress(Exception):  # what it cannot write it does not
            return plistlib.dumps(value, fmt=random.choice(list(plistlib.PlistFormat)))
        return self._by_bytes()

    def _exchanged(self, value: Any, leaves: Sequence[object]) -> Any:
        """The value with one or two of its parts exchanged, left out, or given another name."""
        random = self._random
        for _ in range(random.choice((1, 1, 2))):
            places = list(_places(value))
            if not places:
                return self._other(value, leaves)
            holder, key = random.choice(places)
            match random.randrange(8):
                case 0:
                    del holder[key]
                case 1 if isinstance(key, str):
                    holder[random.choice(_TEXTS[:12])] = holder.pop(key)
                case 2 if isinstance(key, int):
                    holder += [holder[key]] * random.choice((1, 100, 3000))
                case _:
                    holder[key] = self._other(holder[key], leaves)
        return value

    def _other(self, value: object, leaves: Sequence[object]) -> object:
        random = self._random
        match random.randrange(7):
            case 0:
                others: tuple[object, ...] = ({}, [], [value], {"a": value}, [""] * 50, True, False)
                return random.choice(others)
            case 1:
                deep: object = value
                for _ in range(random.choice((7, 70, 400))):
                    deep = [deep] if random.random() < 0.5 else {"a": deep}
                return deep
            case 2 | 3:
                return random.choice(leaves)
            case 4 if isinstance(value, str):
                at = random.randrange(len(value) + 1)
                return value[:at] + random.choice(_TEXTS) + value[at:]
            case 5 if isinstance(value, bytes):
                return Mutations([value], random.random())._next()
            case 6 if isinstance(value, str):
                return self._inside(value) or random.choice(_TEXTS)
            case _:
                return random.choice(_TEXTS)

    def _inside(self, text: str) -> str | None:
        """Text that holds base64 of something, with that exchanged."""
        random = self._random
        with suppress(ValueError):
            inner = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            if len(inner) > 8:
                made = Mutations([inner], random.random())._next()
                url = random.random() < 0.5
                return (base64.urlsafe_b64encode(made).rstrip(b"=") if url else base64.b64encode(made)).decode()
        return None

    # -- DER

    def _each_part(self, sample: Der) -> Iterator[bytes]:
        """Each element in turn of another value, and each left out: the most of 120, in any order."""
        count = len(list(sample.all()))
        for place in self._random.sample(range(count), min(count, 60)):
            for change in ("other", "gone"):
                root = sample.copy()
                holders = [(each, part) for each in root.all() for part in each.parts]
                if place >= len(holders):
                    continue
                holder, part = holders[place]
                if change == "gone":
                    holder.parts = [each for each in holder.parts if each is not part]
                elif not part.parts:
                    part.content = b"\x05"
                yield root.encode()

    def _by_der(self) -> bytes:
        random = self._random
        root = parse_der(random.choice(self._ders).encode())
        assert root is not None
        for _ in range(random.choice((1, 1, 2))):
            nodes = list(root.all())
            node = random.choice(nodes)
            match random.randrange(9):
                case 0:
                    node.tag = random.choice((0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x17, 0x18, 0x30, 0x31, 0xA0, 0x80))
                case 1 if node.parts:
                    del node.parts[random.randrange(len(node.parts))]
                case 2 if node.parts:
                    node.parts.insert(random.randrange(len(node.parts) + 1), random.choice(nodes).copy())
                case 3 if node.parts:
                    random.shuffle(node.parts)
                case 4:
                    other = random.choice(nodes)
                    node.tag, node.content, node.parts = other.tag, other.content, [each.copy() for each in other.parts]
                case 5:
                    node.parts, node.content = [], b""
                case 6:
                    node.parts, node.content = (
                        [],
                        random.choice((b"\xff" * 4, b"\0", b"\x7f" + b"\xff" * 600, *_PIECES)),
                    )
                case 7:
                    node.indefinite = True
                case _:
                    inner = node.encode()[2:] if node.parts else node.content
                    node.parts, node.content = [], Mutations([inner], random.random())._by_bytes()
            if len(root.encode()) > LARGEST:
                break
        return root.encode()


def _places(value: Any) -> Iterator[tuple[Any, str | int]]:
    """Every part of a value, as what holds it and its key there."""
    if isinstance(value, dict | list):
        holder = cast(Any, value)
        for key in list[str | int](range(len(holder)) if isinstance(value, list) else holder):
            yield holder, key
            yield from _places(holder[key])


def _as_json(data: bytes) -> bytes | None:
    if data.lstrip()[:1] not in (b"{", b"["):
        return None
    with suppress(ValueError, RecursionError):
        json.loads(data)
        return data
    return None


def _as_plist(data: bytes) -> bytes | None:
    if not data.startswith((b"bplist00", b"<?xml")):
        return None
    with suppress(Exception):
        plistlib.loads(data)
        return data
    return None
