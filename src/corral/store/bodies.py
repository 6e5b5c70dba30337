"""The bodies of commands and results at rest: zstd frames, sealed, each for its command.

A command holds PINs, passwords and the challenges of renewals, a result holds bypass codes and recovery keys; which
does is nothing that a store could know of all of Apple's and everybody else's keys, so all are sealed.

A sealed value begins with 0x01. What was written before bodies were sealed does not: the XML of a command, the frame
of a result. Both are read as they are, until retention forgets them.
"""

import threading

import zstandard

from corral.sealing import Sealer

_FRAME = b"\x28\xb5\x2f\xfd"
"""How a zstd frame begins (RFC 8878 3.1.1)."""
_SEALED = b"\x01"
_SMALL = 1024
"""A command up to so many bytes is not packed: it is read more often than it is written."""

_zstd = threading.local()


def pack(body: bytes) -> bytes:
    """One compressor a thread, since none may be shared and making one costs more than its use."""
    compressor = getattr(_zstd, "compressor", None)
    if compressor is None:
        compressor = _zstd.compressor = zstandard.ZstdCompressor(level=1)
    return compressor.compress(body)


def unpack(frame: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(frame)


def seal_command(body: bytes, uuid: str, sealer: Sealer) -> bytes:
    return sealer.seal(body if len(body) <= _SMALL else pack(body), _place_of_command(uuid))


def open_command(stored: bytes, uuid: str, sealer: Sealer) -> bytes:
    """Raises SealError."""
    if stored[:1] != _SEALED:
        return stored
    body = sealer.open(stored, _place_of_command(uuid))
    return unpack(body) if body.startswith(_FRAME) else body


def seal_result(body: bytes, command_uuid: str, sealer: Sealer) -> bytes:
    """The frame has the length of what is in it, so exactly the bytes come back."""
    return sealer.seal(pack(body), _place_of_result(command_uuid))


def open_result(stored: bytes, command_uuid: str, sealer: Sealer) -> bytes:
    """Raises SealError."""
    if stored[:1] == _SEALED:
        stored = sealer.open(stored, _place_of_result(command_uuid))
    return unpack(stored)


def _place_of_command(uuid: str) -> str:
    return f"command/body/{uuid}"


def _place_of_result(command_uuid: str) -> str:
    return f"result/body/{command_uuid}"
