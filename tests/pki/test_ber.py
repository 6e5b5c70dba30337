from datetime import UTC, datetime

import pytest
from asn1crypto import core
from hypothesis import given
from hypothesis import strategies as st

from corral.pki import ber
from corral.pki.ber import BerError, Reader


def whole(data: bytes) -> bytes:
    reader = Reader(data)
    return reader.der(reader.root())


@given(st.integers(-(1 << 500), 1 << 500))
def test_integers_are_written_as_another_library_writes_them_and_read_back(number: int) -> None:
    written = ber.integer(number)
    assert written == core.Integer(number).dump()
    reader = Reader(written)
    assert reader.integer(reader.root()) == number


@given(st.lists(st.integers(0, 1 << 40), max_size=8), st.integers(0, 2), st.integers(0, 39))
def test_object_identifiers_are_written_as_another_library_writes_them(
    arcs: list[int], first: int, second: int
) -> None:
    name = ".".join(str(arc) for arc in (first, second, *arcs))
    written = ber.oid(name)
    assert written == core.ObjectIdentifier(name).dump()
    assert ber.dotted(written[2:]) == name


@given(st.datetimes(datetime(1950, 1, 1), datetime(2200, 1, 1)))
def test_times_keep_their_second(moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC, microsecond=0)
    reader = Reader(ber.time(moment))
    assert reader.time(reader.root()) == moment


@pytest.mark.parametrize("written", [b"\x17\x0d2613010000" + b"00Z", b"\x17\x0b2601010000Z", b"\x18\x00", b"\x04\x01a"])
def test_times_of_another_form_are_refused(written: bytes) -> None:
    reader = Reader(written)
    with pytest.raises(BerError):
        reader.time(reader.root())


tree = st.recursive(
    st.binary(max_size=300).map(ber.octet_string) | st.integers().map(lambda n: ber.integer(n % (1 << 200))),
    lambda inner: st.lists(inner, max_size=4).map(lambda parts: ber.sequence(*parts)),
    max_leaves=20,
)


def loosen(reader: Reader, element: ber.Element) -> bytes:
    """The same values with every length indefinite that may be, and strings in pieces."""
    if element.tag & ber.CONSTRUCTED:
        return ber.encode_indefinite(element.tag, *(loosen(reader, one) for one in reader.children(element)))
    value = reader.value(element)
    if element.tag == ber.OCTET_STRING and len(value) > 1:
        halves = (ber.octet_string(value[: len(value) // 2]), ber.octet_string(value[len(value) // 2 :]))
        return ber.encode_indefinite(ber.OCTET_STRING | ber.CONSTRUCTED, *halves)
    return reader.raw(element)


@given(tree)
def test_indefinite_lengths_and_strings_in_pieces_read_as_the_der_they_stand_for(written: bytes) -> None:
    assert whole(written) == written
    reader = Reader(written)
    assert whole(loosen(reader, reader.root())) == written


@given(st.binary(max_size=400))
def test_whatever_the_bytes_only_a_ber_error_comes_of_them(data: bytes) -> None:
    for wrapped in (data, b"\x30\x80" + data, b"\x24\x80" + data, ber.sequence(data)):
        try:
            whole(wrapped)
        except BerError:
            continue


@given(
    st.lists(
        st.sampled_from([b"\x30\x80", b"\x24\x80", b"\x30\x82", b"\0\0", b"\x04\x01a", b"\x30\x03"]),
        max_size=200,
    )
)
def test_no_arrangement_of_lengths_leads_astray(pieces: list[bytes]) -> None:
    try:
        whole(b"".join(pieces))
    except BerError:
        return


def test_nesting_is_bounded_in_both_forms_of_length() -> None:
    for deep in (b"\x30\x80" * 20_000, b"\x24\x80" * 20_000):
        with pytest.raises(BerError):
            whole(deep)
    definite = b""
    for _ in range(70):
        definite = ber.sequence(definite)
    with pytest.raises(BerError, match="nested"):
        whole(definite)
    assert whole(b"\x30\x80" * 60 + b"\0\0" * 60)


def test_elements_are_bounded() -> None:
    with pytest.raises(BerError, match="65536"):
        whole(ber.sequence(b"\x05\x00" * 70_000))
    with pytest.raises(BerError, match="65536"):
        whole(b"\x30\x80" + b"\x05\x00" * 70_000 + b"\0\0")


def test_bytes_are_bounded() -> None:
    with pytest.raises(BerError, match="at most 10"):
        Reader(bytes(11), 10)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\x30",
        b"\x30\x05\x04\x01",
        b"\x30\x80\x05\x00",
        b"\x04\x80\x00\x00",
        b"\x30\x85\x00\x00\x00\x00\x00",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x1f\x81\x01\x00",
        b"\x00\x00",
        b"\x05\x00\x05\x00",
        b"\x30\x80\x00\x01\x00\x00\x00",
        b"\x24\x03\x02\x01\x00",
    ],
)
def test_what_is_no_ber_is_refused(broken: bytes) -> None:
    with pytest.raises(BerError):
        whole(broken)


def test_text_is_written_in_the_plainest_alphabet_that_holds_it() -> None:
    assert ber.text("19")[0] == ber.PRINTABLE_STRING
    assert ber.text("a_b")[0] == ber.UTF8_STRING
    for value in ("19", "a_b", "ü"):
        reader = Reader(ber.text(value))
        assert reader.text(reader.root()) == value


def test_text_outside_its_alphabet_is_refused() -> None:
    reader = Reader(b"\x13\x01\xff")
    with pytest.raises(BerError, match="alphabet"):
        reader.text(reader.root())


def test_sets_are_put_in_order() -> None:
    assert ber.set_of([b"\x02\x01\x05", b"\x02\x01\x01"]) == b"\x31\x06\x02\x01\x01\x02\x01\x05"
    assert whole(b"\x31\x80\x02\x01\x05\x02\x01\x01\0\0") == b"\x31\x06\x02\x01\x01\x02\x01\x05"
