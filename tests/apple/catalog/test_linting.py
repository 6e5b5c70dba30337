"""Profiles against the catalog: what a device would refuse, and what it would pass over, each at its place."""

from typing import Any

import pytest

from corral.apple.catalog import KeySpec, Target, lint, payload_spec
from corral.apple.catalog.spec import payload_types
from corral.apple.identifiers import Kind
from corral.apple.platform import Platform
from corral.apple.plist import PlistValue

ANY = Target()
IPHONE = Target(Platform.IOS, "18.2", supervised=False)
MAC = Target(Platform.MACOS, "15.2", supervised=True)

WIFI = {"PayloadType": "com.apple.wifi.managed", "SSID_STR": "Office", "EncryptionType": "WPA2", "Password": "secret"}


def profile(*payloads: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": "org.example.test",
        "PayloadUUID": "TOP",
        "PayloadContent": [
            {"PayloadVersion": 1, "PayloadIdentifier": f"org.example.test.{n}", "PayloadUUID": f"P{n}", **each}
            for n, each in enumerate(payloads)
        ],
        **more,
    }


def told(given: dict[str, Any], target: Target = ANY) -> list[str]:
    return [str(each) for each in lint(given, target)]


def example(key: KeySpec) -> PlistValue:
    if key.rangelist:
        return key.rangelist[0]
    match key.type:
        case "array":
            return [example(key.keys[0])] if key.keys else []
        case "dictionary":
            return {each.name: example(each) for each in key.keys if each.required and each.name != "ANY"}
        case "boolean":
            return True
        case "integer" | "real":
            return int(key.minimum or 1)
        case "data":
            return b"x"
        case _:
            return "x"


@pytest.mark.parametrize("kind", sorted(set(payload_types()) - {"com.apple.mdm"}))
def test_every_payload_passes_with_its_required_keys_and_not_without_them(kind: str) -> None:
    facts = payload_spec(kind)
    assert facts is not None
    keys = {key.name: example(key) for key in facts.keys if key.required and key.name != "ANY"}
    references = {"PayloadCertificateUUID": "P0", "IdentityCertificateUUID": "P0"}
    keys |= {name: value for name, value in references.items() if name in keys}
    given = profile({"PayloadType": kind, **keys})
    assert [each for each in told(given) if each.startswith("error")] == []
    for name in keys:
        without = profile({"PayloadType": kind, **{key: value for key, value in keys.items() if key != name}})
        assert any(each.endswith(f".{name}: is required") for each in told(without)) or _not_everywhere(facts, name)


def _not_everywhere(facts: Any, name: str) -> bool:
    (key,) = [each for each in facts.keys if each.name == name]
    return None in key.platforms.values()


@pytest.mark.parametrize("target", [ANY, IPHONE, MAC])
def test_an_ordinary_profile_has_nothing_against_it(target: Target) -> None:
    root = {"PayloadType": "com.apple.security.root", "PayloadContent": b"DER"}
    assert told(profile(WIFI, root, PayloadDisplayName="Office"), target) == []


@pytest.mark.parametrize(
    ("given", "target", "expected"),
    [
        (profile(), ANY, "error: PayloadContent: holds no payload"),
        ({"PayloadType": "Configuration"}, ANY, "error: PayloadIdentifier: is required"),
        (profile(PayloadVersion=2), ANY, "error: PayloadVersion: must be one of 1"),
        (profile(WIFI, PayloadType="Config"), ANY, "error: PayloadType: must be one of Configuration"),
        (profile({**WIFI, "AutoJoin": "yes"}), ANY, "error: PayloadContent[0].AutoJoin: must be of type boolean"),
        (profile({**WIFI, "EncryptionType": "ROT13"}), ANY, "error: PayloadContent[0].EncryptionType: must be one of"),
        (profile({"SSID_STR": "x"}), ANY, "error: PayloadContent[0].PayloadType: must say what kind"),
        (profile({"PayloadType": "com.apple.app.lock"}), ANY, "error: PayloadContent[0].App: is required"),
        (
            profile({"PayloadType": "com.apple.app.lock", "App": {"Identifier": "a"}}),
            IPHONE,
            "error: PayloadContent[0]: com.apple.app.lock needs a supervised device on iOS",
        ),
        (
            profile({"PayloadType": "com.apple.dock"}),
            IPHONE,
            "error: PayloadContent[0]: com.apple.dock does not exist on iOS, only on macOS",
        ),
        (
            profile({"PayloadType": "com.apple.dnsSettings.managed", "DNSSettings": {"DNSProtocol": "TLS"}}),
            Target(Platform.IOS, "13.7"),
            "com.apple.dnsSettings.managed exists since iOS 14.0, the target has 13.7",
        ),
        (profile(WIFI, {**WIFI, "PayloadUUID": "P0"}), ANY, "holds 2 payloads with the PayloadUUID P0"),
        (
            profile(WIFI, {**WIFI, "PayloadIdentifier": "org.example.test.0"}),
            ANY,
            "holds 2 payloads with the PayloadIdentifier org.example.test.0",
        ),
        (
            profile({"PayloadType": "com.apple.proxy.http.global"}, {"PayloadType": "com.apple.proxy.http.global"}),
            IPHONE,
            "holds 2 payloads com.apple.proxy.http.global, of which a device takes one",
        ),
        (
            profile({**WIFI, "PayloadCertificateUUID": "lost"}),
            ANY,
            "error: PayloadContent[0].PayloadCertificateUUID: names lost, and no payload",
        ),
        (profile({"PayloadType": "com.apple.mdm"}), ANY, "error: PayloadContent[0]: com.apple.mdm enrolls a device"),
        (
            profile(WIFI, PayloadScope="System"),
            Target(Platform.MACOS, channel="user"),
            "error: PayloadScope: is System, which is not for the user channel",
        ),
        (
            profile({"PayloadType": "com.apple.system-extension-policy"}),
            Target(Platform.MACOS, "15.2", user_approved=False),
            "com.apple.system-extension-policy needs an enrollment that the user of the Mac has approved",
        ),
        (
            profile({"PayloadType": "com.apple.proxy.http.global"}),
            Target(Platform.IOS, "18.2", kind=Kind.USER_ENROLLMENT_DEVICE),
            "is forbidden to user enrollments",
        ),
    ],
)
def test_what_keeps_a_device_from_installing_it_is_an_error(
    given: dict[str, Any], target: Target, expected: str
) -> None:
    assert any(expected in each for each in told(given, target) if each.startswith("error")), told(given, target)


@pytest.mark.parametrize(
    ("given", "target", "expected"),
    [
        (profile({**WIFI, "Passwort": "x"}), ANY, "PayloadContent[0].Passwort: is not known"),
        (profile({"PayloadType": "com.example.app", "Any": 1}), MAC, "is not in Apple's schema; a Mac takes it"),
        (profile({"PayloadType": "com.example.app", "Any": 1}), IPHONE, "is not in Apple's schema; iOS passes over it"),
        (
            profile({"PayloadType": "com.apple.applicationaccess", "allowAppInstallation": False}),
            IPHONE,
            "PayloadContent[0].allowAppInstallation: needs a supervised device on iOS",
        ),
        (
            {**profile(), "PayloadContent": None, "EncryptedPayloadContent": b"x"},
            ANY,
            "EncryptedPayloadContent: cannot be looked into",
        ),
    ],
)
def test_what_a_device_passes_over_is_a_warning(given: dict[str, Any], target: Target, expected: str) -> None:
    given = {name: value for name, value in given.items() if value is not None}
    assert [each for each in told(given, target) if each.startswith("error")] == []
    assert any(expected in each for each in told(given, target)), told(given, target)


def test_the_second_of_a_kind_is_fine_where_a_device_takes_several() -> None:
    assert told(profile(WIFI, {**WIFI, "SSID_STR": "Guests"})) == []
