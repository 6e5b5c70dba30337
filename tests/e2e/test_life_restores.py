"""Backups, migrations and new push tokens: what a device may come back with, and what it may not."""

from dataclasses import replace

import pytest

from corral.apple.plist import parse_dict
from corral.simulator import life_events
from corral.simulator.device import State
from corral.simulator.enrollment import new_magic, new_token
from corral.simulator.facts import Model
from corral.simulator.speaking import Accepted, Failed
from e2e.conftest import DATABASES, Start, over_each
from e2e.installation import Installation, until
from e2e.messages import check_in, enrollment_of, is_document, is_plain_403, report, update_token

corral = pytest.fixture(params=DATABASES)(over_each)


async def test_a_changed_push_token_is_pushed_to_from_then_on(corral: Installation) -> None:
    device = await corral.enrolled(quiet=False)
    life = await corral.life(device)
    assert await life_events.change_push_token(device) == Accepted()
    token = enrollment_of(device).device.token
    assert await corral.life(device) == life
    assert "push.token-changed" in await corral.kinds(device)
    sent = await corral.send(device, "ProfileList")

    async def acknowledged() -> bool:
        return (await corral.outcome(sent))["delivery"]["state"] == "acknowledged"

    await until(acknowledged)
    assert any(each.push.token == token and each.status == 200 for each in corral.push.received)


async def test_a_backup_restored_to_the_same_device_keeps_the_connection(corral: Installation) -> None:
    device = await corral.enrolled(quiet=False)
    life, queued = await corral.life(device), None
    device.go_offline()
    queued = await corral.send(device, "ProfileList")
    device.go_online()
    assert await life_events.restore_to_itself(device, new_magic=True) == Accepted()
    assert (await corral.life(device))["id"] == life["id"]
    assert "connection.possible-restore" in await corral.kinds(device)

    async def acknowledged() -> bool:
        return (await corral.outcome(queued))["delivery"]["state"] == "acknowledged"

    await until(acknowledged)


async def test_a_backup_restored_after_the_end_begins_a_new_life_with_an_empty_queue(corral: Installation) -> None:
    device = await corral.enrolled()
    queued = await corral.send(device, "ProfileList")
    await device.leave()
    assert await life_events.restore_to_itself(device, new_magic=True) == Accepted()
    new, old = await corral.lives(device)
    assert (new["phase"], new["origin"], new["admitted_by"]) == ("connected", "restored", f"restore:{old['id']}")
    assert (await report(device)).body == b""
    assert (await corral.outcome(queued))["delivery"]["state"] == "dropped"
    sent = await corral.send(device, "ProfileList")
    assert parse_dict((await report(device)).body)["CommandUUID"] == sent
    assert "connection.restored" in await corral.kinds(device)


@pytest.mark.parametrize("system", ["16.7.10", "18.2"])
async def test_a_restore_is_refused_where_the_operator_says_so(start: Start, system: str) -> None:
    at = await start({"CORRAL_ON_RESTORE": "refuse"})
    device = await at.enrolled(os_version=system)
    await life_events.change_push_token(device)
    assert device.state is State.ENROLLED, "a new token alone is no restore"
    await life_events.restore_to_itself(device, new_magic=True)
    assert device.state is State.UNENROLLED
    assert device.why == ("401" if system == "16.7.10" else "403 com.apple.unrecognized.device")
    life = await at.life(device)
    assert (life["phase"], life["end_reason"], life["proof"]) == ("ended", "unenrolled", "restore refused")
    await life_events.restore_to_itself(device, new_magic=True)
    assert device.state is State.UNENROLLED, "also one from before its end"
    await device.enroll(await at.link())
    assert (await at.life(device))["phase"] == "connected"


async def test_a_backup_restored_to_another_device_brings_no_management_along(corral: Installation) -> None:
    device, other = await corral.enrolled(), corral.device()
    cursor = await corral.cursor()
    life_events.restore_to(device, other)
    assert other.state is State.NOT_ENROLLED
    assert await corral.events(cursor) == []
    await other.enroll(await corral.link())
    assert (await corral.life(other))["origin"] == "enrolled"
    assert (await report(device)).status == 200


async def test_a_clone_of_migration_assistant_is_refused_and_the_owner_undisturbed(corral: Installation) -> None:
    owner = await corral.enrolled(Model.MAC, "15.2", bootstrap_token=True)
    clone = corral.device(Model.MAC, "15.2")
    life, queued = await corral.life(owner), await corral.send(owner, "ProfileList")
    verdict = await life_events.migrate_to(owner, clone)
    assert isinstance(verdict, Failed)
    assert clone.state is State.ENROLLED, "nothing tells it to leave: it might be the owner's own data"
    for answer in (await report(clone), await check_in(clone, "CheckOut"), await check_in(clone, "GetBootstrapToken")):
        assert is_plain_403(answer)
    assert await corral.life(owner) == life
    assert parse_dict((await report(owner)).body)["CommandUUID"] == queued
    alarms = [each for each in await corral.events(0, owner) if each["type"] == "connection.clone-refused"]
    assert {each["data"]["claimed_device_id"] for each in alarms} == {clone.facts.udid}
    assert (await corral.api.get(f"/devices/{clone.facts.udid}")).status_code == 404
    await clone.leave()
    await clone.enroll(await corral.link())
    assert (await corral.life(clone))["phase"] == "connected"


async def test_a_backup_from_before_a_renewal_shares_no_queue_with_the_device(corral: Installation) -> None:
    device = await corral.enrolled()
    backup = replace(enrollment_of(device))
    await corral.post(f"/devices/{device.facts.udid}/renew")
    await device.poll()
    queued = await corral.send(device, "ProfileList")
    assert (await report(device, enrollment=backup)).body == b""
    assert "connection.old-certificate-heard" in await corral.kinds(device)
    backup.device.token, backup.device.magic = new_token(), new_magic()
    assert (await update_token(device, backup)).status == 200, "restored from that backup"
    assert parse_dict((await report(device, enrollment=backup)).body)["CommandUUID"] == queued


async def test_a_backup_from_before_a_renewal_is_refused_where_the_operator_says_so(start: Start) -> None:
    at = await start({"CORRAL_ON_RESTORE": "refuse"})
    device = await at.enrolled()
    backup = replace(enrollment_of(device))
    await at.post(f"/devices/{device.facts.udid}/renew")
    await device.poll()
    backup.device.token, backup.device.magic = new_token(), new_magic()
    assert is_document(await update_token(device, backup))
