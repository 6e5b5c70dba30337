"""Hostile property lists are refused, at once and in little memory."""

import plistlib
import struct
import time
import tracemalloc
from collections.abc import Callable

import psutil
import pytest

from corral.apple import plist
from corral.apple.plist import Limits, PlistError, PlistValue

Reader = Callable[..., object]
READERS: list[Reader] = [plist.parse, plist.top_level]
LAUGHS = b"".join(b'<!ENTITY e%d "%s">' % (i, b"&e%d;" % (i - 1) * 10) for i in range(1, 10))


def xml(inner: bytes) -> bytes:
    return b"<plist>" + inner + b"</plist>"


def in_dict(inner: bytes) -> bytes:
    return xml(b"<dict><key>k</key>" + inner + b"</dict>")


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'<!DOCTYPE plist [<!ENTITY e0 "ha">' + LAUGHS + b"]>" + in_dict(b"<string>&e9;</string>"), "begin with"),
        (b'<!DOCTYPE plist [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + in_dict(b"<string>&e;</string>"), "begin"),
        (b'<!DOCTYPE plist SYSTEM ">" [<!ENTITY e "x">]>' + in_dict(b"<string>&e;</string>"), "begin with"),
        (b'<!DOCTYPE plist SYSTEM "x.dtd">' + in_dict(b"<string>&e;</string>"), "entity"),
        (b"<!DOCTYPE html>" + in_dict(b"<true/>"), "begin with"),
        (in_dict(b"<string>&#0;</string>"), "well-formed"),
        (in_dict(b"<string>\x00</string>"), "well-formed"),
        (in_dict(b"<string>\x0b</string>"), "well-formed"),
        (in_dict(b"<string>\xff\xfe</string>"), "well-formed"),
        (in_dict(b"<string>\xed\xa0\x80</string>"), "well-formed"),
        (in_dict(b"<string>&#xD800;</string>"), "well-formed"),
        (in_dict(b"<string>open"), "well-formed"),
        (in_dict(b"<?php x?><true/>"), "a tag that none has"),
        (in_dict(b"<svg/>"), "a tag that none has"),
        (in_dict(b'<string a="1">x</string>'), "a tag that none has"),
        (in_dict(b"<true/><!-- no end"), "does not end"),
        (in_dict(b""), "no value"),
        (xml(b"<dict><true/></dict>"), "<key> belongs"),
        (xml(b"<dict><key>a<true/></key><true/></dict>"), "<key> belongs"),
        (in_dict(b"<string>a<true/></string>"), "inside a plain value"),
        (in_dict(b"<key>b</key>"), "where a value belongs"),
        (in_dict(b"<integer>1.5</integer>"), "no number"),
        (in_dict(b"<integer>" + b"9" * 5000 + b"</integer>"), "no number"),
        (in_dict(b"<integer>18446744073709551616</integer>"), "64 bits"),
        (in_dict(b"<real>1_0</real>"), "no number"),
        (in_dict(b"<date>2026-02-30T00:00:00Z</date>"), "calendar"),
        (in_dict(b"<date>yesterday</date>"), "form"),
        (in_dict(b"<true>x</true>"), "text inside"),
        (xml(b""), "holds 0 values"),
        (xml(b"<dict/><dict/>"), "holds 2 values"),
        (b"", "begin with"),
        (b"\xff\xfea", "UTF-16"),
        (b"bplist00", "cut off"),
    ],
)
def test_hostile_and_broken_lists_are_refused_in_one_line(read: Reader, data: bytes, reason: str) -> None:
    with pytest.raises(PlistError, match=reason):
        read(data)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("opening", [b"<array>", b"<dict><key>a</key>"])
def test_depth_is_bounded_to_the_level(read: Reader, opening: bytes) -> None:
    closing = b"</array>" if opening == b"<array>" else b"</dict>"

    def nested(levels: int) -> bytes:
        # The dictionary of `in_dict` is level 1, the leaf at the end the last.
        return in_dict(opening * (levels - 2) + b"<true/>" + closing * (levels - 2))

    read(nested(64))
    for levels in (65, 100, 20_000):
        with pytest.raises(PlistError, match=r"deeper than 64|depth"):
            read(nested(levels))


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("item", [b"<true/>", b"<string></string>", b"<dict></dict>"])
def test_objects_are_bounded_to_the_object(read: Reader, item: bytes) -> None:
    # One dictionary, one key, one array.
    read(in_dict(b"<array>" + item * (65_536 - 3) + b"</array>"))
    for count in (65_536 - 2, 100_000, 900_000):
        with pytest.raises(PlistError, match="more than 65536 objects"):
            read(in_dict(b"<array>" + item * count + b"</array>"))


@pytest.mark.parametrize("read", READERS)
def test_bytes_are_bounded_and_a_value_may_take_nearly_all_of_them(read: Reader) -> None:
    largest = in_dict(b"<string>" + b"a" * (16 * 1024 * 1024 - 100) + b"</string>")
    read(largest)
    with pytest.raises(PlistError, match="16777216 are allowed"):
        read(largest + b" " * 200)
    with pytest.raises(PlistError, match="are allowed"):
        read(in_dict(b"<string><![CDATA[" + b"&" * 8_000_000 + b"]]></string>"))


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "data",
    [
        b" " * 16_000_000,
        b"<!DOCTYPE plist" + b" " * 16_000_000,
        b"<plist " + b" " * 16_000_000,
        b"<plist" + b"".join(b' a%d=""' % i for i in range(1_000_000)) + b"></plist>",
        b"<plist><dict><key" + b" " * 16_000_000,
        b"<plist>" + b"<!--" * 4_000_000,
        b"<plist>" + b"<![CDATA[" * 1_700_000,
        b"<plist>" + b"<!" * 8_000_000,
        b"<plist>" + b"<!---->" * 2_300_000,
        b"<plist><string>" + b"&" * 16_000_000,
        b"<plist><string>" + b"&#" * 8_000_000,
        b"<plist><integer>" + b" " * 16_000_000 + b"</integer></plist>",
        b"<plist><real>" + b"1" * 16_000_000 + b"</real></plist>",
    ],
    ids=range(13),
)
def test_no_input_takes_more_than_linear_time(read: Reader, data: bytes) -> None:
    before = time.process_time()
    with pytest.raises(PlistError):
        read(data)
    # These take 0.01 to 0.5 s; what grows with the square would take hours.
    assert time.process_time() - before < 5


def test_foreign_names_do_not_stay_in_memory() -> None:
    # The XML parser keeps every name for good: these would be some 60 MB of them.
    process = psutil.Process()
    before = process.memory_info().rss
    for document in range(40):
        names = b"".join(b"<%s%d-%d/>" % (b"n" * 30, document, i) for i in range(20_000))
        for read in READERS:
            with pytest.raises(PlistError, match="a tag that none has"):
                read(xml(names))
    assert process.memory_info().rss - before < 20 * 1024 * 1024


def binary(objects: list[bytes], top: int = 0) -> bytes:
    """A binary list of these encoded objects, with references and offsets of one and four bytes."""
    data = b"bplist00"
    offsets = b""
    for each in objects:
        offsets += struct.pack(">I", len(data))
        data += each
    return data + offsets + struct.pack(">6xBBQQQ", 4, 1, len(objects), top, len(data))


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (binary([b"\xa1\x00"]), "deeper than"),
        (binary([b"\xa1\x01", b"\xa1\x00"]), "deeper than"),
        # Each array holds the next one ten times.
        (binary([b"\xaa" + bytes([i + 1]) * 10 for i in range(20)] + [b"\x09"]), "more than 65536"),
        # One string, many times over.
        (
            binary([b"\xaf\x11\x40\x00" + b"\x01" * 0x4000, b"\x5f\x12" + struct.pack(">I", 4096) + b"a" * 4096]),
            "unfolds to more",
        ),
        (binary([b"\xa1\x05"]), "does not have"),
        (binary([b"\xd1\x01\x01", b"\x09"]), "no string"),
        (binary([b"\x80\x01"]), "kind 0x80"),
        (binary([b"\x00"]), "kind 0x00"),
        (binary([b"\xc1\x00"]), "kind 0xc1"),
        (binary([b"\x5f\x13" + b"\xff" * 8]), "beyond its end"),
        (binary([b"\xaf\x13" + b"\x7f" * 8]), "beyond its end"),
        (binary([b"\x51\xff"]), "not ascii"),
        (binary([b"\x61\xd8\x00"]), "not utf-16-be"),
        (binary([b"\x33" + struct.pack(">d", 1e300)]), "calendar"),
        (binary([b"\x33" + struct.pack(">d", float("nan"))]), "calendar"),
        (binary([b"\x14" + b"\x7f" * 16]), "64 bits"),
        (binary([b"\x09"], top=1), "no sense"),
        (b"bplist00" + struct.pack(">6xBBQQQ", 1, 1, 2**63, 0, 8), "more than 65536"),
        (b"bplist00" + struct.pack(">6xBBQQQ", 8, 8, 60_000, 0, 8), "outside of its bytes"),
        (b"bplist00" + struct.pack(">6xBBQQQ", 0, 1, 1, 0, 8), "no sense"),
    ],
)
def test_hostile_binary_lists_are_refused(read: Reader, data: bytes, reason: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(PlistError, match=reason):
            read(data)
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_an_object_that_is_shared_is_read_at_each_place() -> None:
    assert plist.parse(binary([b"\xa2\x01\x01", b"\xa1\x02", b"\x51a"])) == [["a"], ["a"]]


def test_limits_are_those_given() -> None:
    small = Limits(bytes=1000, depth=3, objects=8)
    value: PlistValue = {"a": ["b"]}
    for data in (plist.dump(value), plistlib.dumps(value, fmt=plistlib.FMT_BINARY)):
        assert plist.parse(data, small) == value
    for too_much in ({"a": [["b"]]}, {"a": list(range(9))}, {"a": "b" * 1000}):
        for data in (plist.dump(too_much), plistlib.dumps(too_much, fmt=plistlib.FMT_BINARY)):
            with pytest.raises(PlistError):
                plist.parse(data, small)
