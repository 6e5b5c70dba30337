"""What of the schema a device has, by its system, channel and enrollment."""

import pytest

from corral.apple.catalog import Platform, Target, answer_keys, queries, told
from corral.apple.identifiers import Kind

PHONE = Target(Platform.IOS, "18.2", supervised=False, access_rights=8191)
MAC = Target(Platform.MACOS, "15.2", supervised=True, access_rights=8191)


@pytest.mark.parametrize(
    ("target", "name", "knows"),
    [
        (PHONE, "OSVersion", True),
        (PHONE, "HostName", False),
        (Target(Platform.IOS, "13.7"), "TimeZone", False),
        (Target(Platform.IOS, "14.0"), "TimeZone", True),
        (MAC, "TimeZone", False),
        (MAC, "ActiveManagedUsers", True),
        (Target(Platform.MACOS, "15.2", "user"), "ActiveManagedUsers", False),
        (PHONE, "AccessibilitySettings", False),
        (Target(Platform.IOS, "18.2"), "AccessibilitySettings", True),
        (PHONE, "ResidentUsers", False),
        (Target(Platform.IOS, "18.2", shared_ipad=True), "ResidentUsers", True),
        (Target(Platform.IOS, "18.2", kind=Kind.USER_ENROLLMENT_DEVICE), "SerialNumber", False),
        (Target(Platform.IOS, "18.2", access_rights=16), "WiFiMAC", False),
        (Target(Platform.IOS, "18.2", access_rights=32), "WiFiMAC", True),
        (Target(Platform.IOS, "no version"), "TimeZone", True),
        (Target(), "HostName", True),
    ],
)
def test_a_device_is_asked_what_it_knows(target: Target, name: str, knows: bool) -> None:
    assert (name in queries(target)) is knows


def test_an_answer_has_the_keys_of_the_device() -> None:
    known = {"PasscodePresent": True, "FDE_Enabled": True, "ManagementStatus": {"IsUserEnrollment": False, "Odd": 1}}
    keys = answer_keys("SecurityInfo")
    assert told(keys, {"SecurityInfo": known, "Another": 1}, PHONE) == {
        "SecurityInfo": {"PasscodePresent": True, "ManagementStatus": {"IsUserEnrollment": False}}
    }
    apps = {"InstalledApplicationList": [{"Identifier": "a", "Path": "/a", "IsValidated": True}]}
    assert told(answer_keys("InstalledApplicationList"), apps, MAC) == {
        "InstalledApplicationList": [{"Identifier": "a", "Path": "/a"}]
    }
    managed = {"ManagedApplicationList": {"com.example.a": {"Status": "Managed", "IsValidated": True, "Odd": 1}}}
    assert told(answer_keys("ManagedApplicationList"), managed, MAC) == {
        "ManagedApplicationList": {"com.example.a": {"Status": "Managed"}}
    }
