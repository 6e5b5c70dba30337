"""Reading the keys of a message: what is required is refused when it is wrong, what is optional is then
absent."""

import re
from collections.abc import Mapping

from corral.apple.plist import PlistValue

# What the store and a terminal can hold of a string: no control characters, no lone surrogates.
_PLAIN = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]*")

SHORT = 255
"""Characters at most of a name, topic, magic or identifier."""


class FieldError(ValueError):
    """A required key that is missing, of another type, or too long; the message names the key, not its
    value."""


def text(message: Mapping[str, PlistValue], key: str, longest: int = SHORT) -> str:
    value = optional_text(message, key, longest)
    if not value:
        raise FieldError(f"{key} must be a string of 1 to {longest} printable characters")
    return value


def optional_text(message: Mapping[str, PlistValue], key: str, longest: int = SHORT) -> str | None:
    value = message.get(key)
    return value if isinstance(value, str) and len(value) <= longest and _PLAIN.fullmatch(value) else None


def data(message: Mapping[str, PlistValue], key: str, longest: int) -> bytes:
    value = message.get(key)
    if not isinstance(value, bytes) or not 1 <= len(value) <= longest:
        raise FieldError(f"{key} must be data of 1 to {longest} bytes")
    return value


def optional_data(message: Mapping[str, PlistValue], key: str, longest: int) -> bytes | None:
    """None for what is absent, empty or of another type; too much of it is refused, for it is wanted."""
    value = message.get(key)
    if not isinstance(value, bytes) or not value:
        return None
    if len(value) > longest:
        raise FieldError(f"{key} must be data of at most {longest} bytes")
    return value


def flag(message: Mapping[str, PlistValue], key: str) -> bool:
    return message.get(key) is True
