"""Secrets in results are found, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.apple.given import NOTHING, Given, may_give, read_given
from corral.apple.plist import PlistValue, dump


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"SecurityInfo": {"FDE_PersonalRecoveryKeyCMS": b"cms"}}, Given(recovery_key=b"cms")),
        ({"RotateResult": {"EncryptedNewRecoveryKey": b"new"}}, Given(recovery_key=b"new")),
        ({"ActivationLockBypassCode": "AB-12"}, Given(bypass_code="AB-12")),
    ],
)
def test_what_a_device_gives_is_found(keys: dict[str, PlistValue], expected: Given) -> None:
    body = dump({"Status": "Acknowledged", **keys})
    assert may_give(body)
    assert read_given(body) == expected


@pytest.mark.parametrize(
    "keys",
    [
        {"SecurityInfo": {"FDE_PersonalRecoveryKeyCMS": "text"}},
        {"SecurityInfo": {"FDE_PersonalRecoveryKeyCMS": b""}},
        {"SecurityInfo": ["FDE_PersonalRecoveryKeyCMS"]},
        {"FDE_PersonalRecoveryKeyCMS": b"at the top"},
        {"ActivationLockBypassCode": ""},
        {"ActivationLockBypassCode": "x" * 257},
        {"ActivationLockBypassCode": "a\nb"},
        {"ActivationLockBypassCode": 5},
        {},
    ],
)
def test_nothing_else_is_taken_for_a_secret(keys: dict[str, PlistValue]) -> None:
    assert read_given(dump({"Status": "Acknowledged", **keys})) == NOTHING


@given(st.binary(max_size=200))
def test_what_cannot_be_read_gives_nothing(body: bytes) -> None:
    assert read_given(b"ActivationLockBypassCode" + body) == NOTHING


def test_ordinary_results_are_not_read_at_all() -> None:
    assert not may_give(dump({"QueryResponses": {"DeviceName": "Ada"}}))


def test_a_secret_is_not_shown() -> None:
    assert "AB-12" not in repr(Given(recovery_key=b"AB-12", bypass_code="AB-12"))
