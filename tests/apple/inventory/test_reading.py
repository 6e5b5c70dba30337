"""Answers read into facts: what fits is there, and whatever a device sends, nothing breaks."""

import hashlib
from datetime import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from corral.apple.catalog.spec import KeySpec, answer_keys
from corral.apple.inventory.attributes import ATTRIBUTES, CHECK_IN, DEVICE, SECURITY
from corral.apple.inventory.facts import Facts
from corral.apple.inventory.items import ITEM_KINDS
from corral.apple.inventory.lists import MOST
from corral.apple.inventory.reading import REPORTS, read
from corral.apple.inventory.value import Kind


def facts(report: str, answer: dict[str, Any], **asked: Any) -> Facts:
    found = read(report, asked, answer)
    assert found is not None
    return found


def test_a_mac_tells_what_it_is() -> None:
    told = {"OSVersion": "15.3", "ProductName": "Mac14,2", "AvailableDeviceCapacity": 217.5, "Locales": ["en_AU"]}
    found = facts(DEVICE, {"QueryResponses": told})
    assert found.attributes == {"os_version": "15.3", "product": "Mac14,2", "capacity_free": 217.5, "platform": "macOS"}
    assert found.remarks == ()


def test_security_info_speaks_of_all_that_it_can_tell() -> None:
    told = {"FDE_Enabled": True, "FDE_PersonalRecoveryKeyCMS": b"secret", "SecureBoot": {"SecureBootLevel": "full"}}
    found = facts(SECURITY, {"SecurityInfo": told})
    assert found.attributes == {"filevault": True, "secure_boot": "full"}
    assert found.about == {each.name for each in ATTRIBUTES.values() if each.report == SECURITY}


def test_device_information_speaks_of_what_was_asked_or_told() -> None:
    found = facts(DEVICE, {"QueryResponses": {"OSVersion": "15.3"}}, Queries=["DeviceName", "OSUpdateSettings", 3])
    assert found.attributes == {"os_version": "15.3"}
    updates = {each.name for each in ATTRIBUTES.values() if each.path[:1] == ("OSUpdateSettings",)}
    assert found.about == {"os_version", "name", *updates}


def test_what_has_another_type_is_left_out_with_a_remark() -> None:
    told = {
        "OSVersion": 15,
        "DeviceName": " a\0b ",
        "IsSupervised": 1,
        "BatteryLevel": True,
        "DeviceCapacity": float("nan"),
    }
    found = facts(DEVICE, {"QueryResponses": {**told, "LastCloudBackupDate": datetime(2026, 9, 30), "HostName": ""}})
    assert found.attributes == {"name": "a\ufffdb", "cloud_backup_at": 1_790_726_400_000}
    assert {each.partition(":")[0] for each in found.remarks} == {
        "DeviceInformation OSVersion",
        "DeviceInformation IsSupervised",
        "DeviceInformation BatteryLevel",
        "DeviceInformation DeviceCapacity",
    }


def test_apps_have_the_version_that_people_see() -> None:
    several = [
        {"Identifier": "a", "ShortVersion": "1.0", "Version": "17", "BundleSize": 3, "DynamicSize": 4},
        {"Identifier": "b", "Version": "18"},
        {"Name": "Nameless"},
        {"Version": "1"},
        "none",
    ]
    found = facts("InstalledApplicationList", {"InstalledApplicationList": several})
    assert [(each.identifier, each.label) for each in found.items] == [("a", "1.0"), ("b", "18"), ("Nameless", "")]
    assert found.items[0].fields == {"identifier": "a", "version": "1.0", "build": "17"}
    assert (found.kinds, found.of, found.partly) == ({"app"}, None, False)
    assert len(found.remarks) == 2


def test_a_question_about_some_is_no_answer_about_all() -> None:
    answer = {"InstalledApplicationList": [{"Identifier": "a"}], "ProfileList": [], "CertificateList": []}
    assert facts("InstalledApplicationList", answer, Identifiers=["a", "b", 3]).of == {"a", "b"}
    assert facts("InstalledApplicationList", answer, Identifiers=[]).of is None
    assert facts("InstalledApplicationList", answer, ManagedAppsOnly=True).partly
    assert facts("ProfileList", answer, ManagedOnly=True).partly
    assert facts("CertificateList", answer, ManagedOnly=True).partly
    assert not facts("ProfileList", answer, ManagedOnly=False).partly


def test_managed_apps_are_a_dictionary() -> None:
    several = {
        "a": {"Status": "Managed", "ManagementFlags": 5, "UnusedRedemptionCode": "SECRET"},
        "b": {"Status": "Failed"},
        "c": 1,
    }
    found = facts("ManagedApplicationList", {"ManagedApplicationList": several})
    assert [(each.identifier, each.label) for each in found.items] == [("a", "Managed"), ("b", "Failed")]
    assert found.items[0].fields["removed_with_profile"] is True
    assert found.items[0].fields["backup_prevented"] is True
    assert "SECRET" not in repr(found)


def test_profiles_tell_the_types_of_their_payloads() -> None:
    payloads = [{"PayloadType": "com.apple.wifi.managed"}, {"PayloadType": "com.apple.mdm"}, {"PayloadType": 3}, 4]
    profile = {
        "PayloadIdentifier": "org.example",
        "PayloadUUID": "U",
        "PayloadDisplayName": "P",
        "PayloadContent": payloads,
    }
    (found,) = facts("ProfileList", {"ProfileList": [profile]}).items
    assert found.fields["types"] == "com.apple.mdm com.apple.wifi.managed"
    assert (found.identifier, found.label) == ("org.example", "U")


def test_restrictions_are_told_by_what_is_in_force() -> None:
    told: dict[str, object] = {
        "restrictedBool": {"allowCamera": {"value": False}},
        "restrictedValue": {"maxInactivity": {"value": 5}},
        "intersection": {"allowedApps": {"values": ["b", "a"]}},
        "union": {"none": {"values": []}, "broken": 3},
    }
    found = facts("Restrictions", {"GlobalRestrictions": told})
    assert {each.identifier: each.label for each in found.items} == {
        "allowCamera": "no",
        "maxInactivity": "5",
        "allowedApps": "b a",
        "none": "none",
    }


def test_more_items_than_are_kept_are_told() -> None:
    many = [{"UserName": f"u{n}"} for n in range(MOST + 1)]
    found = facts("UserList", {"Users": many})
    assert len(found.items) == MOST
    assert found.remarks == (f"UserList: {MOST + 1} entries, of which {MOST} are kept",)


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.just(datetime(2026, 1, 1))
)
KEYS = st.sampled_from(
    ["QueryResponses", "SecurityInfo", "Users", "GlobalRestrictions", "restrictedBool", "value", "Queries", "Data",
     *REPORTS, *(each.path[-1] for each in ATTRIBUTES.values() if each.path),
     *(field.key for kind in ITEM_KINDS.values() for field in kind.fields.values() if field.key)]
)  # fmt: skip
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)


@given(
    st.sampled_from(REPORTS), st.dictionaries(KEYS, ANYTHING, max_size=3), st.dictionaries(KEYS, ANYTHING, max_size=5)
)
@settings(max_examples=300)
def test_whatever_is_answered_nothing_breaks(report: str, asked: dict[str, Any], answer: dict[str, Any]) -> None:
    found = read(report, asked, answer)
    if found is not None:
        assert all(isinstance(value, str | bool | int | float) for value in found.attributes.values())
        assert {each.kind for each in found.items} <= found.kinds


_TYPES = {Kind.TEXT: "string", Kind.VERSION: "string", Kind.YES_NO: "boolean", Kind.TIME: "date"}


def _schema(report: str) -> dict[str, str]:
    """Dotted keys and types of an answer, of Apple's schema."""

    def walk(keys: tuple[KeySpec, ...], before: str) -> dict[str, str]:
        found = dict[str, str]()
        for each in keys:
            found[before + each.name] = each.type
            found |= walk(each.keys, f"{before}{each.name}.") if each.type == "dictionary" else {}
        return found

    return walk(answer_keys(report)[0].keys, "")


@pytest.mark.parametrize("report", [DEVICE, SECURITY])
def test_every_attribute_is_what_apples_schema_says(report: str) -> None:
    schema = _schema(report)
    for each in ATTRIBUTES.values():
        if each.report == report:
            found = schema[".".join(each.path)]
            assert found == _TYPES.get(each.kind, found), each.name
            assert each.kind is not Kind.NUMBER or found in ("integer", "real"), each.name


@pytest.mark.parametrize("kind", sorted({*ITEM_KINDS} - {"restriction"}))
def test_every_field_of_an_item_is_in_apples_schema(kind: str) -> None:
    catalog = ITEM_KINDS[kind]
    (item,) = answer_keys(catalog.report)[0].keys
    schema = {each.name: each.type for each in item.keys}
    for each in catalog.fields.values():
        if each.key:
            assert schema[each.key] == _TYPES.get(each.kind, "integer"), each.name


def test_no_secret_is_an_attribute() -> None:
    told = {each.path[-1] for each in ATTRIBUTES.values() if each.path}
    told |= {field.key for kind in ITEM_KINDS.values() for field in kind.fields.values()}
    secrets = {
        "FDE_PersonalRecoveryKeyCMS",
        "FDE_PersonalRecoveryKeyDeviceKey",
        "UnlockToken",
        "PushToken",
        "UnusedRedemptionCode",
    }
    assert not told & secrets
    assert all(each.report in (CHECK_IN, DEVICE, SECURITY) for each in ATTRIBUTES.values())


def test_a_certificate_of_no_version_that_there_is_is_listed_all_the_same() -> None:
    now = datetime(2026, 6, 1)
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, now, now).sign(key, hashes.SHA256())
    odd = made.public_bytes(Encoding.DER).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05", 1)
    found = facts("CertificateList", {"CertificateList": [{"CommonName": "c", "Data": odd}]})
    assert [each.fields["fingerprint"] for each in found.items] == [hashlib.sha256(odd).hexdigest()]
    assert found.remarks == ("CertificateList: Data that is no certificate",)
