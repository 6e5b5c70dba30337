"""Messages that real devices have sent, byte for byte but for the names in them, run through the service."""

import base64
import re
from pathlib import Path

import pytest

from corral.apple.plist import dump, parse_dict
from corral.simulator.device import Device
from corral.simulator.enrollment import Enrollment
from corral.simulator.facts import Model
from e2e.installation import TOPIC, Installation
from e2e.messages import draft

SAMPLES = Path(__file__).parents[3] / "shared" / "apple" / "samples"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the captured messages are not there")

USER = "TokenUpdate-10.12.2-user.xml"
ANSWERED = {"Acknowledged": "acknowledged", "Error": "error", "CommandFormatError": "format-error", "NotNow": "open"}


def renamed(name: str, device: Device) -> bytes:
    """The message as this device would have sent it to this service."""
    message = (SAMPLES / name).read_bytes()
    for key, value in ((b"UDID", device.facts.udid), (b"Topic", TOPIC)):
        pattern = rb"(<key>" + key + rb"</key>\s*<string>)[^<]*"
        message = re.sub(pattern, rb"\g<1>" + value.encode(), message)
    return message


def captured(*marks: str) -> list[str]:
    """The names of those with one of these marks, in the order of a device's life."""
    order = ("Authenticate", "TokenUpdate", "DeviceInformation", "SecurityInfo", "Errors", "NotNow", "CheckOut")
    names = {path.name for path in SAMPLES.glob("*.xml")} - {USER}
    found = [name for name in names if any(mark in name for mark in marks)]
    return sorted(found, key=lambda name: order.index(name.partition("-")[0]))


async def queue(at: Installation, device: Device, uuid: str) -> None:
    """Any command, under the name that the captured answer has."""
    command = dump({"CommandUUID": uuid, "Command": {"RequestType": "ProfileList"}})
    sent = await at.post("/commands", devices=[device.facts.udid], plist=base64.b64encode(command).decode())
    assert sent["queued"] == 1, sent


async def say(at: Installation, device: Device, enrollment: Enrollment, name: str) -> None:
    message = renamed(name, device)
    keys = parse_dict(message)
    if "MessageType" in keys:
        answer = await device.voice.check_in(enrollment, message)
        assert (answer.status, answer.body) == (200, b""), (name, answer.body)
        return
    uuid, status = str(keys["CommandUUID"]), str(keys["Status"])
    await queue(at, device, uuid)
    answer = await device.voice.report(enrollment, message)
    assert (answer.status, answer.body) == (200, b""), (name, answer.body)
    delivery = (await at.outcome(uuid))["delivery"]
    assert delivery["state"] == ANSWERED[status], name
    if status != "NotNow":
        kept = await at.api.get(f"/commands/{uuid}/result", params={"device": device.facts.udid})
        assert kept.content == message
        assert (await at.outcome(uuid))["result"]["unreadable"] is False
    await at.delete(f"/commands/{uuid}")


async def test_an_iphone_says_what_iphones_said(corral: Installation) -> None:
    device = corral.device()
    enrollment = await draft(device, await corral.link())
    names = captured("iOS", "IOS")
    assert names
    for name in names:
        await say(corral, device, enrollment, name)
    shown = (await corral.get(f"/devices/{device.facts.udid}"))["device"]
    assert (shown["platform"], shown["os_version"]) == ("iOS", "11.3.1")
    assert (await corral.life(device))["end_reason"] == "checked-out"


async def test_a_mac_says_what_macs_said(corral: Installation) -> None:
    device = corral.device(Model.MAC, "15.2")
    enrollment = await draft(device, await corral.link())
    names = captured("-10.", "macOS")
    assert names
    for name in names:
        await say(corral, device, enrollment, name)
    user = parse_dict(renamed(USER, device))
    answer = await device.voice.check_in(enrollment, renamed(USER, device))
    assert (answer.status, answer.body) == (200, b"")
    shown = await corral.get(f"/devices/{device.facts.udid}")
    assert (shown["device"]["platform"], shown["device"]["name"]) == ("macOS", "commandment")
    assert {each["user_id"] for each in shown["channels"]} == {"", str(user["UserID"])}


def test_none_is_left_out() -> None:
    told = {*captured("iOS", "IOS"), *captured("-10.", "macOS"), USER}
    assert told == {path.name for path in SAMPLES.glob("*.xml")}
