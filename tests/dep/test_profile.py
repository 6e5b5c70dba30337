"""Profiles are checked before Apple sees them."""

import base64
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from corral.dep.profile import EnrollmentProfile, ProfileError, read_profile
from corral.dep.skip_keys import SKIP_KEYS, nearest
from corral.dep.token import make_key_pair

_CERTIFICATE = base64.b64encode(
    x509.load_pem_x509_certificate(make_key_pair("x", datetime.now(UTC)).certificate_pem).public_bytes(Encoding.DER)
).decode()
FULL: dict[str, Any] = {
    "profile_name": "Everything",
    "url": "https://mdm.example.org/enroll/automated",
    "configuration_web_url": "https://mdm.example.org/enroll/web",
    "anchor_certs": [_CERTIFICATE],
    "supervising_host_certs": [_CERTIFICATE],
    "is_supervised": True,
    "is_mandatory": True,
    "is_mdm_removable": False,
    "allow_pairing": False,
    "await_device_configured": True,
    "auto_advance_setup": True,
    "is_multi_user": False,
    "is_return_to_service": False,
    "do_not_use_profile_from_backup": True,
    "skip_setup_items": sorted(SKIP_KEYS),
    "org_magic": "magic",
    "department": "IT",
    "language": "en",
    "region": "US",
    "support_phone_number": "+1 555 0100",
    "support_email_address": "it@example.org",
}


def test_every_field_goes_to_apple_under_apples_name() -> None:
    assert set(FULL) == {field.name for field in msgspec.structs.fields(EnrollmentProfile)}
    assert msgspec.json.decode(msgspec.json.encode(read_profile(FULL).document())) == FULL


def test_what_is_not_given_is_left_to_apple() -> None:
    assert read_profile({"profile_name": "Plain"}).document() == {"profile_name": "Plain"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"url": "http://mdm.example.org/"}, "https"),
        ({"configuration_web_url": "https://"}, "https"),
        ({"url": "https://["}, "https"),
        ({"is_supervised": False}, "is_supervised"),
        ({"is_supervised": None, "is_mdm_removable": True, "is_multi_user": True}, "Shared iPad"),
        ({"region": None}, "language and region"),
        ({"language": "English"}, "ISO 639"),
        ({"region": "us"}, "ISO 3166"),
        ({"anchor_certs": ["AAAA"]}, "certificate 1 of anchor_certs"),
        ({"skip_setup_items": ["Sirri"]}, "Siri is meant"),
        ({"profile_name": ""}, "profile_name"),
        ({"support_phone_number": "1" * 51}, "support_phone_number"),
        ({"colour": "red"}, "colour"),
        ({"is_mandatory": "yes"}, "is_mandatory"),
    ],
)
def test_what_apple_would_refuse_is_refused_here(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ProfileError, match=told):
        read_profile(FULL | change)


def test_a_new_pane_is_taken_where_it_is_asked_for() -> None:
    document = {"profile_name": "x", "skip_setup_items": ["NextYears"]}
    assert read_profile(document, any_skip_key=True).skip_setup_items == ("NextYears",)


def test_a_near_miss_is_recognized() -> None:
    assert nearest("appleid") == "AppleID"
    assert nearest("qqqqqqqq") == ""
