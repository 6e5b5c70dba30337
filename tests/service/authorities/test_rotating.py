"""The certificate authority is rolled over: a successor, the devices that move to it, and the end of the old one."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from contract import values as v
from corral.apple.installed_profile import read_enrollment_profile
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.state import DAY, Connection
from corral.pki import cms
from corral.pki.authority import Authority
from corral.service.authorities.authorities import LEAD, Authorities, AuthorityFile, Roster
from corral.service.authorities.rotating import Rotating, Standing
from corral.service.enrollment.challenges import EnrollChallenge
from corral.service.errors import NotFound, RequestRefused
from corral.service.kept_profile import read_kept
from service.conftest import Office


@pytest.fixture
async def rotating(office: Office, authority: Authority) -> Rotating:
    await office.store.vault.put_secret("authority.certificate", authority.certificate_pem())
    await office.store.vault.put_secret("authority.key", authority.key_pem())
    return of(office, office.authorities)


def of(office: Office, authorities: Authorities) -> Rotating:
    """As another process has it, with what that knows."""
    store = office.store
    return Rotating(
        authorities,
        AuthorityFile(store.vault),
        store.directory,
        store.work,
        store.ade,
        office.clock,
        organization="Example",
        own_tls=True,
    )


async def enrolled(office: Office, number: int, **fields: Any) -> Connection:
    """A connected device whose profile is given out now, and whose certificate is issued now."""
    kept = await office.enrolling.kept(EnrollChallenge("link", "grant"))
    plain = v.enrolled(number)
    issued = {"issuer": office.authorities.current.id, "heard_at": office.clock.now, **fields}
    certificate = replace(plain.certificates[0], **issued)
    life = replace(plain.connections[0], profile=kept)
    await office.store.devices.commit(replace(plain, connections=(life,), certificates=(certificate,)))
    return life


async def standing(rotating: Rotating, authority_id: str) -> Standing:
    (found,) = [each for each in await rotating.standing() if each.held.id == authority_id]
    return found


async def test_there_is_one_authority_which_devices_of_before_depend_on(
    office: Office, rotating: Rotating, authority: Authority
) -> None:
    await enrolled(office, 1)
    await enrolled(office, 2, issuer="")
    (only,) = await rotating.standing()
    assert (only.held.id, only.state, only.identities, only.profiles) == (authority.id, "issuing", 2, 2)


async def test_a_new_one_is_believed_before_it_issues(office: Office, rotating: Rotating, authority: Authority) -> None:
    new = await rotating.rotate(30 * DAY, "a test")
    assert new.authority.certificate.subject.rfc4514_string() == "CN=Example Device Authority 2"
    assert office.authorities.roots == (authority.der, new.authority.der)
    assert office.authorities.current.id == authority.id
    assert [each.state for each in await rotating.standing()] == ["coming", "issuing"]
    with pytest.raises(OperationRefused, match="made just now"):
        await rotating.rotate(DAY, "a test")
    office.clock.now += LEAD
    assert office.authorities.current.id == new.id
    assert [each.state for each in await rotating.standing()] == ["issuing", "believed"]
    assert office.authorities.roster.anchor.id == authority.id


async def test_another_process_takes_it_with_its_next_look(
    office: Office, rotating: Rotating, authority: Authority
) -> None:
    heard: list[str] = []
    elsewhere = Authorities(Roster.of(authority), office.clock)
    elsewhere.on_change(lambda: heard.append(elsewhere.roster.trusted[-1].id))
    other = of(office, elsewhere)
    await other.refresh()
    assert heard == []
    new = await rotating.rotate(30 * DAY, "a test")
    await other.refresh()
    await other.refresh()
    assert heard == [new.id]
    assert elsewhere.roster == office.authorities.roster
    assert elsewhere.roster.trusted[-1].authority.key_pem() == new.authority.key_pem()


async def test_profiles_trust_both_and_new_ones_come_from_the_new_one(office: Office, rotating: Rotating) -> None:
    old = office.authorities.current
    before = read_kept(await office.enrolling.keep(signed=True))
    new = await rotating.rotate(30 * DAY, "a test")
    office.clock.now += LEAD
    after = read_kept(await office.enrolling.keep(signed=True))
    assert before is not None
    assert after is not None
    assert (before.facts.trust_roots, before.signer) == ((old.der,), old.id)
    assert (after.facts.trust_roots, after.signer) == ((old.der, new.authority.der), new.id)
    assert before.source != after.source


async def test_a_renewal_is_signed_by_who_signed_the_first_profile_and_brings_the_new_authority(
    office: Office, rotating: Rotating, authority: Authority
) -> None:
    life = await enrolled(office, 1)
    new = await rotating.rotate(30 * DAY, "a test")
    office.clock.now += LEAD
    await rotating.retire(authority.id, force=True, by="a test")
    grant = v.grant("R1", life.id, profile=office.enrolling.renewed(life))
    content, signature = cms.verify_attached(office.enrolling.renewal_profile(grant))
    assert signature.certificate == authority.der
    assert read_enrollment_profile(content).trust_roots == (new.authority.der,)
    kept = read_kept(grant.profile)
    assert kept is not None
    assert kept.signer == authority.id


async def test_one_that_devices_depend_on_is_not_retired(
    office: Office, rotating: Rotating, authority: Authority
) -> None:
    await enrolled(office, 1)
    await enrolled(office, 2)
    new = await rotating.rotate(30 * DAY, "a test")
    office.clock.now += LEAD
    with pytest.raises(OperationRefused, match=f"certificate of {authority.id}: 2; .* by {authority.id} alone: 2"):
        await rotating.retire(authority.id, force=False, by="a test")
    assert office.authorities.roster.trusted[0].id == authority.id
    await rotating.retire(authority.id, force=True, by="a test")
    assert office.authorities.roots == (new.authority.der,)
    assert (await standing(rotating, authority.id)).state == "retired"
    event = (await office.store.events.read(0, 100))[-1].event
    assert (event.type, event.data["authority"], event.data["by"]) == ("authority.retired", authority.id, "a test")
    assert len(event.data["dependent"]) == 2


async def test_one_that_nobody_depends_on_is_retired_without_force(
    office: Office, rotating: Rotating, authority: Authority
) -> None:
    await rotating.rotate(30 * DAY, "a test")
    office.clock.now += LEAD
    await enrolled(office, 1)
    await rotating.retire(authority.id, force=False, by="a test")
    with pytest.raises(OperationRefused, match="retired already"):
        await rotating.retire(authority.id, force=False, by="a test")


async def test_a_device_that_came_by_an_older_profile_knows_the_service_by_the_old_one_alone(
    office: Office, rotating: Rotating, authority: Authority
) -> None:
    life = await enrolled(office, 1)
    new = await rotating.rotate(30 * DAY, "a test")
    office.clock.now += LEAD
    snapshot = await office.store.devices.load_connection(life.id, 0)
    assert snapshot.device is not None
    late = v.certificate("late", life.id, device_id="D1", issuer=new.id, heard_at=office.clock.now)
    gone = v.certificate("cert 1", life.id, device_id="D1", status="revoked")
    change = v.enrolled(1)
    await office.store.devices.commit(
        replace(change, expects=snapshot.device.version, connections=(), channels=(), certificates=(late, gone))
    )
    found = await standing(rotating, authority.id)
    assert (found.identities, found.only_root) == (0, 1)
    with pytest.raises(OperationRefused, match="alone: 1"):
        await rotating.retire(authority.id, force=False, by="a test")


async def test_the_one_that_issues_is_never_retired(office: Office, rotating: Rotating, authority: Authority) -> None:
    with pytest.raises(OperationRefused, match="newest"):
        await rotating.retire(authority.id, force=True, by="a test")
    new = await rotating.rotate(30 * DAY, "a test")
    with pytest.raises(OperationRefused, match="newest"):
        await rotating.retire(authority.id, force=True, by="a test")
    office.clock.now += LEAD
    with pytest.raises(OperationRefused, match="newest"):
        await rotating.retire(new.id, force=True, by="a test")
    for unknown in ("", "0" * 16):
        with pytest.raises(NotFound):
            await rotating.retire(unknown, force=True, by="a test")


async def test_profiles_in_setup_assistant_that_name_the_old_one_alone_are_in_the_way(
    office: Office, rotating: Rotating, authority: Authority
) -> None:
    anchors = [base64.b64encode(authority.der).decode()]
    await office.store.ade.put_server(v.ade_server())
    await office.store.ade.put_profile(v.ade_profile(document=json.dumps({"anchor_certs": anchors})))
    await rotating.rotate(30 * DAY, "a test")
    office.clock.now += LEAD
    with pytest.raises(OperationRefused, match="profile standard of server first"):
        await rotating.retire(authority.id, force=False, by="a test")


async def test_only_one_changes_the_authorities_at_a_time(office: Office, rotating: Rotating) -> None:
    await office.store.work.add("authority", ["all"], office.clock.now)
    held = await office.store.work.lease("authority", office.clock.now, office.clock.now + 1000, 1)
    with pytest.raises(OperationRefused, match="somebody else"):
        await rotating.rotate(DAY, "a test")
    assert len(office.authorities.roster.held) == 1
    await office.store.work.finish(held)
    await rotating.rotate(DAY, "a test")
    assert await office.store.work.next_due("authority") is None


async def test_a_move_takes_ten_years_at_most(rotating: Rotating) -> None:
    with pytest.raises(RequestRefused, match="3650"):
        await rotating.rotate(3651 * DAY, "a test")
