from typing import Any

import pytest

from corral.apple import command, plist
from corral.apple.catalog import KeySpec, Target, check, spec, specs
from corral.apple.identifiers import Kind
from corral.apple.platform import Platform
from corral.apple.plist import PlistValue

NOTHING_KNOWN = Target()
IPHONE = Target(Platform.IOS, "17.5", supervised=False, access_rights=8191, kind=Kind.DEVICE)
MAC = Target(Platform.MACOS, "14.5", supervised=True, access_rights=8191, kind=Kind.DEVICE)


def findings(request_type: str, keys: dict[str, Any], target: Target) -> list[str]:
    return [str(finding) for finding in check(request_type, keys, target)]


def errors(request_type: str, keys: dict[str, Any], target: Target) -> list[str]:
    return [finding for finding in findings(request_type, keys, target) if finding.startswith("error")]


def example(key: KeySpec) -> PlistValue:
    """Some value that the key takes."""
    if key.format == "^[0-9]{6}$":
        return "123456"
    if key.rangelist:
        return key.rangelist[0]
    match key.type:
        case "array":
            return [example(key.keys[0])] if key.keys else []
        case "dictionary":
            return {each.name: example(each) for each in key.keys if each.required}
        case "boolean":
            return True
        case "integer":
            return 1
        case "data":
            return b"x"
        case _:
            return "x"


@pytest.mark.parametrize("request_type", [each.request_type for each in specs()])
def test_every_command_builds_with_its_required_keys_and_passes(request_type: str) -> None:
    facts = spec(request_type)
    assert facts is not None
    keys = {key.name: example(key) for key in facts.keys if key.required}
    built = command.build("C", request_type, keys)
    assert command.command_keys(built) == plist.parse(plist.dump(keys))
    assert errors(request_type, keys, NOTHING_KNOWN) == []
    for name in keys:
        without = {each: value for each, value in keys.items() if each != name}
        assert f"error: {name}: is required" in findings(request_type, without, NOTHING_KNOWN)


@pytest.mark.parametrize("request_type", [each.request_type for each in specs()])
def test_every_command_with_all_its_keys_passes_and_with_another_it_does_not(request_type: str) -> None:
    facts = spec(request_type)
    assert facts is not None
    keys = {key.name: example(key) for key in facts.keys}
    assert errors(request_type, {**keys, "RequestRequiresNetworkTether": True}, NOTHING_KNOWN) == []
    assert errors(request_type, {**keys, "Misspelt": 1}, NOTHING_KNOWN) != []


@pytest.mark.parametrize(
    ("request_type", "keys", "target", "expected"),
    [
        ("Explode", {}, NOTHING_KNOWN, "Explode: is no RequestType that Apple's schema knows"),
        ("DeviceLock", {"Pin": "1"}, NOTHING_KNOWN, "Pin: is not known; known are Message, PhoneNumber, PIN"),
        ("DeviceLock", {"PIN": 123456}, NOTHING_KNOWN, "PIN: must be of type string"),
        ("EraseDevice", {"PIN": "1234"}, MAC, "PIN: must have the form ^[0-9]{6}$"),
        ("InstallProfile", {"Payload": "text"}, NOTHING_KNOWN, "Payload: must be of type data"),
        ("RemoveMedia", {"MediaType": "Film"}, NOTHING_KNOWN, "MediaType: must be one of Book"),
        (
            "InstallApplication",
            {"Options": {"PurchaseMethod": 2}},
            NOTHING_KNOWN,
            "Options.PurchaseMethod: must be one",
        ),
        ("InstallApplication", {"Options": {"Other": 2}}, NOTHING_KNOWN, "Options.Other: is not known"),
        ("InstallApplication", {"ManagementFlags": True}, NOTHING_KNOWN, "ManagementFlags: must be of type integer"),
        (
            "ManagedApplicationFeedback",
            {"Identifiers": ["a", 5]},
            NOTHING_KNOWN,
            "Identifiers[1]: must be of type string",
        ),
        ("Settings", {"Settings": [{"Item": "Bluetooth"}]}, NOTHING_KNOWN, "Settings[0].Enabled: is required"),
        ("Settings", {"Settings": [{"Item": "Blue"}]}, NOTHING_KNOWN, "Settings[0]: must have as its Item one of"),
        ("Settings", {"Settings": ["Bluetooth"]}, NOTHING_KNOWN, "Settings[0]: must have as its Item one of"),
        ("SecurityInfo", {"RequestRequiresNetworkTether": 1}, NOTHING_KNOWN, "RequestRequiresNetworkTether: must be"),
        ("SetRecoveryLock", {"NewPassword": "x"}, IPHONE, "does not exist on iOS, only on macOS"),
        ("EraseDevice", {}, Target(Platform.IOS, "3.2"), "exists since iOS 4.0, the target has 3.2"),
        ("ContentCachingInformation", {}, Target(Platform.MACOS, "10.15.3"), "exists since macOS 10.15.4"),
        ("EraseDevice", {}, Target(Platform.IOS, kind=Kind.USER_ENROLLMENT_DEVICE), "forbidden to user enrollments"),
        ("RestartDevice", {}, IPHONE, "needs a supervised device on iOS"),
        ("EraseDevice", {}, Target(Platform.IOS, access_rights=7), "needs access right 8"),
        ("EraseDevice", {}, Target(access_rights=7), "needs access right 8"),
        ("InstallProfile", {"Payload": b""}, Target(Platform.MACOS, access_rights=1), "needs access right 2"),
        ("EraseDevice", {}, Target(Platform.MACOS, channel="user"), "not for the user channel: send it to the device"),
        (
            "InviteToProgram",
            {"ProgramID": "com.apple.cloudvpp", "InvitationURL": "x"},
            MAC,
            "not for the device channel",
        ),
        ("ProfileList", {}, Target(Platform.TVOS, channel="user"), "not for the user channel"),
        ("SecurityInfo", {}, Target(Platform.IOS, channel="user"), "not for the user channel"),
        ("ActivationLockBypassCode", {}, Target(Platform.IOS, shared_ipad=True), "forbidden on a Shared iPad"),
        ("UserConfigured", {}, Target(Platform.IOS, shared_ipad=True), "not for the device channel"),
        ("LogOutUser", {}, Target(Platform.IOS, shared_ipad=False), "LogOutUser: needs a Shared iPad"),
        ("DeleteUser", {}, IPHONE, "DeleteUser: needs a Shared iPad"),
        ("DeviceInformatoin", {}, NOTHING_KNOWN, "schema knows; DeviceInformation is"),
    ],
)
def test_what_a_device_would_refuse_is_an_error(
    request_type: str, keys: dict[str, Any], target: Target, expected: str
) -> None:
    assert any(expected in each for each in errors(request_type, keys, target))


@pytest.mark.parametrize(
    ("request_type", "keys", "target", "expected"),
    [
        ("EraseDevice", {"PIN": "123456"}, IPHONE, "PIN: means nothing on iOS"),
        ("EraseDevice", {"ObliterationBehavior": "Default"}, Target(Platform.MACOS, "11.0"), "exists since macOS 12.0"),
        ("DeviceInformation", {"Queries": ["Weight"]}, NOTHING_KNOWN, "Queries[0]: Weight is not known"),
        (
            "DeviceInformation",
            {"Queries": ["OSVersion"]},
            Target(Platform.IOS, access_rights=1),
            "needs access right 16",
        ),
        (
            "DeviceInformation",
            {"Queries": ["UDID"]},
            Target(Platform.IOS, kind=Kind.USER_ENROLLMENT_DEVICE),
            "forbidden to",
        ),
        ("Settings", {"Settings": [{"Item": "Bluetooth", "Enabled": True}]}, IPHONE, "Settings[0]: needs a supervised"),
        ("AvailableOSUpdates", {}, Target(Platform.MACOS, "26.0"), "deprecated since macOS 26.0"),
        ("DeviceInformation", {"Queries": ["QuotaSize"]}, IPHONE, "Queries[0]: needs a Shared iPad"),
        (
            "DeviceInformation",
            {"Queries": ["AutoSetupAdminAccounts"]},
            Target(Platform.MACOS, automated=False),
            "came by automated enrollment",
        ),
        (
            "EraseDevice",
            {"DisallowProximitySetup": True},
            Target(Platform.IOS, shared_ipad=True),
            "DisallowProximitySetup: is forbidden on a Shared iPad",
        ),
    ],
)
def test_what_a_device_would_pass_over_is_a_warning(
    request_type: str, keys: dict[str, Any], target: Target, expected: str
) -> None:
    assert errors(request_type, keys, target) == []
    assert any(expected in each for each in findings(request_type, keys, target))


@pytest.mark.parametrize(
    ("request_type", "keys", "target"),
    [
        # Always permitted, even without right 2.
        ("RemoveProfile", {"Identifier": "x"}, Target(Platform.IOS, "17.0", access_rights=1)),
        ("RemoveProfile", {"Identifier": "x"}, Target(access_rights=1)),
        # Apple's correction of its schema.
        ("RemoveApplication", {"Identifier": "x"}, Target(Platform.MACOS, "14.0", kind=Kind.USER_ENROLLMENT_DEVICE)),
        # Rights of user enrollments are fixed, what the profile says is ignored.
        ("ProfileList", {}, Target(Platform.IOS, "17.0", kind=Kind.USER_ENROLLMENT_DEVICE, access_rights=0)),
        ("DeviceLock", {}, Target(Platform.IOS, "17.10")),
        ("ProfileList", {}, Target(Platform.IOS, channel="user", kind=Kind.SHARED_IPAD_USER)),
        ("ProfileList", {}, Target(Platform.MACOS, channel="user", kind=Kind.USER)),
        ("ContentCachingInformation", {}, Target(Platform.MACOS, "10.15.10")),
        ("RestartDevice", {}, Target(Platform.IOS, supervised=None)),
        ("EraseDevice", {}, Target(Platform.IOS, "no version")),
        ("InstallApplication", {"Configuration": {"any": [{"thing": 1}]}}, NOTHING_KNOWN),
        ("SetRecoveryLock", {"NewPassword": "x"}, Target(access_rights=8191, kind=Kind.DEVICE)),
    ],
)
def test_what_is_allowed_or_not_known_passes(request_type: str, keys: dict[str, Any], target: Target) -> None:
    assert findings(request_type, keys, target) == []
