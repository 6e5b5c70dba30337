"""What was kept of a profile repeats it, also where an earlier version kept it."""

import base64
import json

import pytest

from corral.apple.profile import AcmeIdentity, EnrollmentFacts, EnrollmentMode, IdentitySource, ScepIdentity
from corral.service.kept_profile import KeptProfile, read_kept

FACTS = EnrollmentFacts(
    identifier="org.example.enrollment",
    uuid="A",
    mdm_uuid="B",
    organization="Example",
    display_name="Example: device management",
    server_url="https://mdm.example.org/mdm",
    topic="com.apple.mgmt.test",
    check_in_url="https://mdm.example.org/checkin",
    trust_roots=(b"\x00root",),
    mode=EnrollmentMode.BYOD,
    managed_account="me@example.org",
    access_rights=None,
)
SCEP = ScepIdentity("https://mdm.example.org/scep", "corral", ca_fingerprint=b"\xff" * 20)
ACME = AcmeIdentity("https://mdm.example.org/acme/directory", key_size=256, attest=False)


@pytest.mark.parametrize("source", [SCEP, ACME], ids=["scep", "acme"])
@pytest.mark.parametrize("signed", [False, True])
def test_it_comes_back_as_it_was(source: IdentitySource, signed: bool) -> None:
    kept = KeptProfile(FACTS, source, signed)
    assert read_kept(kept.encode()) == kept


def test_nothing_was_kept_of_a_device_that_was_enrolled_elsewhere() -> None:
    assert read_kept(b"") is None


def test_what_the_first_release_kept_is_still_read() -> None:
    stored = {
        "facts": {
            "identifier": "org.example.enrollment",
            "uuid": "A",
            "mdm_uuid": "B",
            "organization": "Example",
            "display_name": "Example: device management",
            "scep_url": "https://mdm.example.org/scep",
            "scep_name": "corral",
            "server_url": "https://mdm.example.org/mdm",
            "topic": "com.apple.mgmt.test",
            "check_in_url": "https://mdm.example.org/checkin",
            "ca_fingerprint": None,
            "capabilities": ["com.apple.mdm.token"],
            "access_rights": 8191,
            "sign_message": True,
            "check_out_when_removed": True,
            "key_size": 2048,
            "trust_roots": [base64.b64encode(b"\x00root").decode()],
        },
        "signed": False,
    }
    kept = read_kept(json.dumps(stored).encode())
    assert kept is not None
    assert kept.source == ScepIdentity("https://mdm.example.org/scep", "corral", 2048, None)
    assert (kept.facts.mode, kept.facts.managed_account, kept.facts.access_rights) == (None, None, 8191)
    assert (kept.facts.trust_roots, kept.facts.capabilities) == ((b"\x00root",), ("com.apple.mdm.token",))
    assert not kept.signed
