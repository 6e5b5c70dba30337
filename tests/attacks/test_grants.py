"""What once let a device in, shown again when its time is over."""

import asyncio
from dataclasses import replace

import pytest

from attacks.scene import CLONE, UNKNOWN, Scene, refused
from attacks.scep_by_hand import ScepByHand, csr, wanted
from corral.apple.plist import parse_dict
from corral.pki import scep
from corral.pki.scep import FailInfo
from corral.simulator import life_events
from corral.simulator.device import Device
from corral.simulator.facts import Model
from corral.simulator.fetching import InstallationFailed, fetch_profile
from corral.simulator.world import State
from e2e.conftest import Start
from e2e.installation import Installation, until
from e2e.messages import authenticate, check_in, draft, enrollment_of, report, update_token
from e2e.wire import being_pushed

NO = scep.Refused(FailInfo.BAD_REQUEST)
ISSUED = {"certificate", "enroll_grant"}


async def renewal_profile(at: Installation, device: Device) -> bytes:
    """What the service sends for a renewal, taken from its queue and not installed."""
    await at.post(f"/devices/{device.facts.udid}/renew")
    command = parse_dict((await report(device)).body)["Command"]
    assert isinstance(command, dict)
    profile = command["Payload"]
    assert isinstance(profile, bytes)
    return profile


async def leaves(scene: Scene, device: Device) -> None:
    """Its person removes the profile, when all pushes to it are through: Apple would answer those after that."""
    await until(lambda: not being_pushed(scene.at))
    await device.leave()


async def test_an_enrollment_profile_of_an_ended_life_lets_nobody_in_again(scene: Scene) -> None:
    """The person kept the file, removed the profile, and installs it again."""
    device = scene.at.device()
    kept = await fetch_profile(device.voice, await scene.at.link(), scene.at.trust)
    await device.enroll(kept)
    former = enrollment_of(device)
    await leaves(scene, device)
    async with scene.unharmed("connection.refused", perhaps=["certificate.refused"]):
        with pytest.raises(InstallationFailed, match="the authority refuses: BAD_REQUEST"):
            await device.enroll(kept)
        why = "Not admitted: this enrollment has already been used."
        refused(await authenticate(device, former), 403, why)


async def test_a_certificate_of_an_ended_life_is_a_backup_and_gets_nothing_of_that_life(scene: Scene) -> None:
    """Checked out, it polls on: what was queued is dropped, what was escrowed is not given out."""
    device = await scene.another(Model.MAC, "15.2", bootstrap_token=True)
    sent = await scene.at.send(device, "ProfileList")
    await leaves(scene, device)
    old = enrollment_of(device)
    async with scene.unharmed("connection.still-here"):
        answer = await report(device, enrollment=old)
        assert (answer.status, answer.body) == (200, b"")
        for kind in ("GetBootstrapToken", "ReturnToService", "SetBootstrapToken"):
            refused(await check_in(device, kind, old), 400, "This connection is over; enroll the device again.")
    assert (await scene.at.outcome(sent))["delivery"]["state"] == "dropped"


async def test_a_life_that_a_person_ended_does_not_come_back_by_a_backup_of_an_earlier_one(scene: Scene) -> None:
    """Enrolled twice, and ended by the organization: the certificate of the first time is no way back."""
    device = await scene.another()
    backup = enrollment_of(device)
    await leaves(scene, device)
    await device.enroll(await scene.at.link())
    await scene.at.post(f"/devices/{device.facts.udid}/end", deadline_in=3600)
    await device.poll()
    assert device.state is State.LEFT, "RemoveProfile was obeyed"
    why = "Not restored: a later connection of this device was ended by the organization."
    async with scene.unharmed("connection.restore-refused", "connection.refused"):
        refused(await update_token(device, backup), 403, why)
        assert (await authenticate(device, backup)).status == 403


async def test_a_renewal_is_no_enrollment_of_another_device(scene: Scene) -> None:
    """The profile of a renewal, taken from the device that it was for and installed on another."""
    device, thief = await scene.another(), scene.at.device()
    stolen = await renewal_profile(scene.at, device)
    issued = ("certificate.issued", "connection.clone-refused")
    async with scene.unharmed(*issued, changes=ISSUED):
        with pytest.raises(InstallationFailed, match=f"403: {CLONE}"):
            await thief.enroll(stolen)
    assert (await report(device)).status == 200


async def test_a_renewal_that_is_through_certifies_no_other_key(scene: Scene) -> None:
    device = await scene.another()
    kept = await renewal_profile(scene.at, device)
    await device.poll()
    assert [each["phase"] for each in await scene.at.lives(device)] == ["connected"]
    key = await device.world.keys.take()
    async with scene.unharmed(perhaps=["certificate.refused"]):
        assert await ScepByHand(scene.at, key).ask(csr(key, wanted(kept).challenge)) == NO


async def test_a_renewal_of_a_connection_that_ended_certifies_nobody(scene: Scene) -> None:
    device = await scene.another()
    kept = await renewal_profile(scene.at, device)
    await leaves(scene, device)
    key = await device.world.keys.take()
    async with scene.unharmed(perhaps=["certificate.refused"]):
        assert await ScepByHand(scene.at, key).ask(csr(key, wanted(kept).challenge)) == NO


async def test_the_certificate_of_a_renewal_ends_with_the_connection_that_it_renews(scene: Scene) -> None:
    """Got in time, and shown when its connection is over: it begins no other."""
    device = await scene.another()
    fresh = await draft(device, await renewal_profile(scene.at, device))
    await leaves(scene, device)
    async with scene.unharmed("connection.refused", perhaps=["connection.still-here"]):
        why = "Not admitted: the certificate renews a connection that is over."
        refused(await authenticate(device, fresh), 403, why)
        assert (await report(device, enrollment=fresh)).body == b""


async def test_a_key_that_a_renewal_has_replaced_gets_no_command(scene: Scene) -> None:
    """Whoever has copied the old key polls with it; the device itself goes on with the new one."""
    device = await scene.another()
    old = enrollment_of(device)
    await scene.at.post(f"/devices/{device.facts.udid}/renew")
    await device.poll()
    sent = await scene.at.send(device, "ProfileList")
    async with scene.unharmed("connection.old-certificate-heard"):
        answer = await report(device, enrollment=old)
        assert (answer.status, answer.body) == (200, b"")
        for kind in ("GetBootstrapToken", "ReturnToService"):
            refused(await check_in(device, kind, old), 400, UNKNOWN)
    assert (await scene.at.outcome(sent))["delivery"]["state"] == "open"
    await device.poll()
    assert (await scene.at.outcome(sent))["delivery"]["state"] == "acknowledged"


@pytest.mark.parametrize("system", ["16.7.10", "18.2"])
async def test_a_blocked_device_does_not_come_back_by_a_backup(scene: Scene, system: str) -> None:
    """Nor by a fresh link: it is told to leave, and that is the only attack here that is answered so."""
    device = await scene.another(system=system)
    backup = enrollment_of(device)
    await leaves(scene, device)
    await scene.at.post(f"/devices/{device.facts.udid}/block")
    link = await scene.at.link()
    told = ("connection.unenroll-answered", "certificate.issued")
    async with scene.unharmed(*told, changes={*ISSUED, "unenrolling", "device"}):
        await life_events.restore_backup(device, backup)
        assert device.state is State.UNENROLLED
        assert device.why == ("401" if system == "16.7.10" else "403 com.apple.unrecognized.device")
        with pytest.raises(InstallationFailed, match="refuses the Authenticate"):
            await device.enroll(link)
    assert [each["phase"] for each in await scene.at.lives(device)] == ["ended"]


async def test_a_restore_is_refused_to_whom_the_operator_refuses_it_for_good(start: Start) -> None:
    """`on_restore = refuse`: the device leaves, and its certificate is no way back, however often it is shown."""
    scene = await Scene.of(await start({"CORRAL_ON_RESTORE": "refuse"}))
    device = await scene.another()
    backup = enrollment_of(device)
    await leaves(scene, device)
    told = ("connection.unenroll-answered", "connection.restore-refused")
    async with scene.unharmed(*told, changes={"unenrolling", "device", "connection"}):
        for _ in range(2):
            await life_events.restore_backup(device, backup)
            assert device.state is State.UNENROLLED
    assert [each["phase"] for each in await scene.at.lives(device)] == ["ended"]


async def test_of_two_devices_that_come_with_one_certificate_at_once_one_is_let_in(scene: Scene) -> None:
    """Not even in the same moment."""
    first, second = scene.at.device(), scene.at.device()
    shared = await draft(first, await scene.at.link())
    other = replace(shared, device=shared.device.renamed(second.facts.udid))
    told = ("connection.authenticated", "connection.clone-refused")
    async with scene.unharmed(*told, changes={"connection", "device", "certificate", "enroll_grant"}):
        answers = await asyncio.gather(authenticate(first, shared), authenticate(second, other))
        assert sorted(each.status for each in answers) == [200, 403]
