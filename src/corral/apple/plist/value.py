"""What a property list can hold, how much of it is read, and the one error of its readers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, TypeGuard

PlistLeaf: TypeAlias = str | int | float | bool | bytes | datetime
PlistValue: TypeAlias = "PlistLeaf | Sequence[PlistValue] | Mapping[str, PlistValue]"


class PlistError(ValueError):
    """Bytes that are no property list, or one over its limits. The message is one line and quotes no
    value."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a property list may be: bytes as sent, levels of nesting (the outermost value is level 1),
    objects (every value and every key is one).

    `unique_keys`: a key that comes twice in a dictionary is an error. For what others read after us and could
    read otherwise, since what was allowed must be what is done.
    """

    bytes: int = 16 * 1024 * 1024
    depth: int = 64
    objects: int = 65_536
    unique_keys: bool = False

    def check_size(self, size: int) -> None:
        if size > self.bytes:
            raise PlistError(f"property list of {size} bytes where {self.bytes} are allowed: send less at once")

    def check_keys(self, pairs: int, keys: int) -> None:
        """A dictionary had so many pairs, of so many different keys."""
        if self.unique_keys and pairs != keys:
            raise PlistError("dictionary with a key that comes twice: readers differ in which one counts")

    def too_deep(self) -> PlistError:
        return PlistError(f"property list nested deeper than {self.depth} levels: flatten it")

    def too_many(self) -> PlistError:
        return PlistError(f"property list of more than {self.objects} objects: send less at once")


LIMITS = Limits()


def is_leaf(value: PlistValue) -> TypeGuard[PlistLeaf]:
    return isinstance(value, PlistLeaf)
