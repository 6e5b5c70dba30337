"""Secrets at rest open with their key, in their place, unchanged; and otherwise not at all."""

import base64
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.sealing import Sealer, SealError, make_key_file, read_keys

KEY, OTHER = b"k" * 32, b"o" * 32
SEALER = Sealer([KEY])


@given(st.binary(max_size=300), st.text(max_size=40))
def test_what_is_sealed_opens_in_its_place(value: bytes, place: str) -> None:
    place = place.encode("utf-8", "replace").decode()
    sealed = SEALER.seal(value, place)
    assert SEALER.open(sealed, place) == value
    assert len(sealed) == len(value) + 33
    assert len(value) < 4 or value not in sealed


def test_the_same_value_is_never_sealed_alike() -> None:
    assert SEALER.seal(b"value", "place") != SEALER.seal(b"value", "place")


def test_a_value_does_not_open_in_another_place() -> None:
    sealed = SEALER.seal(b"value", "channel.token.1")
    with pytest.raises(SealError, match=r"channel\.token\.2 does not open"):
        SEALER.open(sealed, "channel.token.2")


def test_any_changed_bit_is_noticed() -> None:
    sealed = SEALER.seal(b"value", "place")
    for at in range(len(sealed)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(SealError):
            SEALER.open(changed, "place")


def test_any_missing_byte_is_noticed() -> None:
    sealed = SEALER.seal(b"value", "place")
    for length in range(len(sealed)):
        with pytest.raises(SealError):
            SEALER.open(sealed[:length], "place")


@given(st.binary(max_size=64))
def test_nothing_else_than_a_seal_error_comes_of_other_bytes(data: bytes) -> None:
    with pytest.raises(SealError):
        SEALER.open(data, "place")
    with pytest.raises(SealError):
        SEALER.open(SEALER.seal(b"", "place")[:5] + data, "place")


def test_the_first_key_seals_and_each_opens() -> None:
    old = SEALER.seal(b"value", "place")
    both = Sealer([OTHER, KEY])
    assert both.open(old, "place") == b"value"
    new = both.seal(b"value", "place")
    assert Sealer([OTHER]).open(new, "place") == b"value"
    with pytest.raises(SealError, match="a key that is not configured"):
        SEALER.open(new, "place")


@pytest.mark.parametrize("keys", [[], [b""], [KEY, b"short"], [b"x" * 33]])
def test_keys_have_32_bytes(keys: list[bytes]) -> None:
    with pytest.raises(SealError, match="32 bytes"):
        Sealer(keys)


def test_an_error_tells_nothing_of_the_value_or_the_key() -> None:
    sealed = SEALER.seal(b"value", "place")
    with pytest.raises(SealError) as caught:
        SEALER.open(sealed[:-1], "place")
    assert "value" not in str(caught.value).replace("place", "")
    assert caught.value.__suppress_context__
    assert "kkkk" not in repr(SEALER)


def test_a_key_file_is_its_owners_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "sealing.key"
    make_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (key,) = read_keys(path.read_text(), str(path))
    assert len(key) == 32
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        make_key_file(path)
    assert path.read_bytes() == before


def test_several_keys_are_read_one_a_line_the_sealing_one_first() -> None:
    text = "\n".join(base64.b64encode(key).decode() for key in (OTHER, KEY)) + "\n\n"
    assert read_keys(text, "CORRAL_KEYS") == (OTHER, KEY)


@pytest.mark.parametrize(
    "text", ["", "   \n", "not base64!", "AAAA", base64.b64encode(KEY).decode() + " AAAA", "schlüssel"]
)
def test_what_is_no_key_is_said_where_it_stands(text: str) -> None:
    with pytest.raises(SealError, match="CORRAL_KEYS") as caught:
        read_keys(text, "CORRAL_KEYS")
    assert "\n" not in str(caught.value)
    assert not text.strip() or text not in str(caught.value)
