"""Messages that no device sends: of another kind, at another address, of somebody else's user, or for elsewhere."""

from dataclasses import replace

import pytest

from attacks.scene import Scene, refused
from corral.apple.plist import PlistValue, dump
from corral.simulator.behaviour import User
from corral.simulator.device import Device
from corral.simulator.enrollment import Channel
from corral.simulator.facts import Model
from corral.simulator.transport import Response
from e2e.installation import Installation
from e2e.messages import check_in, enrollment_of, report, update_token

KNOWN = (
    "Authenticate, TokenUpdate, CheckOut, UserAuthenticate, SetBootstrapToken, GetBootstrapToken, GetToken, "
    "DeclarativeManagement, ReturnToService"
)


async def say(device: Device, path: str, body: bytes, kind: str = "application/x-apple-aspen-mdm-checkin") -> Response:
    """These very bytes, signed as this device signs."""
    voice, enrollment = device.voice, enrollment_of(device)
    shown = enrollment.identity.prove(device.behaviour.signature, body, voice.now(), signs_time=True)
    url = f"{enrollment.profile.server_url.rpartition('/')[0]}{path}"
    return await voice.transport.request(
        "PUT", url, headers=(("Content-Type", kind), *shown), body=body, trust=enrollment.trust
    )


@pytest.mark.parametrize("name", ["Reauthenticate", "authenticate", "CheckOut ", "__class__", "SetAutoAdminPassword"])
async def test_a_message_type_that_is_not_known_does_nothing(scene: Scene, name: str) -> None:
    async with scene.unharmed():
        refused(
            await check_in(scene.owner, name),
            400,
            f"Check-in message not understood: MessageType {name!r} is not known: known are {KNOWN}",
        )


@pytest.mark.parametrize("value", [[], {}, True, 7, b"CheckOut", "", "x" * 5000], ids=str)
async def test_a_message_type_that_is_no_text_does_nothing(scene: Scene, value: PlistValue) -> None:
    names = enrollment_of(scene.owner).device.names
    async with scene.unharmed():
        answer = await say(scene.owner, "/checkin", dump({"MessageType": value, **names}))
        assert answer.status == 400
        assert answer.body.startswith(b"Check-in message not understood: check-in: MessageType must be a string")


async def test_a_check_in_at_the_address_of_commands_is_taken_for_what_it_is_and_a_report_is_no_check_in(
    scene: Scene,
) -> None:
    channel = enrollment_of(scene.owner).device
    asked = channel.message(MessageType="GetBootstrapToken")
    async with scene.unharmed():
        assert b"<dict/>" in (await say(scene.owner, "/mdm", asked)).body, "Apple sends both to one address"
        for body in (channel.idle, channel.message(Status="Acknowledged", CommandUUID="x")):
            answer = await say(scene.owner, "/checkin", body, "application/x-apple-aspen-mdm")
            assert answer.status == 400
            assert answer.body.startswith(b"Check-in message not understood: ")


async def test_a_message_with_two_names_speaks_for_the_one_that_the_certificate_is_of(scene: Scene) -> None:
    """UDID and EnrollmentID in one message: the UDID counts, whatever the other one says."""
    thief = await scene.at.enrolled()
    own, its = thief.facts.udid, scene.owner.facts.udid
    sent = await scene.at.send(scene.owner, "ProfileList")
    async with scene.unharmed("connection.clone-refused"):
        for names, status in (
            ({"UDID": own, "EnrollmentID": its}, 200),
            ({"UDID": its, "EnrollmentID": own}, 403),
            ({"EnrollmentID": its}, 403),
        ):
            answer = await say(thief, "/mdm", dump({"Status": "Idle", **names}), "application/x-apple-aspen-mdm")
            assert answer.status == status, names
            assert sent.encode() not in answer.body


@pytest.mark.parametrize("name", ["", "a/b", "../x", "x\ny", "x" * 256, "e\u0301", 7, ["x"]], ids=repr)
async def test_a_name_that_no_device_has_is_refused_before_it_gets_anywhere(scene: Scene, name: PlistValue) -> None:
    async with scene.unharmed():
        for path, body in (("/mdm", {"Status": "Idle"}), ("/checkin", {"MessageType": "CheckOut"})):
            answer = await say(scene.owner, path, dump({**body, "UDID": name}), "application/x-apple-aspen-mdm")
            assert answer.status == 400
            assert (
                b"UDID must be a string of 1 to 255 printable characters" in answer.body
                or b"neither UDID" in answer.body
            )


# Users


async def with_user(at: Installation, name: str) -> Device:
    return await at.enrolled(Model.MAC, "15.2", user=User(name, name.title()))


async def test_the_user_of_another_device_cannot_be_spoken_for(corral: Installation) -> None:
    """A user is one of his device's: the same UserID on another device is another user, and gets nothing of his."""
    scene = await Scene.of(corral, Model.MAC, "15.2", user=User("ada", "Ada"))
    thief = await with_user(corral, "eve")
    hers = enrollment_of(scene.owner).users[0]
    sent = await corral.send(scene.owner, "ProfileList", user=hers.names["UserID"])
    async with scene.unharmed("connection.clone-refused"):
        claimed = enrollment_of(thief)
        for body in (
            hers.message(Status="Idle"),
            hers.message(Status="Acknowledged", CommandUUID=sent),
        ):
            answer = await say(thief, "/mdm", body, "application/x-apple-aspen-mdm")
            assert answer.status == 403
            assert sent.encode() not in answer.body
        assert (await update_token(thief, claimed, hers)).status == 403
        assert (await check_in(thief, "CheckOut", replace(claimed, device=hers))).status == 403
    assert (await corral.outcome(sent))["delivery"]["state"] == "open"
    own = enrollment_of(thief).device.names["UDID"]
    same = Channel({**hers.names, "UDID": own}, hers.token, hers.magic)
    async with scene.unharmed():
        answer = await say(thief, "/mdm", same.idle, "application/x-apple-aspen-mdm")
        assert (answer.status, answer.body) == (200, b""), "somebody else, who is not there"
    await scene.owner.poll(hers.user_id)
    assert (await corral.outcome(sent))["delivery"]["state"] == "acknowledged"


async def test_a_user_ends_nothing_but_his_own_channel(corral: Installation) -> None:
    """A CheckOut of a user, of one that is not there, and one that would like to be the device's."""
    scene = await Scene.of(corral, Model.MAC, "15.2", user=User("ada", "Ada"))
    life = await corral.life(scene.owner)
    device, user = enrollment_of(scene.owner).device.names, enrollment_of(scene.owner).users[0].names
    async with scene.unharmed("channel.ended", changes={"channel", "device"}):
        for names in (
            {**device, "UserID": "00000000-0000-4000-8000-00000000dead", "UserShortName": "eve"},
            user,
            {**user, "UserID": ""},
        ):
            answer = await say(scene.owner, "/checkin", dump({"MessageType": "CheckOut", **names}))
            assert answer.status == (200 if names["UserID"] else 400)
    assert (await corral.life(scene.owner))["phase"] == life["phase"] == "connected"


async def test_a_user_gets_no_secret_of_the_device(corral: Installation) -> None:
    scene = await Scene.of(corral, Model.MAC, "15.2", user=User("ada", "Ada"), bootstrap_token=True)
    user = enrollment_of(scene.owner).users[0]
    async with scene.unharmed():
        for kind, keys in (
            ("GetBootstrapToken", {}),
            ("SetBootstrapToken", {"BootstrapToken": b"mine"}),
            ("ReturnToService", {}),
            ("Authenticate", {"Topic": enrollment_of(scene.owner).profile.topic}),
        ):
            message = user.message(MessageType=kind, **keys)
            refused(await say(scene.owner, "/checkin", message), 400, "This message is not expected on a user channel.")
    assert b"BootstrapToken" in (await check_in(scene.owner, "GetBootstrapToken")).body


# Declarative management


@pytest.mark.parametrize(
    ("endpoint", "status"),
    [
        ("declaration/configuration/../../../etc/passwd", 404),
        ("declaration/../tokens", 404),
        ("declaration//", 404),
        ("declaration/asset/%2e%2e%2f%2e%2e%2fsealing.key", 404),
        ("../tokens", 400),
        ("tokens/", 400),
        ("tokens?x=y", 400),
        ("/etc/passwd", 400),
        ("STATUS", 400),
        ("https://elsewhere.example/tokens", 400),
        ("", 400),
        ("x" * 5000, 400),
    ],
)
async def test_an_endpoint_of_declarative_management_leads_nowhere_else(
    scene: Scene, endpoint: str, status: int
) -> None:
    async with scene.unharmed():
        answer = await check_in(scene.owner, "DeclarativeManagement", Endpoint=endpoint)
        assert answer.status == status
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.body.count(b"\n") == 1


async def test_a_token_is_made_for_nobody_who_asks_in_the_name_of_another(scene: Scene) -> None:
    """A phone may vouch for the watch that it is paired with, in its own name."""
    thief = await scene.at.enrolled()
    asked = {"PhoneUDID": scene.owner.facts.udid, "WatchUDID": "WATCH", "SecurityToken": "s"}
    async with scene.unharmed():
        for parameters in (asked, {**asked, "PhoneUDID": ""}, {"WatchUDID": "WATCH"}, {}):
            refused(
                await check_in(
                    thief, "GetToken", TokenServiceType="com.apple.watch.pairing", TokenParameters=parameters
                ),
                400,
                "No token service 'com.apple.watch.pairing' here.",
            )
        for service in ("com.apple.maid", "com.apple.nothing", "../maid"):
            refused(
                await check_in(thief, "GetToken", TokenServiceType=service),
                400,
                f"No token service {service!r} here.",
            )


async def test_a_result_for_the_command_of_another_device_answers_nothing(scene: Scene) -> None:
    """Kept as something that this device has said, as every result is; the command is still the owner's."""
    thief = await scene.at.enrolled()
    sent = await scene.at.send(scene.owner, "ProfileList")
    async with scene.unharmed(changes={"result"}):
        answer = await report(thief, "Acknowledged", CommandUUID=sent, ProfileList=[])
        assert (answer.status, answer.body) == (200, b"")
        assert (await scene.at.outcome(sent))["delivery"]["state"] == "open"
    assert (await scene.at.outcome(sent))["delivery"]["state"] == "acknowledged"
