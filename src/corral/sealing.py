"""Secrets at rest: AES-256-GCM with key ids and associated data.

A sealed value is `0x01, key id (4 bytes), nonce (12 bytes), ciphertext and tag`. The associated data names the place
(table, column, row), so that a value moved to another place does not open. Several keys may open; the first seals.
"""

import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = b"\x01"
_ID, _NONCE = 4, 12


class SealError(ValueError):
    """A sealed value does not open: wrong key, wrong place, or changed bytes."""


class Sealer:
    """Seals with the first of its keys (32 bytes each), opens with any."""

    __slots__ = ("_first", "_keys")

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != 32 for key in keys):
            raise SealError("A sealing key has 32 bytes; make one with `corral init`.")
        self._keys = {_key_id(key): AESGCM(key) for key in keys}
        self._first = _key_id(keys[0])

    def seal(self, value: bytes, place: str) -> bytes:
        nonce = os.urandom(_NONCE)
        sealed = self._keys[self._first].encrypt(nonce, value, place.encode())
        return _VERSION + self._first + nonce + sealed

    def open(self, sealed: bytes, place: str) -> bytes:
        """Raises SealError, which never tells anything of the value."""
        key = self._keys.get(sealed[1 : 1 + _ID])
        if sealed[:1] != _VERSION or key is None:
            raise SealError(f"{place} was sealed with a key that is not configured.")
        start = 1 + _ID + _NONCE
        try:
            return key.decrypt(sealed[1 + _ID : start], sealed[start:], place.encode())
        except (InvalidTag, ValueError):  # ValueError: too short to be a nonce
            raise SealError(f"{place} does not open: it was changed, or moved from another place.") from None


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"corral sealing key" + key).digest()[:_ID]


def make_key_file(path: Path) -> None:
    """Write a new sealing key to a file that only its owner can read; raises FileExistsError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(os.urandom(32)) + b"\n")


def read_keys(text: str, origin: str) -> tuple[bytes, ...]:
    """Sealing keys in base64, one a line, the first of which seals; `origin` names the file or variable in errors."""
    try:
        keys = tuple(base64.b64decode(line, validate=True) for line in text.split())
    except ValueError:
        raise SealError(f"{origin} does not hold sealing keys in base64, one a line.") from None
    if not keys or any(len(key) != 32 for key in keys):
        raise SealError(f"{origin} must hold at least one sealing key of 32 bytes in base64.")
    return keys
