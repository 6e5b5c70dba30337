"""Takes GOAWAY frames out of a stream of HTTP/2 frames (RFC 9113, 4.1 and 6.8).

The HTTP/2 library closes a connection at the first GOAWAY and refuses every frame after it. But a server that
says GOAWAY still owes the answers to the streams up to `last_stream_id`, and those answers are pushes. So the
library never sees the frame, and the connection acts on it itself.
"""

from dataclasses import dataclass
from typing import Final

_HEADER: Final = 9
_GOAWAY: Final = 7
_FIXED: Final = 8  # last stream id and error code
_LARGEST: Final = 16_384  # the frame size that a client allows unless it says otherwise


class FrameError(ValueError):
    """A frame of a size that it must not have."""


@dataclass(frozen=True, slots=True)
class GoAway:
    """The peer takes no stream above `last_stream_id`. `debug` is, from Apple, `{"reason": ...}`."""

    last_stream_id: int
    error_code: int
    debug: bytes


class GoAwaySplitter:
    """Feed it what arrives; it gives back the same bytes in the same order, with each GOAWAY as a value.

    A frame of more than 16 KiB is a FrameError: the library would gather all of it first, and it may be 16 MiB.
    Held back is at most a frame's header, or one GOAWAY.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._passing = 0  # bytes still to come of a frame that is not a GOAWAY

    def feed(self, data: bytes) -> list[bytes | GoAway]:
        if self._held:
            self._held += data
            data = bytes(self._held)
            self._held.clear()
        out: list[bytes | GoAway] = []
        start = 0  # of what has not been given back yet
        here = self._passing  # where the next frame begins
        end = len(data)
        while here + _HEADER <= end:
            length = int.from_bytes(data[here : here + 3])
            if length > _LARGEST:
                raise FrameError(f"a frame of {length} bytes")
            if data[here + 3] != _GOAWAY:
                here += _HEADER + length
                continue
            if length < _FIXED:
                raise FrameError(f"a GOAWAY of {length} bytes")
            if here + _HEADER + length > end:
                break
            if here > start:
                out.append(data[start:here])
            out.append(_read(data[here + _HEADER : here + _HEADER + length]))
            here += _HEADER + length
            start = here
        whole = min(here, end)
        self._passing = here - whole
        if whole > start:
            out.append(data[start:whole])
        self._held += data[whole:]
        return out


def _read(payload: bytes) -> GoAway:
    return GoAway(int.from_bytes(payload[:4]) & 0x7FFF_FFFF, int.from_bytes(payload[4:8]), payload[8:])
