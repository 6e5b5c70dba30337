"""By which way a device that is admitted gets its certificate."""

from dataclasses import replace

import pytest

from contract import values as v
from corral.apple.installed_profile import read_enrollment_profile
from corral.apple.platform import platform_of
from corral.lifecycle.applicant import Applicant
from corral.lifecycle.policy import Attestation
from corral.lifecycle.state import DAY, EnrollmentKind, IdentityKind
from corral.pki import cms
from corral.service.ade.assignments import Assignment
from corral.service.enrollment.admitting import Admitting
from corral.service.enrollment.policies import Policies
from service.conftest import Office
from service.fakes import NOW

ABLE = ("iPhone15,2", "18.2")
UNABLE = [("iPad7,11", "17.6.1"), ("MacBookPro16,1", "15.2"), ("Mac14,2", "13.7.1")]


class Nobody:
    async def find(self, serial_number: str) -> Assignment | None:
        del serial_number
        return None


def admitting(office: Office, identity: IdentityKind, attestation: Attestation) -> Admitting:
    store = office.store
    policies = Policies(store.vault, office.clock)
    return Admitting(
        office.enrolling, policies, Nobody(), store.directory, store.events, office.clock, identity, attestation
    )


async def way(
    office: Office,
    device: tuple[str, str],
    identity: IdentityKind = IdentityKind.ACME,
    attestation: Attestation = Attestation.WANTED,
    link: IdentityKind | None = None,
) -> IdentityKind:
    """Of the profile that a device gets that comes over the air, by a link."""
    product, system = device
    applicant = Applicant(
        kind=EnrollmentKind.OVER_THE_AIR,
        udid="UDID-1",
        serial_number="S1",
        product=product,
        platform=platform_of(product),
        os_version=system,
    )
    made = replace(v.link(uses=None), identity=link, expires_at=NOW + DAY)
    profile = await admitting(office, identity, attestation).enroll(applicant, link=made)
    assert isinstance(profile, bytes)
    found = read_enrollment_profile(cms.verify_attached(profile)[0])
    return IdentityKind.ACME if found.acme is not None else IdentityKind.SCEP


async def test_devices_that_can_attest_get_acme_where_the_settings_say_so(office: Office) -> None:
    assert await way(office, ABLE) is IdentityKind.ACME
    assert await way(office, ABLE, IdentityKind.SCEP) is IdentityKind.SCEP


@pytest.mark.parametrize("device", UNABLE)
async def test_devices_that_cannot_get_scep_unless_all_have_to(office: Office, device: tuple[str, str]) -> None:
    assert await way(office, device) is IdentityKind.SCEP
    assert await way(office, device, attestation=Attestation.REQUIRED) is IdentityKind.ACME


async def test_a_link_has_a_way_of_its_own(office: Office) -> None:
    assert await way(office, ABLE, IdentityKind.SCEP, link=IdentityKind.ACME) is IdentityKind.ACME
    assert await way(office, ABLE, IdentityKind.ACME, link=IdentityKind.SCEP) is IdentityKind.SCEP
    assert await way(office, UNABLE[0], IdentityKind.SCEP, link=IdentityKind.ACME) is IdentityKind.SCEP
