import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.apple import plist


def wrap(inner: bytes) -> bytes:
    return b"<plist><dict><key>Name</key><string>" + inner + b"</string></dict></plist>"


@pytest.mark.parametrize(
    ("broken", "text"),
    [
        (b"a\x00b", "ab"),
        (b"a\x01\x08\x0b\x1fb", "ab"),
        (b"a&#0;b&#x0;c&#x1F;d&#31;e&#x0000;f", "abcdef"),
        (b"&#xD800;&#55357;&#xFFFE;&#x110000;&#99999999999999999999;x", "x"),
        (b"a\xff\xfeb\xc3", "ab"),
        (b"\xed\xa0\xbd\xed\xb8\x80x", "x"),
        (b"\xef\xbf\xbe\xef\xbf\xbfx", "x"),
        (b"\xc0\x80x", "x"),
        (b"tab\tline\nkept &amp; &#65;&#x1F600; \xc3\xa9", "tab\tline\nkept & A\U0001f600 \u00e9"),
    ],
)
def test_what_xml_forbids_is_stripped_and_the_rest_kept(broken: bytes, text: str) -> None:
    assert plist.parse_dict(plist.repair(wrap(broken))) == {"Name": text}


def test_a_good_list_is_not_changed() -> None:
    data = plist.dump({"a": "\u00e9\U0001f600 <&>", "b": b"\x00\x01", "c": [1, 2.5, True]})
    assert plist.repair(data) == data


def test_a_binary_list_is_not_touched() -> None:
    assert plist.repair(b"bplist00\x00\xff") == b"bplist00\x00\xff"


@pytest.mark.parametrize("inner", [b"]]>", b"a]]>b]]>", b"]]&#0;>", b"]\x00]>"])
def test_an_end_of_nothing_is_text(inner: bytes) -> None:
    wanted = inner.replace(b"&#0;", b"").replace(b"\x00", b"").decode()
    assert plist.parse_dict(plist.repair(wrap(inner)))["Name"] == wanted


def test_a_section_keeps_its_end() -> None:
    data = wrap(b"<![CDATA[a < b]]>")
    assert plist.repair(data) == data
    assert plist.parse_dict(plist.repair(wrap(b"<![CDATA[a]]>]]>")))["Name"] == "a]]>"


@given(st.binary(max_size=100))
def test_any_text_in_a_string_reads_after_repair_unless_it_is_markup(inner: bytes) -> None:
    inner = inner.replace(b"<", b"").replace(b"&", b"&amp;")
    plist.parse_dict(plist.repair(wrap(inner)))
