"""Of a key that comes twice the last counts, unless it must not come twice."""

import plistlib

import pytest

from corral.apple import plist
from corral.apple.plist import Limits, PlistError

TWICE = b"<plist><dict><key>A</key><dict><key>B</key><true/><key>&#66;</key><false/></dict></dict></plist>"
BINARY = plistlib.dumps({"A": {"B": True, "C": False}}, fmt=plistlib.FMT_BINARY).replace(b"QC", b"QB")


@pytest.mark.parametrize("data", [TWICE, BINARY], ids=["XML", "binary"])
def test_of_a_key_that_comes_twice_the_last_counts_or_it_is_an_error(data: bytes) -> None:
    assert plist.parse(data) == {"A": {"B": False}}
    with pytest.raises(PlistError, match="a key that comes twice"):
        plist.parse(data, Limits(unique_keys=True))


@pytest.mark.parametrize("form", [plistlib.FMT_XML, plistlib.FMT_BINARY])
def test_keys_of_different_dictionaries_may_be_alike(form: plistlib.PlistFormat) -> None:
    value = {"A": {"A": 1}, "B": [{"A": 1}, {"A": 1}, {}]}
    assert plist.parse(plistlib.dumps(value, fmt=form), Limits(unique_keys=True)) == value
