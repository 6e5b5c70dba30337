"""Channels and their queues: users beside the device, NotNow, Setup Assistant, broken results."""

from dataclasses import replace

import pytest

from corral.apple.plist import parse_dict
from corral.lifecycle.state import EscrowKind
from corral.simulator.behaviour import Broken, Busy, User
from corral.simulator.device import State
from corral.simulator.enrollment import Channel, new_magic, new_token
from corral.simulator.facts import Model
from corral.simulator.speaking import Accepted
from e2e.conftest import DATABASES, Start, over_each
from e2e.installation import Installation, opened, until
from e2e.messages import check_in, draft, enrollment_of, report, update_token

corral = pytest.fixture(params=DATABASES)(over_each)

ADA = User("ada", "Ada Lovelace", "0B5A9C0E-9F3B-4B64-8C6E-0C6E3F6D1A01")


async def test_a_user_of_a_mac_has_a_queue_of_his_own(corral: Installation) -> None:
    mac = await corral.enrolled(Model.MAC, "15.2", user=ADA, quiet=False)
    own = await corral.send(mac, "ProfileList", user=ADA.guid)
    shared = await corral.send(mac, "CertificateList")

    async def both() -> bool:
        return all([(await corral.outcome(uuid))["result"] for uuid in (own, shared)])

    await until(both)
    assert (await corral.outcome(own))["delivery"]["user_id"] == ADA.guid
    channels = (await corral.get(f"/devices/{mac.facts.udid}"))["channels"]
    assert {(each["user_id"], each["kind"], each["short_name"]) for each in channels} == {
        ("", "device", None),
        (ADA.guid, "user", "ada"),
    }
    assert mac.complaints == []


async def test_users_of_a_shared_ipad_are_told_apart_by_their_names(corral: Installation) -> None:
    ipad = await corral.enrolled(Model.IPAD, "18.2", user=User("ada@example.com", "Ada"))
    other = await corral.enrolled(Model.IPAD, "18.2", user=User("bob@example.com", "Bob"))
    names = enrollment_of(other).users[0].names | {"UDID": ipad.facts.udid}
    bob = enrollment_of(other).users[0].renamed(ipad.facts.udid)
    assert bob.names == names
    assert (await update_token(ipad, channel=bob)).status == 200
    for name in ("ada@example.com", "bob@example.com"):
        await corral.send(ipad, "ProfileList", user=name)
    shown = (await corral.get(f"/devices/{ipad.facts.udid}"))["channels"]
    users = {each["user_id"]: each["kind"] for each in shown if each["user_id"]}
    assert users == {"ada@example.com": "shared_ipad_user", "bob@example.com": "shared_ipad_user"}
    assert len(await corral.lives(ipad)) == 1


async def test_a_user_who_leaves_takes_nobody_along(corral: Installation) -> None:
    mac = await corral.enrolled(Model.MAC, "15.2", user=ADA)
    enrollment = enrollment_of(mac)
    answer = await mac.voice.check_in(enrollment, enrollment.users[0].message(MessageType="CheckOut"))
    assert answer.status == 200
    assert (await corral.life(mac))["phase"] == "connected"
    assert (await report(mac)).status == 200
    assert await mac.poll(mac.enrollment.users[0].user_id if mac.enrollment else "") == Accepted()
    assert mac.state is State.ENROLLED


async def test_a_user_enrollment_is_known_by_its_enrollment_id_alone(corral: Installation) -> None:
    device = corral.device(Model.MAC, "15.2")
    made = await draft(device, await corral.link())
    names = {"EnrollmentID": f"E-{device.facts.udid}"}
    own = replace(made, device=Channel(names, made.device.token, made.device.magic))
    user = Channel({**names, "EnrollmentUserID": "U-1", "UserShortName": "ada"}, new_token(), new_magic())
    keys = {"MessageType": "Authenticate", "Topic": made.profile.topic, "OSVersion": "15.2", "ProductName": "Mac14,2"}
    assert (await device.voice.check_in(own, own.device.message(**keys))).status == 200
    assert (await update_token(device, own)).status == 200
    assert (await update_token(device, own, user)).status == 200
    shown = await corral.get(f"/devices/{names['EnrollmentID']}")
    assert shown["device"]["user_enrollment"] is True
    kinds = {each["kind"] for each in shown["channels"]}
    assert kinds == {"user_enrollment_device", "user_enrollment_user"}
    assert (await corral.api.get(f"/devices/{device.facts.udid}")).status_code == 404


async def test_not_now_is_skipped_until_the_next_idle(corral: Installation) -> None:
    device = await corral.enrolled()
    first = await corral.send(device, "RestartDevice", force=True)
    second = await corral.send(device, "ProfileList")
    assert parse_dict((await report(device)).body)["CommandUUID"] == first
    assert parse_dict((await report(device, "NotNow", CommandUUID=first)).body)["CommandUUID"] == second
    assert (await report(device, "Acknowledged", CommandUUID=second)).body == b""
    shown = (await corral.outcome(first))["delivery"]
    assert (shown["state"], shown["not_now_count"]) == ("open", 1)
    assert parse_dict((await report(device)).body)["CommandUUID"] == first
    assert (await report(device, "Acknowledged", CommandUUID=first)).body == b""
    assert (await corral.outcome(first))["delivery"]["state"] == "acknowledged"


async def test_a_device_that_said_not_now_is_pushed_again(start: Start) -> None:
    at = await start({"CORRAL_NOT_NOW_PUSH": "300ms"})
    device = await at.enrolled(quiet=False, supervised=True)
    device.busy = Busy(sessions=2, pause=60)
    sent = [await at.send(device, name, force=True) for name in ("RestartDevice", "ProfileList")]

    async def both() -> bool:
        return all([(await at.outcome(uuid))["delivery"]["state"] == "acknowledged" for uuid in sent])

    await until(both)
    assert (await at.outcome(sent[0]))["delivery"]["not_now_count"] == 2
    assert device.complaints == []


async def test_a_result_that_comes_again_or_late_or_for_nothing_is_answered_200(corral: Installation) -> None:
    device = await corral.enrolled()
    sent = await corral.send(device, "ProfileList")
    gone = await corral.send(device, "CertificateList")
    await report(device)
    await corral.delete(f"/commands/{gone}")
    for status, uuid in (("Acknowledged", sent), ("Error", sent), ("Acknowledged", gone), ("Acknowledged", "no such")):
        answer = await report(device, status, CommandUUID=uuid)
        assert (answer.status, answer.body) == (200, b"")
    assert (await corral.outcome(sent))["result"]["status"] == "Acknowledged", "the first counts"
    assert (await corral.outcome(gone))["delivery"]["state"] == "cancelled"


async def test_setup_assistant_is_let_go_even_if_a_setup_command_fails(start: Start) -> None:
    at = await start({"CORRAL_SETUP_TIME": "1s"})
    device = at.device(quiet=False, awaiting_configuration=True, supervised=True)
    await device.enroll(await at.link())
    failing = await at.send(device, "RemoveProfile", Identifier="com.example.missing")
    assert device.is_awaiting
    await until(lambda: not device.is_awaiting)
    assert (await at.outcome(failing))["delivery"]["state"] == "error"
    await device.settle()
    assert (await at.life(device))["awaiting_configuration_since"] is None
    kinds = await at.kinds(device)
    assert kinds.index("configuration.awaited") < kinds.index("configuration.done")
    assert device.complaints == []


async def test_a_user_of_a_shared_ipad_is_let_go(corral: Installation) -> None:
    ipad = await corral.enrolled(Model.IPAD, "18.2", user=User("eve@example.com", "Eve"))
    enrollment = enrollment_of(ipad)
    eve = enrollment.users[0]
    assert (await update_token(ipad, channel=eve, AwaitingConfiguration=True)).status == 200
    command = parse_dict((await ipad.voice.report(enrollment, eve.idle)).body)
    assert command["Command"] == {"RequestType": "UserConfigured"}
    assert (await report(ipad)).body == b"", "it is the user's, not the device's"


async def test_what_only_the_owner_can_give_again_is_never_lost(start: Start) -> None:
    at = await start()
    phone = await at.enrolled()
    mac = await at.enrolled(Model.MAC, "15.2")
    life = await at.life(phone)
    token = enrollment_of(phone).device.unlock_token
    assert token is not None
    await update_token(phone, UnlockToken=token)
    await update_token(phone)
    await check_in(mac, "SetBootstrapToken", BootstrapToken=b"a bootstrap token")
    await update_token(mac)
    await at.restart()
    kept = await check_in(mac, "GetBootstrapToken")
    assert parse_dict(kept.body) == {"BootstrapToken": b"a bootstrap token"}
    await check_in(mac, "SetBootstrapToken", BootstrapToken=b"")
    assert parse_dict((await check_in(mac, "GetBootstrapToken")).body) == {}
    async with opened(at) as store:
        assert (await store.devices.load_connection(life["id"], 0)).escrow == {EscrowKind.UNLOCK_TOKEN: token}


@pytest.mark.parametrize("broken", list(Broken))
async def test_a_result_that_no_xml_reader_takes_is_kept_as_it_came(corral: Installation, broken: Broken) -> None:
    device = await corral.enrolled(broken_results=broken)
    sent = await corral.send(device, "InstalledApplicationList")
    assert await device.poll() == Accepted()
    kept = await corral.outcome(sent)
    assert (kept["delivery"]["state"], kept["result"]["unreadable"]) == ("acknowledged", True)
    assert kept["result"]["result"]["InstalledApplicationList"], "it is read once it is repaired"
    raw = await corral.api.get(f"/commands/{sent}/result", params={"device": device.facts.udid})
    assert b"App" in raw.content
    assert device.complaints == []
