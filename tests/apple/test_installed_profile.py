import copy
import plistlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from corral.apple.installed_profile import (
    InstalledProfile,
    ProfileError,
    check_update,
    read_enrollment_profile,
)
from corral.apple.profile import AcmeIdentity, EnrollmentFacts, ScepIdentity, enrollment_profile

IDENTITY = "9A1F2C3D-0000-4000-8000-00000000000A"
FACTS = EnrollmentFacts(
    identifier="example.enroll",
    uuid="9A1F2C3D-0000-4000-8000-000000000001",
    mdm_uuid="9A1F2C3D-0000-4000-8000-000000000002",
    organization="Example",
    display_name="Management",
    server_url="https://mdm.example/mdm",
    topic="com.apple.mgmt.External.1",
    trust_roots=(b"root",),
)
SCEP = ScepIdentity(url="http://mdm.example/scep", name="corral", ca_fingerprint=b"\x01" * 20)


def install(facts: EnrollmentFacts, identity: str = IDENTITY, challenge: str = "c") -> InstalledProfile:
    return read_enrollment_profile(enrollment_profile(facts, SCEP, challenge, identity_uuid=identity))


def test_what_we_write_a_device_installs() -> None:
    profile = install(FACTS)
    assert profile.identifier == "example.enroll"
    assert profile.identity_uuid == IDENTITY
    assert profile.topic == FACTS.topic
    assert profile.access_rights == 8191
    assert profile.capabilities == set(FACTS.capabilities)
    assert profile.sign_message
    assert profile.check_out_when_removed
    assert profile.trust_roots == (b"root",)
    assert profile.scep is not None
    assert profile.scep.url == SCEP.url
    assert profile.scep.challenge == "c"
    assert profile.scep.key_size == 2048
    assert profile.scep.key_usage == 5
    assert profile.scep.ca_fingerprint == b"\x01" * 20
    assert profile.scep.subject == (("O", "Example"), ("CN", IDENTITY))


def test_check_ins_go_to_the_server_url_unless_told_otherwise() -> None:
    assert install(FACTS).check_in_address == "https://mdm.example/mdm"
    assert install(replace(FACTS, check_in_url="https://c.example/")).check_in_address == "https://c.example/"


def test_the_challenge_is_not_shown() -> None:
    assert "S3CRET" not in repr(install(FACTS, challenge="S3CRET"))


Change = Callable[[dict[str, Any], dict[str, Any], dict[str, Any]], object]


REFUSED: list[tuple[Change, str]] = [
    (lambda top, _s, _m: top.update(PayloadType="Profile"), "PayloadType must be Configuration"),
    (lambda top, _s, _m: top.update(PayloadVersion=2), "PayloadVersion must be 1"),
    (lambda top, _s, _m: top.pop("PayloadIdentifier"), "PayloadIdentifier must be"),
    (lambda top, _s, _m: top.pop("PayloadUUID"), "PayloadUUID must be"),
    (lambda top, _s, _m: top.update(PayloadContent={}), "PayloadContent must be an array"),
    (lambda top, _s, _m: top.update(PayloadContent=["x"]), "dictionaries only"),
    (lambda top, _s, m: top["PayloadContent"].remove(m), "0 payloads of type com.apple.mdm"),
    (
        lambda top, _s, m: top["PayloadContent"].append({**m, "PayloadUUID": "other"}),
        "2 payloads of type com.apple.mdm",
    ),
    (lambda _t, s, m: s.update(PayloadUUID=m["PayloadUUID"]), "two payloads have the PayloadUUID"),
    (lambda _t, s, _m: s.pop("PayloadIdentifier"), "PayloadIdentifier must be"),
    (lambda _t, s, _m: s.update(PayloadVersion="1"), "PayloadVersion must be 1"),
    (lambda top, s, _m: top["PayloadContent"].remove(s), "identity payload beside it"),
    (lambda _t, _s, m: m.update(IdentityCertificateUUID=m["PayloadUUID"]), "identity payload beside it"),
    (lambda _t, _s, m: m.update(IdentityCertificateUUID="identity"), "form of a UUID"),
    (lambda _t, _s, m: m.pop("IdentityCertificateUUID"), "IdentityCertificateUUID must be"),
    (lambda _t, _s, m: m.pop("Topic"), "Topic must be"),
    (lambda _t, _s, m: m.update(Topic="com.example"), "Topic must begin with com.apple.mgmt."),
    (lambda _t, _s, m: m.pop("ServerURL"), "ServerURL must be"),
    (lambda _t, _s, m: m.update(ServerURL="http://x/"), "ServerURL must be an https URL"),
    (lambda _t, _s, m: m.update(ServerURL="https:///x"), "ServerURL must be an https URL"),
    (lambda _t, _s, m: m.update(ServerURL="https://x:99999/"), "ServerURL must be an https URL"),
    (lambda _t, _s, m: m.update(ServerURL="https://[x/"), "ServerURL must be an https URL"),
    (lambda _t, _s, m: m.update(CheckInURL="ftp://x/"), "CheckInURL must be an https URL"),
    (lambda _t, _s, m: m.update(AccessRights=0), "AccessRights must not be 0"),
    (lambda _t, _s, m: m.update(AccessRights=2), "AccessRights has 2, which needs 1"),
    (lambda _t, _s, m: m.update(AccessRights=128), "AccessRights has 128, which needs 64"),
    (lambda _t, _s, m: m.update(AccessRights="all"), "AccessRights must be an integer"),
    (lambda _t, _s, m: m.update(ServerCapabilities="x"), "ServerCapabilities must be an array"),
    (lambda _t, _s, m: m.update(ServerCapabilities=["x", "x"]), "without repetition"),
    (lambda _t, _s, m: m.update(EnrollmentMode="BYOD"), "EnrollmentMode must be"),
    (
        lambda _t, _s, m: m.update(EnrollmentMode="BYOD", AssignedManagedAppleID="a@b"),
        "AccessRights must be absent",
    ),
    (lambda _t, _s, m: m.update(EnrollmentMode="X", AssignedManagedAppleID="a@b"), "EnrollmentMode must be"),
    (lambda _t, s, _m: s.update(PayloadContent=b""), "SCEP payload must be a dictionary"),
    (lambda _t, s, _m: s["PayloadContent"].pop("URL"), "URL must be"),
    (lambda _t, s, _m: s["PayloadContent"].update(Keysize=512), "Keysize must be"),
    (lambda _t, s, _m: s["PayloadContent"].update({"Key Type": "EC"}), "Key Type must be RSA"),
    (lambda _t, s, _m: s["PayloadContent"].update(Subject=[["CN", "x"]]), "Subject must be"),
    (lambda _t, s, _m: s["PayloadContent"].update(Subject=["CN"]), "Subject must be"),
]


@pytest.mark.parametrize(("change", "reason"), REFUSED)
def test_a_profile_that_a_device_would_not_install_is_refused(change: Change, reason: str) -> None:
    profile = plistlib.loads(enrollment_profile(FACTS, SCEP, "c", identity_uuid=IDENTITY))
    _root, scep, mdm = profile["PayloadContent"]
    change(profile, scep, mdm)
    with pytest.raises(ProfileError, match=reason) as refusal:
        read_enrollment_profile(plistlib.dumps(profile))
    assert "\n" not in str(refusal.value)


def test_what_is_no_property_list_is_refused() -> None:
    for data in (b"", b"\x30\x82", plistlib.dumps([])):
        with pytest.raises(ProfileError):
            read_enrollment_profile(data)


def test_an_account_driven_profile_is_read() -> None:
    profile = plistlib.loads(enrollment_profile(replace(FACTS, access_rights=None), SCEP, "c", identity_uuid=IDENTITY))
    profile["PayloadContent"][-1] |= {"EnrollmentMode": "BYOD", "AssignedManagedAppleID": "a@b.example"}
    installed = read_enrollment_profile(plistlib.dumps(profile))
    assert (installed.enrollment_mode, installed.access_rights) == ("BYOD", None)


def test_a_renewal_is_accepted() -> None:
    fresh = "9A1F2C3D-0000-4000-8000-00000000000B"
    assert check_update(install(FACTS), install(FACTS, identity=fresh, challenge="new")) == []


def test_rights_and_other_capabilities_may_be_given_up() -> None:
    fewer = replace(FACTS, access_rights=3, capabilities=("com.apple.mdm.per-user-connections",))
    assert check_update(install(FACTS), install(fewer)) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"identifier": "other"}, "PayloadIdentifier of the profile"),
        ({"mdm_uuid": "9A1F2C3D-0000-4000-8000-000000000009"}, "PayloadUUID of the MDM payload"),
        ({"topic": "com.apple.mgmt.External.2"}, "Topic"),
        ({"server_url": "https://mdm.example/mdm?token=1"}, "ServerURL"),
        ({"server_url": "https://mdm.example/mdm/"}, "ServerURL"),
        ({"check_in_url": "https://mdm.example/mdm"}, "CheckInURL"),
        ({"capabilities": ()}, "per-user-connections"),
    ],
)
def test_what_must_not_change_is_refused(change: dict[str, Any], reason: str) -> None:
    reasons = check_update(install(FACTS), install(replace(FACTS, **change)))
    assert any(reason in each for each in reasons)


def test_rights_cannot_be_gained() -> None:
    some = install(replace(FACTS, access_rights=3))
    assert check_update(some, install(FACTS)) == ["AccessRights may lose rights but not gain any"]


def test_the_account_of_a_device_cannot_change() -> None:
    profile = plistlib.loads(enrollment_profile(FACTS, SCEP, "c", identity_uuid=IDENTITY))
    profile["PayloadContent"][-1] |= {"EnrollmentMode": "ADDE", "AssignedManagedAppleID": "a@b.example"}
    old = read_enrollment_profile(plistlib.dumps(profile))
    moved = copy.deepcopy(profile)
    moved["PayloadContent"][-1]["AssignedManagedAppleID"] = "c@d.example"
    reasons = check_update(old, read_enrollment_profile(plistlib.dumps(moved)))
    assert reasons == ["AssignedManagedAppleID must stay as it was installed"]


ACME = AcmeIdentity("https://mdm.example/acme/directory")


def by_acme(**changed: object) -> InstalledProfile:
    """The profile with these keys of its identity's payload changed; None takes one away."""
    profile = plistlib.loads(enrollment_profile(FACTS, ACME, "S3CRET", identity_uuid=IDENTITY))
    payload = next(each for each in profile["PayloadContent"] if each["PayloadType"] == "com.apple.security.acme")
    payload |= changed
    for name in [name for name, value in changed.items() if value is None]:
        del payload[name]
    return read_enrollment_profile(plistlib.dumps(profile))


def test_an_identity_by_acme_is_read_as_it_is_written() -> None:
    found = by_acme().acme
    assert found is not None
    assert found.directory_url == ACME.directory_url
    assert found.client_identifier == "S3CRET"
    assert (found.key_size, found.hardware_bound, found.attest) == (384, True, True)
    assert found.subject == (("O", "Example"), ("CN", IDENTITY))
    assert by_acme().scep is None
    assert "S3CRET" not in repr(found)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"HardwareBound": False}, "Attest needs HardwareBound"),
        ({"KeyType": "RSA"}, "KeyType must be"),
        ({"KeySize": 521}, "KeySize must be 256 or 384"),
        ({"KeySize": None}, "KeySize"),
        ({"DirectoryURL": "http://mdm.example/acme"}, "must be an https URL"),
        ({"ClientIdentifier": None}, "ClientIdentifier"),
        ({"Subject": None}, "Subject is missing"),
    ],
    ids=str,
)
def test_an_identity_by_acme_that_no_device_could_get_is_refused(changed: dict[str, object], why: str) -> None:
    with pytest.raises(ProfileError, match=why):
        by_acme(**changed)
