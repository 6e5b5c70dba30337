import base64
import json
import plistlib
from typing import Any

import pytest

from corral.apple.catalog import KeySpec, enrollment_errors
from corral.apple.enrollment_error import (
    EnrollmentError,
    PairingTokenMissing,
    PlatformSSORequired,
    SoftwareUpdateRequired,
    UnrecognizedDevice,
    WellKnownFailed,
    understands_unrecognized,
)
from corral.apple.platform import Platform

ERRORS: list[tuple[EnrollmentError, dict[str, Any]]] = [
    (UnrecognizedDevice(), {"code": "com.apple.unrecognized.device"}),
    (
        UnrecognizedDevice(description="ended", message="This device is no longer managed."),
        {
            "code": "com.apple.unrecognized.device",
            "description": "ended",
            "message": "This device is no longer managed.",
        },
    ),
    (
        SoftwareUpdateRequired(os_version="17.6.1", build_version="21G93", beta_description="d", beta_token="t"),
        {
            "code": "com.apple.softwareupdate.required",
            "details": {
                "OSVersion": "17.6.1",
                "BuildVersion": "21G93",
                "RequireBetaProgram": {"Description": "d", "Token": "t"},
            },
        },
    ),
    (
        SoftwareUpdateRequired(os_version="17.6.1"),
        {"code": "com.apple.softwareupdate.required", "details": {"OSVersion": "17.6.1"}},
    ),
    (
        PairingTokenMissing(security_token="6F1B"),
        {"code": "com.apple.watch.pairing.token.missing", "details": {"security-token": "6F1B"}},
    ),
    (WellKnownFailed(), {"code": "com.apple.well-known.failed"}),
    (
        PlatformSSORequired(
            profile_url="https://p", auth_url="https://a", manifest_url="https://m", pinning_certificates=(b"DER",)
        ),
        {
            "code": "com.apple.psso.required",
            "details": {
                "ProfileURL": "https://p",
                "AuthURL": "https://a",
                "Package": {
                    "ManifestURL": "https://m",
                    "PinningCerts": [b"DER"],
                    "PinningRevocationCheckRequired": False,
                },
            },
        },
    ),
]


@pytest.mark.parametrize(("error", "keys"), ERRORS)
def test_both_forms_say_the_same(error: EnrollmentError, keys: dict[str, Any]) -> None:
    assert plistlib.loads(error.plist()) == keys
    as_text = json.dumps(keys, default=lambda data: base64.b64encode(data).decode())
    assert json.loads(error.json()) == json.loads(as_text)


@pytest.mark.parametrize(("error", "keys"), ERRORS)
def test_they_keep_to_apples_schema(error: EnrollmentError, keys: dict[str, Any]) -> None:
    (spec,) = [each for each in enrollment_errors() if each.code == error.code]
    conforms(spec.keys, keys)


def conforms(specs: tuple[KeySpec, ...], keys: dict[str, Any]) -> None:
    assert keys.keys() <= {spec.name for spec in specs}
    assert {spec.name for spec in specs if spec.required} <= keys.keys()
    for spec in specs:
        if spec.type == "dictionary" and spec.name in keys:
            conforms(spec.keys, keys[spec.name])


def test_all_of_apples_codes_are_there() -> None:
    assert {error.code for error, _ in ERRORS} == {spec.code for spec in enrollment_errors()}


def test_who_understands_unrecognized_device_is_as_in_the_schema() -> None:
    (spec,) = [each for each in enrollment_errors() if each.code == UnrecognizedDevice.code]
    assert set(spec.platforms) == set(Platform)
    for platform, facts in spec.platforms.items():
        assert facts.introduced is not None
        assert understands_unrecognized(platform, facts.introduced)
        major, _, minor = facts.introduced.partition(".")
        assert not understands_unrecognized(platform, f"{int(major) - 1}.{minor}.9")


def test_what_is_not_known_does_not_understand_it() -> None:
    assert not understands_unrecognized(None, "26.0")
    assert not understands_unrecognized(Platform.IOS, None)
    assert not understands_unrecognized(Platform.IOS, "beta")
    assert understands_unrecognized(Platform.MACOS, "14.0 (a)")


def test_secrets_are_not_shown() -> None:
    assert "S3CRET" not in repr(PairingTokenMissing(security_token="S3CRET"))
    assert "S3CRET" not in repr(SoftwareUpdateRequired(os_version="17", beta_token="S3CRET"))
