import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.apns.goaway import FrameError, GoAway, GoAwaySplitter


def frame(kind: int, payload: bytes, stream: int = 0) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, 0]) + stream.to_bytes(4) + payload


def goaway(last: int, error: int, debug: bytes) -> bytes:
    return frame(7, last.to_bytes(4) + error.to_bytes(4) + debug)


others = st.builds(frame, st.integers(0, 6) | st.integers(8, 255), st.binary(max_size=60), st.integers(0, 99))
ends = st.builds(GoAway, st.integers(0, 2**31 - 1), st.integers(0, 2**32 - 1), st.binary(max_size=40))


@given(st.lists(others | ends, max_size=12), st.lists(st.integers(1, 40), min_size=1))
def test_however_it_is_cut_the_frames_pass_and_each_goaway_is_taken_out_in_its_place(
    frames: list[bytes | GoAway], cuts: list[int]
) -> None:
    wire = b"".join(
        goaway(each.last_stream_id, each.error_code, each.debug) if isinstance(each, GoAway) else each
        for each in frames
    )
    splitter = GoAwaySplitter()
    parts: list[bytes | GoAway] = []
    turn = 0
    while wire:
        size = cuts[turn % len(cuts)]
        parts += splitter.feed(wire[:size])
        wire = wire[size:]
        turn += 1
    assert join(parts) == join(frames)


def join(parts: list[bytes | GoAway]) -> list[bytes | GoAway]:
    joined: list[bytes | GoAway] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, bytes) and isinstance(last, bytes):
            joined[-1] = last + part
        else:
            joined.append(part)
    return joined


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_any_bytes_are_frames_or_a_frame_error(chunks: list[bytes]) -> None:
    splitter = GoAwaySplitter()
    try:
        for chunk in chunks:
            splitter.feed(chunk)
    except FrameError:
        pass


@pytest.mark.parametrize(("kind", "length"), [(7, 0), (7, 7), (7, 16_385), (0, 16_385), (1, 2**24 - 1)])
def test_a_frame_of_an_impossible_size_is_refused_before_it_is_gathered(kind: int, length: int) -> None:
    with pytest.raises(FrameError, match=str(length)):
        GoAwaySplitter().feed(length.to_bytes(3) + bytes([kind, 0]) + bytes(4))


def test_the_reserved_bit_of_the_stream_is_not_part_of_it() -> None:
    assert GoAwaySplitter().feed(goaway(2**31 + 5, 0, b"")) == [GoAway(5, 0, b"")]
