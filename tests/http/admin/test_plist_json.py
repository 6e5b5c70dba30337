"""Property lists in JSON: whatever a command may hold goes there and back, and secrets are not shown."""

import base64
import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.apple.plist import PlistValue
from corral.http.admin.resources.plist_json import HIDDEN, from_json, to_json
from corral.service.errors import RequestRefused

LEAVES = (
    st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.datetimes().map(lambda found: found.replace(microsecond=0))
)
KEYS = st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=2)
"""Too short to name a secret, whose value would not be shown."""

VALUES: st.SearchStrategy[PlistValue] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=10
)


@given(VALUES)
def test_everything_comes_back_as_it_was(value: PlistValue) -> None:
    assert from_json(json.loads(json.dumps(to_json(value)))) == value


def test_data_and_dates_are_objects_of_one_key() -> None:
    assert to_json(b"\x00\xff") == {"$data": "AP8="}
    assert to_json(datetime(2030, 1, 2, 3, 4, 5)) == {"$date": "2030-01-02T03:04:05Z"}
    assert from_json({"$date": "2030-01-02T05:04:05+02:00"}) == datetime(2030, 1, 2, 3, 4, 5)
    assert from_json({"$data": "AP8=", "more": 1}) == {"$data": "AP8=", "more": 1}


@pytest.mark.parametrize(
    "value",
    [
        *(None, {"a": None}, [None]),
        *({"$data": "not base64!"}, {"$data": "AA\u200f=="}),
        *({"$date": "tomorrow"}, {"$date": "0001-01-01T00:00:00+14:00"}),
    ],
)
def test_what_no_property_list_can_hold_is_refused(value: object) -> None:
    with pytest.raises(RequestRefused) as told:
        from_json(value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "name", ["PIN", "Password", "CurrentPassword", "NewPassword", "UnlockToken", "AppleCareToken", "Challenge", "Token"]
)
@pytest.mark.parametrize("value", ["1234", b"1234", 1234, ["1234"]])
def test_secrets_are_named_and_not_shown(name: str, value: PlistValue) -> None:
    shown = to_json({"Outer": [{name: value}], "Queries": ["DeviceName"]})
    assert shown == {"Outer": [{name: HIDDEN}], "Queries": ["DeviceName"]}
    assert base64.b64encode(b"1234").decode() not in json.dumps(shown)


def test_what_only_tells_whether_there_is_a_password_is_shown() -> None:
    assert to_json({"PasscodePresent": True}) == {"PasscodePresent": True}
