"""Reading property lists, with plistlib as the oracle."""

import plistlib
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corral.apple import plist
from corral.apple.plist import PlistError, PlistValue

HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0">'
TAIL = b"</plist>"

# What XML can carry: carriage returns are turned into line feeds by every reader.
_strings = st.text(
    st.characters(
        codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff", include_characters="\t\n"
    )
)
_leaves = (
    _strings
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.binary()
    | st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(lambda moment: moment.replace(microsecond=0))
)
values: st.SearchStrategy[PlistValue] = st.recursive(
    _leaves, lambda inner: st.lists(inner) | st.dictionaries(_strings, inner), max_leaves=30
)
dictionaries = st.dictionaries(_strings, values)


def xml(inner: bytes) -> bytes:
    return HEAD + inner + TAIL


@given(values)
def test_xml_reads_as_plistlib_reads_it(value: PlistValue) -> None:
    data = plist.dump(value)
    assert plist.parse(data) == plistlib.loads(data) == value


@given(values)
def test_binary_reads_as_plistlib_reads_it(value: PlistValue) -> None:
    data = plistlib.dumps(value, fmt=plistlib.FMT_BINARY, sort_keys=False)  # pyright: ignore[reportArgumentType] (a Sequence here is a list)
    # A date is kept as a number of seconds in a double, with which plistlib loses nothing that we keep.
    assert plist.parse(data) == plistlib.loads(data)


@given(dictionaries)
def test_top_level_is_parse_without_the_containers(value: dict[str, PlistValue]) -> None:
    expected = {key: each for key, each in value.items() if not isinstance(each, list | dict)}
    assert plist.top_level(plist.dump(value)) == expected
    binary = plistlib.dumps(value, fmt=plistlib.FMT_BINARY)
    assert plist.top_level(binary) == {k: v for k, v in plistlib.loads(binary).items() if k in expected}


@pytest.mark.parametrize(
    ("inner", "value"),
    [
        (b"<string/>", ""),
        (b"<string></string>", ""),
        (b"<data/>", b""),
        (b"<data>\n\tYWJj\n\t</data>", b"abc"),
        (b"<dict/>", {}),
        (b"<array></array>", []),
        (b"<true></true>", True),
        (b"<integer> 0x1F </integer>", 31),
        (b"<integer>-0</integer>", 0),
        (b"<integer>+7</integer>", 7),
        (b"<integer>18446744073709551615</integer>", 2**64 - 1),
        (b"<real>1e3</real>", 1000.0),
        (b"<real>+infinity</real>", float("inf")),
        (b"<date>0001-01-01T00:00:00Z</date>", datetime(1, 1, 1)),
        (b"<string>a&amp;b&#233;&#x1F600;</string>", "a&b\u00e9\U0001f600"),
        (b"<string>x<!-- <odd> & --><![CDATA[<b> & ]]>y</string>", "x<b> & y"),
        (b"<dict><key>a</key><true/><key>a</key><false/></dict>", {"a": False}),
        (b"<string >spaced</string >", "spaced"),
    ],
)
def test_forms_that_devices_and_people_write(inner: bytes, value: PlistValue) -> None:
    assert plist.parse(xml(inner)) == value


@pytest.mark.parametrize(
    "blanks", [" ", "\n\t", " " * 299, " " * 300, " " * 301, "\n" * 70_000, "\u00e9" + " " * 299, " " * 300 + "a"]
)
def test_blanks_are_text_within_a_string_and_nothing_between_tags(blanks: str) -> None:
    text = blanks.encode()
    between = b"\n \t" * 200
    inner = b"<dict>" + between + b"<key>" + text + b"</key>" + between + b"<string>" + text + b"</string>" + between
    assert plist.parse(xml(between + inner + b"</dict>" + between)) == {blanks: blanks}


def test_padding_that_is_wrong_is_forgiven_as_core_foundation_forgives_it() -> None:
    # The Token of a captured TokenUpdate is masked as the six letters "Base64=".
    assert plist.parse(xml(b"<data> Base64= </data>")) == bytes.fromhex("05ab1eeb")
    assert plist.parse(xml(b"<data>base64==</data>")) == bytes.fromhex("6dab1eeb")
    assert plist.parse(xml(b"<data>YWJjZ</data>")) == b"abc"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_with_a_byte_order_mark_is_read(encoding: str) -> None:
    text = '<?xml version="1.0" encoding="UTF-16"?><plist><string>\u00e9\U0001f600</string></plist>'
    mark = "" if encoding == "utf-16" else "\ufeff"
    assert plist.parse((mark + text).encode(encoding)) == "\u00e9\U0001f600"


def test_a_byte_order_mark_of_utf8_is_read() -> None:
    assert plist.parse(b"\xef\xbb\xbf" + xml(b"<true/>")) is True


@pytest.mark.parametrize(
    "doctype",
    [
        b'<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
        b"<!DOCTYPE plist PUBLIC \"-//Apple Computer//DTD PLIST 1.0//EN\"\n  'http://127.0.0.1:9/x.dtd'>",
        b'<!DOCTYPE plist SYSTEM "file://localhost/System/Library/DTDs/PropertyList.dtd">',
        b"<!DOCTYPE plist>",
    ],
)
def test_a_doctype_is_read_over_and_never_fetched(doctype: bytes) -> None:
    assert plist.parse(doctype + xml(b"<true/>").partition(b"?>")[2]) is True


def test_captured_messages_read_as_plistlib_reads_them(sample: Path) -> None:
    data = sample.read_bytes()
    # Padding that plistlib insists on and CoreFoundation does not.
    strict = data.replace(b"Base64=", b"Base64==")
    assert plist.parse(data) == plistlib.loads(strict)
    assert plist.top_level(data).items() <= plistlib.loads(strict).items()


@pytest.mark.parametrize(
    "value",
    [{"a": "\x00"}, {"a": None}, {1: "a"}, [object()], 2**64, -(2**63) - 1, {"a": "\ud800"}],
)
def test_what_xml_cannot_hold_is_not_written(value: object) -> None:
    with pytest.raises(PlistError, match="no property list can hold"):
        plist.dump(value)  # pyright: ignore[reportArgumentType] (that is the test)


def test_keys_are_written_in_the_order_given() -> None:
    assert list(plist.parse_dict(plist.dump({"b": 1, "a": 2}))) == ["b", "a"]


@settings(max_examples=200)
@given(values, st.data())
def test_a_binary_list_with_bytes_changed_reads_or_is_refused(value: PlistValue, data: st.DataObject) -> None:
    good = bytearray(plistlib.dumps(value, fmt=plistlib.FMT_BINARY))  # pyright: ignore[reportArgumentType] (a Sequence here is a list)
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    _reads_or_refuses(bytes(good))


@settings(max_examples=200)
@given(dictionaries, st.data())
def test_an_xml_list_with_parts_changed_reads_or_is_refused(value: dict[str, PlistValue], data: st.DataObject) -> None:
    good = plist.dump(value)
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 20)))
    patch = data.draw(
        st.binary(max_size=12)
        | st.sampled_from(
            [b"<dict>", b"</dict>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"&#0;", b"&x;", b"\x00", b"<x/>"]
        )
    )
    _reads_or_refuses(good[:start] + patch + good[end:])


@given(st.binary(max_size=200))
def test_any_bytes_read_or_are_refused(data: bytes) -> None:
    _reads_or_refuses(data)
    _reads_or_refuses(xml(data))
    _reads_or_refuses(b"bplist00" + data)


def _reads_or_refuses(data: bytes) -> None:
    for read in (plist.parse, plist.top_level):
        reason = ""
        try:
            read(data)
        except PlistError as error:
            reason = str(error)
        assert "\n" not in reason
        assert len(reason) < 300
