import plistlib
from dataclasses import replace
from typing import Any

import pytest

from corral.apple.catalog import payload_spec
from corral.apple.profile import (
    AcmeIdentity,
    EnrollmentFacts,
    EnrollmentMode,
    ScepIdentity,
    enclosed,
    enrollment_profile,
    identity_profile,
    profile_service,
)

FIRST = "9A1F2C3D-0000-4000-8000-00000000000A"
SECOND = "9A1F2C3D-0000-4000-8000-00000000000B"
FACTS = EnrollmentFacts(
    identifier="example.enroll",
    uuid="9A1F2C3D-0000-4000-8000-000000000001",
    mdm_uuid="9A1F2C3D-0000-4000-8000-000000000002",
    organization="Example & Co",
    display_name="Management",
    server_url="https://mdm.example:8443/mdm?x=1",
    check_in_url="https://mdm.example:8443/checkin",
    topic="com.apple.mgmt.External.1",
    trust_roots=(b"root one", b"root two"),
)
SCEP = ScepIdentity(url="https://mdm.example/scep", name="corral", ca_fingerprint=b"\x01" * 32)
ACME = AcmeIdentity("https://mdm.example/acme/directory")


def payloads(data: bytes) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for payload in plistlib.loads(data)["PayloadContent"]:
        found.setdefault(payload["PayloadType"], []).append(payload)
    return found


def test_the_profile_holds_what_enrolling_takes_and_nothing_else() -> None:
    data = enrollment_profile(FACTS, SCEP, "challenge", identity_uuid=FIRST)
    found = payloads(data)
    assert list(found) == ["com.apple.security.root", "com.apple.security.scep", "com.apple.mdm"]
    assert [root["PayloadContent"] for root in found["com.apple.security.root"]] == [b"root one", b"root two"]
    (mdm,) = found["com.apple.mdm"]
    assert mdm == {
        "PayloadType": "com.apple.mdm",
        "PayloadVersion": 1,
        "PayloadIdentifier": "example.enroll.mdm",
        "PayloadUUID": FACTS.mdm_uuid,
        "IdentityCertificateUUID": FIRST,
        "Topic": "com.apple.mgmt.External.1",
        "ServerURL": "https://mdm.example:8443/mdm?x=1",
        "CheckInURL": "https://mdm.example:8443/checkin",
        "AccessRights": 8191,
        "SignMessage": True,
        "CheckOutWhenRemoved": True,
        "ServerCapabilities": [
            "com.apple.mdm.per-user-connections",
            "com.apple.mdm.bootstraptoken",
            "com.apple.mdm.token",
        ],
    }
    (scep,) = found["com.apple.security.scep"]
    assert scep["PayloadUUID"] == FIRST
    assert scep["PayloadContent"] == {
        "URL": "https://mdm.example/scep",
        "Name": "corral",
        "Subject": [[["O", "Example & Co"]], [["CN", FIRST]]],
        "Challenge": "challenge",
        "Keysize": 2048,
        "Key Type": "RSA",
        "Key Usage": 5,
        "KeyIsExtractable": False,
        "CAFingerprint": b"\x01" * 32,
    }


def test_a_renewal_differs_in_the_identity_only() -> None:
    before = plistlib.loads(enrollment_profile(FACTS, SCEP, "one", identity_uuid=FIRST))
    after = plistlib.loads(enrollment_profile(FACTS, SCEP, "two", identity_uuid=SECOND))
    assert before != after
    *_, scep, mdm = after["PayloadContent"]
    scep["PayloadUUID"] = mdm["IdentityCertificateUUID"] = FIRST
    scep["PayloadContent"] |= {"Challenge": "one", "Subject": [[["O", "Example & Co"]], [["CN", FIRST]]]}
    assert before == after


def test_identifiers_within_a_profile_are_unique() -> None:
    profile = plistlib.loads(enrollment_profile(FACTS, SCEP, "c", identity_uuid=FIRST))
    every = [profile, *profile["PayloadContent"]]
    for key in ("PayloadIdentifier", "PayloadUUID"):
        assert len({each[key] for each in every}) == len(every)


def test_what_is_not_set_is_left_out() -> None:
    bare = replace(FACTS, check_in_url=None, access_rights=None, capabilities=(), trust_roots=())
    found = payloads(enrollment_profile(bare, replace(SCEP, ca_fingerprint=None), "c", identity_uuid=FIRST))
    assert not {"CheckInURL", "AccessRights", "ServerCapabilities"} & found["com.apple.mdm"][0].keys()
    assert "CAFingerprint" not in found["com.apple.security.scep"][0]["PayloadContent"]
    assert "com.apple.security.root" not in found


def test_an_identity_by_acme_is_attested_and_bound_to_the_hardware() -> None:
    found = payloads(enrollment_profile(FACTS, ACME, "client", identity_uuid=FIRST))
    assert "com.apple.security.scep" not in found
    (acme,) = found["com.apple.security.acme"]
    assert acme == {
        "PayloadType": "com.apple.security.acme",
        "PayloadVersion": 1,
        "PayloadIdentifier": "example.enroll.identity",
        "PayloadUUID": FIRST,
        "DirectoryURL": "https://mdm.example/acme/directory",
        "ClientIdentifier": "client",
        "KeyType": "ECSECPrimeRandom",
        "KeySize": 384,
        "HardwareBound": True,
        "Attest": True,
        "Subject": [[["O", "Example & Co"]], [["CN", FIRST]]],
        "UsageFlags": 1,
        "KeyIsExtractable": False,
    }
    assert found["com.apple.mdm"][0]["IdentityCertificateUUID"] == FIRST


def test_an_enrollment_by_account_says_which_and_by_whom() -> None:
    personal = replace(FACTS, mode=EnrollmentMode.BYOD, managed_account="me@example.org", access_rights=None)
    (mdm,) = payloads(enrollment_profile(personal, SCEP, "c", identity_uuid=FIRST))["com.apple.mdm"]
    assert (mdm["EnrollmentMode"], mdm["AssignedManagedAppleID"]) == ("BYOD", "me@example.org")
    assert "AccessRights" not in mdm


@pytest.mark.parametrize("source", [SCEP, ACME], ids=["scep", "acme"])
def test_every_key_is_one_that_apple_documents(source: ScepIdentity | AcmeIdentity) -> None:
    common = payload_spec("CommonPayloadKeys")
    assert common is not None
    by_account = replace(FACTS, mode=EnrollmentMode.ADDE, managed_account="me@example.org")
    profile = plistlib.loads(enrollment_profile(by_account, source, "c", identity_uuid=FIRST))
    top = payload_spec("TopLevel")
    assert top is not None
    assert profile.keys() <= {key.name for key in (*top.keys, *common.keys)} | {"PayloadContent"}
    for payload in profile["PayloadContent"]:
        spec = payload_spec(payload["PayloadType"])
        assert spec is not None
        assert payload.keys() <= {key.name for key in (*spec.keys, *common.keys)}
        assert {key.name for key in spec.keys if key.required} <= payload.keys()


def test_an_enclosed_profile_shows_whose_it_is_and_nothing_of_what_is_in_it() -> None:
    plain = enrollment_profile(FACTS, SCEP, "a secret", identity_uuid=FIRST)
    content: list[bytes] = []

    def enclose(data: bytes) -> bytes:
        content.append(data)
        return b"sealed"

    whole, outside = plistlib.loads(plain), plistlib.loads(enclosed(plain, enclose))
    assert plistlib.loads(content[0]) == whole.pop("PayloadContent")
    assert outside == {**whole, "IsEncrypted": True, "EncryptedPayloadContent": b"sealed"}


def test_an_identity_alone_replaces_nothing_that_the_enrollment_profile_brings() -> None:
    alone = identity_profile(FACTS, SCEP, "challenge", identity_uuid=SECOND)
    assert list(payloads(alone)) == ["com.apple.security.root", "com.apple.security.scep"]
    whole = enrollment_profile(FACTS, SCEP, "challenge", identity_uuid=FIRST)
    names = [
        {each[key] for each in _all(data)} for data in (alone, whole) for key in ("PayloadUUID", "PayloadIdentifier")
    ]
    assert not names[0] & names[2]
    assert not names[1] & names[3]


def _all(data: bytes) -> list[dict[str, Any]]:
    whole = plistlib.loads(data)
    return [whole, *whole["PayloadContent"]]


def test_the_first_profile_of_an_enrollment_over_the_air_asks_who_the_device_is() -> None:
    asked = plistlib.loads(
        profile_service(
            url="https://mdm.example/x",
            challenge="c",
            identifier="example.ota",
            payload_uuid=FIRST,
            display_name="D",
            organization="O",
        )
    )
    assert (asked["PayloadType"], asked["PayloadVersion"]) == ("Profile Service", 1)
    content = asked["PayloadContent"]
    assert (content["URL"], content["Challenge"]) == ("https://mdm.example/x", "c")
    assert {"UDID", "SERIAL", "PRODUCT", "VERSION"} <= set(content["DeviceAttributes"])
