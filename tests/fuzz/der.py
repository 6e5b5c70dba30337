"""DER as a tree whose parts can be exchanged, with the lengths around them put right."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass
class Der:
    """An element with its parts, or with what it holds."""

    tag: int
    content: bytes
    parts: "list[Der]"
    indefinite: bool = False

    def encode(self) -> bytes:
        inner = b"".join(part.encode() for part in self.parts) if self.parts else self.content
        if self.indefinite:
            return bytes((self.tag | 0x20, 0x80)) + inner + b"\0\0"
        size = len(inner)
        if size < 0x80:
            return bytes((self.tag, size)) + inner
        length = size.to_bytes((size.bit_length() + 7) // 8)
        return bytes((self.tag, 0x80 | len(length))) + length + inner

    def all(self) -> "Iterator[Der]":
        yield self
        for part in self.parts:
            yield from part.all()

    def copy(self) -> "Der":
        return Der(self.tag, self.content, [part.copy() for part in self.parts], self.indefinite)


def parse_der(data: bytes) -> Der | None:
    """None for what is not one element, of definite lengths, from beginning to end."""
    found = _elements(data)
    return found[0] if found is not None and len(found) == 1 else None


def _elements(data: bytes) -> list[Der] | None:
    found: list[Der] = []
    at = 0
    while at < len(data):
        if at + 2 > len(data) or data[at] & 0x1F == 0x1F or data[at + 1] == 0x80:
            return None
        size, start = data[at + 1], at + 2
        if size > 0x80:
            start += size & 0x7F
            size = int.from_bytes(data[at + 2 : start])
        if start + size > len(data):
            return None
        content = data[start : start + size]
        inside = _elements(content) if data[at] & 0x20 or data[at] == 0x04 else None
        if inside is None and data[at] & 0x20 and content:
            return None
        found.append(Der(data[at], content, inside or []))
        at = start + size
    return found
