"""How a connection ends: by the device, by a person, by an erasure; and never by accident."""

import pytest

from corral.apple.plist import parse_dict
from corral.simulator.behaviour import Removal, User
from corral.simulator.device import Device, State
from corral.simulator.facts import Model
from e2e.conftest import DATABASES, Start, over_each
from e2e.installation import Installation, until
from e2e.messages import (
    authenticate,
    check_in,
    draft,
    is_document,
    report,
    update_token,
)

corral = pytest.fixture(params=DATABASES)(over_each)

ADA = User("ada", "Ada Lovelace", "0B5A9C0E-9F3B-4B64-8C6E-0C6E3F6D1A01")


async def end(at: Installation, device: Device, **deadline: object) -> None:
    await at.post(f"/devices/{device.facts.udid}/end", **deadline)


async def test_an_obedient_device_is_pushed_removes_the_profile_and_checks_out(corral: Installation) -> None:
    device = await corral.enrolled(quiet=False)
    device.go_offline()
    waiting = await corral.send(device, "ProfileList", force=True)
    await end(corral, device)
    assert (await corral.life(device))["phase"] == "ending"
    device.go_online()
    await until(lambda: device.state is State.LEFT)
    await device.settle()
    life = await corral.life(device)
    assert (life["phase"], life["end_reason"], life["proof"]) == ("ended", "removed", "RemoveProfile acknowledged")
    assert life["ending_by"] == "local administrator"
    assert (await corral.outcome(waiting))["delivery"]["state"] == "dropped", "RemoveProfile goes first"
    assert device.complaints == []


async def test_a_check_out_alone_proves_the_removal(corral: Installation) -> None:
    device = await corral.enrolled()
    await end(corral, device)
    await device.leave()
    life = await corral.life(device)
    assert (life["end_reason"], life["proof"]) == ("removed", "CheckOut")


async def test_a_device_that_cannot_remove_the_profile_is_told_to_leave(corral: Installation) -> None:
    device = await corral.enrolled(removal=Removal.ANSWER_ERROR)
    await end(corral, device)
    await device.poll()
    assert device.state is State.ENROLLED
    await device.poll()
    assert device.state is State.UNENROLLED
    life = await corral.life(device)
    assert (life["end_reason"], life["proof"]) == ("unenrolled", "answered 403")
    assert "connection.removal-failed" in await corral.kinds(device)


async def test_a_stubborn_device_is_told_to_leave_until_it_obeys(corral: Installation) -> None:
    device = await corral.enrolled(os_version="16.7.10", ignored_unenrollments=3)
    await end(corral, device, deadline_in=0)
    for _ in range(3):
        await device.poll()
        assert device.state is State.ENROLLED
    assert (await check_in(device, "GetBootstrapToken")).status == 401
    assert (await update_token(device)).status == 401
    await device.poll()
    assert (device.state, device.why) == (State.UNENROLLED, "401")
    assert (await corral.life(device))["proof"] == "answered 401"
    await device.enroll(await corral.link())
    assert (await corral.life(device))["phase"] == "connected", "ended is not blocked"


async def test_a_deadline_may_come_nearer_and_passes_by_itself(corral: Installation) -> None:
    device = await corral.enrolled(removal=Removal.ACKNOWLEDGE_ONLY)
    await end(corral, device, deadline_in=3600)
    command = parse_dict((await report(device)).body)["Command"]
    assert isinstance(command, dict)
    assert command["RequestType"] == "RemoveProfile"
    await end(corral, device, deadline_in=0)
    assert is_document(await report(device))


async def test_a_device_checks_out_when_its_user_removes_the_profile(corral: Installation) -> None:
    mac = await corral.enrolled(Model.MAC, "15.2", user=ADA)
    queued = [await corral.send(mac, "ProfileList"), await corral.send(mac, "ProfileList", user=ADA.guid)]
    await mac.leave()
    life = await corral.life(mac)
    assert (life["phase"], life["end_reason"], life["proof"]) == ("ended", "checked-out", "CheckOut")
    shown = await corral.get(f"/devices/{mac.facts.udid}")
    assert all(channel["ended_at"] for channel in shown["channels"])
    assert [(await corral.outcome(uuid))["delivery"]["state"] for uuid in queued] == ["dropped", "dropped"]
    refused = await corral.api.post("/commands", json={"devices": [mac.facts.udid], "request_type": "ProfileList"})
    assert refused.json()["queued"] == 0


async def test_silence_ends_nothing(start: Start) -> None:
    at = await start(plain=True)
    device = await at.enrolled()
    await at.restart(days_ahead=360)
    assert (await at.life(device))["phase"] == "connected"
    assert (await report(device)).status == 200


async def test_an_erased_device_is_gone_when_it_enrolls_again(corral: Installation) -> None:
    device = await corral.enrolled()
    await corral.send(device, "EraseDevice")
    await device.poll()
    assert device.state is State.ERASED
    erasing = await corral.life(device)
    assert (erasing["phase"], bool(erasing["erasing_since"])) == ("connected", True), "an erasure may still fail"
    await device.enroll(await corral.link())
    new, old = await corral.lives(device)
    assert (old["id"], old["end_reason"]) == (erasing["id"], "erased")
    assert (new["phase"], new["erasing_since"]) == ("connected", None)


async def test_an_ended_installation_never_connects(corral: Installation) -> None:
    device = corral.device()
    fresh = await draft(device, await corral.link())
    await authenticate(device, fresh)
    await end(corral, device)
    life = await corral.life(device)
    assert (life["phase"], life["end_reason"]) == ("ended", "refused")
    assert is_document(await update_token(device, fresh))


async def test_a_blocked_device_leaves_and_stays_out_until_it_is_unblocked(corral: Installation) -> None:
    device, other = await corral.enrolled(), await corral.enrolled()
    await corral.post(f"/devices/{device.facts.udid}/block", reason="lost")
    assert (await report(other)).status == 200
    await device.poll()
    assert device.state is State.UNENROLLED
    assert (await corral.life(device))["end_reason"] == "unenrolled"
    fresh = await draft(device, await corral.link())
    assert is_document(await authenticate(device, fresh))
    assert is_document(await authenticate(device, fresh))
    await corral.post(f"/devices/{device.facts.udid}/unblock")
    await device.enroll(await corral.link())
    assert (await corral.life(device))["phase"] == "connected"


async def test_a_device_unblocked_in_time_stays_connected(corral: Installation) -> None:
    device = await corral.enrolled()
    life, queued = await corral.life(device), await corral.send(device, "ProfileList")
    await corral.post(f"/devices/{device.facts.udid}/block")
    await corral.post(f"/devices/{device.facts.udid}/unblock")
    assert parse_dict((await report(device)).body)["CommandUUID"] == queued
    assert await corral.life(device) == life


async def test_the_breaker_stops_a_mass_unenrollment_until_a_person_has_looked(start: Start) -> None:
    at = await start({"CORRAL_BREAKER_LIMIT": "2"})
    devices = [await at.enrolled() for _ in range(5)]
    for device in devices[:4]:
        await at.post(f"/devices/{device.facts.udid}/block")
    for device in devices[:2]:
        assert is_document(await report(device))
        assert is_document(await report(device)), "who was told once is counted once"
    assert (await at.get("/breaker"))["open"] is False
    assert (await report(devices[2])).status == 200
    assert (await at.get("/breaker"))["open"] is True
    assert (await report(devices[0])).status == 200, "open, it holds back all"
    assert (await check_in(devices[3], "GetBootstrapToken")).status == 503
    assert (await check_in(devices[3], "CheckOut")).status == 200
    refused = await at.api.post(f"/devices/{devices[4].facts.udid}/end", json={})
    assert refused.status_code == 409
    assert "breaker" in refused.json()["detail"]
    assert (await report(devices[4])).status == 200
    await at.restart()
    assert (await at.get("/breaker"))["open"] is True, "a restart does not close it"
    await at.post("/breaker/close")
    assert is_document(await report(devices[2]))
    assert [each["type"] for each in await at.events(0)].count("breaker.opened") == 1
