"""From an admission to a grant and a profile: asked again it is the same, and bound to whom it was made for."""

import asyncio
import plistlib
from dataclasses import replace
from typing import Any

import pytest

from corral.lifecycle.admitted import Admitted
from corral.lifecycle.change import Change
from corral.lifecycle.state import DAY, HOUR, EnrollmentKind, Grant, IdentityKind
from corral.pki import cms
from corral.service.enrollment.challenges import GrantChallenge
from service.conftest import Office
from service.fakes import NOW

MAC = Admitted(
    kind=EnrollmentKind.AUTOMATED,
    device_id="UDID-1",
    serial_number="C01",
    source="assignment:school",
    evidence="signed",
)
PERSON = Admitted(kind=EnrollmentKind.ACCOUNT_USER, account="me@example.org", source="account")


async def payloads(office: Office, grant: Grant) -> dict[str, dict[str, Any]]:
    profile, _ = cms.verify_attached(await office.enrolling.profile_for(grant))
    return {each["PayloadType"]: each for each in plistlib.loads(profile)["PayloadContent"]}


async def admitted_events(office: Office) -> list[dict[str, Any]]:
    events = await office.store.events.read(0, 1000)
    return [dict(each.event.data) for each in events if each.event.type == "enrollment.admitted"]


async def test_an_admission_is_a_grant_that_is_stored_with_its_event(office: Office) -> None:
    grant = await office.enrolling.admit(MAC, NOW + DAY)
    state = await office.store.grants.grant_state(grant.id)
    assert state is not None
    assert state.grant == grant
    assert (grant.kind, grant.device_id, grant.serial_number) == (EnrollmentKind.AUTOMATED, "UDID-1", "C01")
    assert (grant.evidence, grant.expires_at) == ("assignment:school; signed", NOW + DAY)
    (event,) = await admitted_events(office)
    assert (event["grant"], event["kind"], event["serial_number"]) == (grant.id, "automated", "C01")


async def test_the_challenge_of_its_profile_names_the_grant(office: Office) -> None:
    grant = await office.enrolling.admit(MAC, NOW + DAY)
    first, again = await payloads(office, grant), await payloads(office, grant)
    for found in (first, again):
        challenge = found["com.apple.security.scep"]["PayloadContent"]["Challenge"]
        assert office.challenges.read(challenge) == GrantChallenge(grant.id)
    assert first["com.apple.mdm"]["IdentityCertificateUUID"] != again["com.apple.mdm"]["IdentityCertificateUUID"]


async def test_a_device_that_asks_again_gets_the_grant_that_it_has_not_used(office: Office) -> None:
    grant = await office.enrolling.admit(MAC, NOW + DAY)
    for _ in range(30):
        assert await office.enrolling.admit(MAC, NOW + DAY) == grant
    assert len(await admitted_events(office)) == 1
    assert (await office.enrolling.admit(replace(MAC, device_id="UDID-2"), NOW + DAY)).id != grant.id


async def test_at_the_same_moment_too(office: Office) -> None:
    grants = await asyncio.gather(*(office.enrolling.admit(MAC, NOW + DAY) for _ in range(8)))
    assert len({each.id for each in grants}) == 1
    assert len(await admitted_events(office)) == 1


async def test_a_used_grant_is_followed_by_another(office: Office) -> None:
    seen = set[str]()
    for _ in range(20):
        grant = await office.enrolling.admit(MAC, NOW + 30 * DAY)
        assert grant.id not in seen
        seen.add(grant.id)
        await office.store.devices.commit(Change(grant=replace(grant, keys_issued=1), at=NOW))
    office.clock.now += HOUR
    assert (await office.enrolling.admit(MAC, NOW + 30 * DAY)).id not in seen


async def test_two_people_are_never_given_the_same_grant(office: Office) -> None:
    grants = [await office.enrolling.admit(PERSON, NOW + DAY) for _ in range(3)]
    assert len({each.id for each in grants}) == 3


async def test_the_profile_of_a_user_enrollment_names_the_account_and_claims_no_rights(office: Office) -> None:
    found = await payloads(office, await office.enrolling.admit(PERSON, NOW + DAY))
    mdm = found["com.apple.mdm"]
    assert (mdm["EnrollmentMode"], mdm["AssignedManagedAppleID"]) == ("BYOD", "me@example.org")
    assert "AccessRights" not in mdm


async def test_an_identity_by_acme_names_the_grant_too(office: Office) -> None:
    grant = await office.enrolling.admit(replace(MAC, identity=IdentityKind.ACME), NOW + DAY)
    acme = (await payloads(office, grant))["com.apple.security.acme"]
    assert office.challenges.read(acme["ClientIdentifier"]) == GrantChallenge(grant.id)
    assert acme["DirectoryURL"] == "https://mdm.example.org/acme/directory"


@pytest.mark.parametrize("kind", sorted(EnrollmentKind))
async def test_every_way_has_a_profile(office: Office, kind: EnrollmentKind) -> None:
    grant = await office.enrolling.admit(replace(MAC, kind=kind, account="me@example.org"), NOW + DAY)
    assert "com.apple.mdm" in await payloads(office, grant)
