"""Values: what is written reads as the same, and keys sort as the values do."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.apple.inventory.value import LONGEST, Kind, clean, key, number_key, read_written, version_key, written

NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
TEXTS = st.text(max_size=300).map(clean).filter(bool)
VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.TEXT: TEXTS,
    Kind.VERSION: TEXTS,
    Kind.NUMBER: NUMBERS,
    Kind.TIME: st.integers(0, 2**52),
    Kind.YES_NO: st.booleans(),
}


@given(st.data(), st.sampled_from(Kind))
def test_what_is_written_reads_as_the_same(data: st.DataObject, kind: Kind) -> None:
    value = data.draw(VALUES[kind])
    assert read_written(kind, written(kind, value)) == value
    assert key(kind, read_written(kind, written(kind, value))) == key(kind, value)


@given(NUMBERS, NUMBERS)
def test_keys_of_numbers_sort_as_the_numbers_do(first: float, second: float) -> None:
    one, other = number_key(float(first)), number_key(float(second))
    assert (one < other, one == other) == (first < second, first == second)
    assert (one.encode() < other.encode()) == (one < other)


def test_nan_has_no_key() -> None:
    with pytest.raises(ValueError, match="NaN"):
        number_key(math.nan)


SORTED = [
    ("0", "0.0", ""),
    ("0.9",),
    ("1.0b1", "1.0B1"),
    ("1.0b2", "1.0b02"),
    ("1.0b10",),
    ("1.0-beta", "1 beta"),
    ("1", "1.0", "1.0.0", "01"),
    ("1.0.1",),
    ("1.2",),
    ("1.10",),
    ("2rc1",),
    ("2",),
    ("15.3 (a)",),
    ("15.3",),
    ("15.3.1",),
    ("15.10",),
    ("2024.11",),
    ("9" * 30,),
]


def test_versions_sort_by_their_numbers_and_words_before_their_release() -> None:
    for same in SORTED:
        assert len({version_key(each) for each in same}) == 1, same
    keys = [version_key(same[0]) for same in SORTED]
    assert keys == sorted(keys)
    assert len({*keys}) == len(keys)


@given(
    st.lists(st.integers(0, 10**12), min_size=1, max_size=6), st.lists(st.integers(0, 10**12), min_size=1, max_size=6)
)
def test_keys_of_plain_versions_sort_as_their_numbers(first: list[int], second: list[int]) -> None:
    def trimmed(numbers: list[int]) -> list[int]:
        while numbers and numbers[-1] == 0:
            numbers = numbers[:-1]
        return numbers

    one, other = (version_key(".".join(map(str, each))) for each in (first, second))
    assert (one < other) == (trimmed(first) < trimmed(second))
    assert (one == other) == (trimmed(first) == trimmed(second))


@given(st.text(max_size=400))
def test_text_is_fit_to_be_kept(text: str) -> None:
    kept = clean(text)
    assert len(kept) <= LONGEST
    assert not any(each < " " or "\ud800" <= each <= "\udfff" for each in kept)
    kept.encode()
    for kind in (Kind.TEXT, Kind.VERSION):
        assert len(key(kind, kept)) <= LONGEST
