"""base64url without padding, as strictly as RFC 8555 6.1 has it."""

import base64
import re

_ALPHABET = re.compile(r"[A-Za-z0-9_-]*")


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Raises ValueError for padding, other characters, and bits left over, so that each value has one form."""
    if not _ALPHABET.fullmatch(text) or len(text) % 4 == 1:
        raise ValueError("no base64url without padding")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode(data) != text:
        raise ValueError("base64url with bits left over")
    return data
