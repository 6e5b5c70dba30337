"""Commands over the API: sent, listed, answered, cancelled."""

import base64
import plistlib
from typing import Any

from corral.apple.platform import Platform
from corral.apple.report import Status
from corral.lifecycle.state import Phase
from corral.store.devices import Ask, Contact
from inprocess import Installation

INFORMATION = {"request_type": "DeviceInformation", "keys": {"Queries": ["DeviceName"]}}


async def answer(installation: Installation, device: str, command: str, body: bytes, status: Status) -> None:
    """As if the device had reported."""
    number = int(device[1:])
    contact = Contact(fingerprint=number.to_bytes(32, "big"), device_id=device, command_uuid=command)
    await installation.corral.store.devices.exchange(
        Ask(contact=contact, status=status, now=installation.now, body=body, push_again_at=installation.now)
    )


def report(device: str, command: str, status: Status, **keys: Any) -> bytes:
    return plistlib.dumps({"UDID": device, "CommandUUID": command, "Status": str(status), **keys})


async def test_a_command_is_queued_for_each_device_and_each_gets_its_verdict(installation: Installation) -> None:
    devices = [await installation.device(), await installation.device(), await installation.device(Phase.ENDED)]
    sent = await installation.post("/commands", {"devices": [*devices, "nobody"], **INFORMATION})
    verdicts = {each["device"]: each for each in sent["devices"]}
    assert sent["queued"] == 2
    assert [verdicts[name]["queued"] for name in (*devices, "nobody")] == [True, True, False, False]
    assert "not connected" in verdicts[devices[2]]["problem"]
    assert "no device nobody" in verdicts["nobody"]["problem"]
    listed = (await installation.get("/commands"))["commands"]
    assert {each["device_id"] for each in listed} == set(devices[:2])
    assert {each["command_uuid"] for each in listed} == {sent["command_uuid"]}


async def test_what_the_schema_speaks_against_is_not_queued_unless_forced(installation: Installation) -> None:
    device = await installation.device()
    wrong = {"devices": [device], "request_type": "DeviceInformation", "keys": {"Queries": "DeviceName"}}
    (verdict,) = (await installation.post("/commands", wrong))["devices"]
    assert verdict["queued"] is False
    assert verdict["problem"]
    assert (verdict["findings"][0]["severity"], verdict["findings"][0]["where"]) == ("error", "Queries")
    (verdict,) = (await installation.post("/commands", {**wrong, "force": True}))["devices"]
    assert verdict["queued"] is True


async def test_data_reaches_the_device_as_data(installation: Installation) -> None:
    device = await installation.device()
    payload = base64.b64encode(b"a profile").decode()
    keys = {"Payload": {"$data": payload}}
    sent = await installation.post("/commands", {"devices": [device], "request_type": "InstallProfile", "keys": keys})
    body = await installation.corral.store.queue.command_body(sent["command_uuid"])
    assert body is not None
    assert plistlib.loads(body)["Command"] == {"RequestType": "InstallProfile", "Payload": b"a profile"}


async def test_a_profile_that_was_sent_is_not_shown(installation: Installation) -> None:
    device = await installation.device()
    keys = {"Payload": {"$data": base64.b64encode(b"a challenge").decode()}}
    sent = await installation.post("/commands", {"devices": [device], "request_type": "InstallProfile", "keys": keys})
    shown = await installation.get(f"/commands/{sent['command_uuid']}")
    assert shown["keys"] == {"Payload": "(11 bytes, not shown)"}


async def test_a_raw_command_is_sent_byte_for_byte(installation: Installation) -> None:
    device = await installation.device()
    raw = plistlib.dumps({"CommandUUID": "mine", "Command": {"RequestType": "Whatever", "Key": 1}}) + b"<!-- kept -->"
    body = {"devices": [device], "plist": base64.b64encode(raw).decode(), "force": True}
    sent = await installation.post("/commands", body)
    assert sent["command_uuid"] == "mine"
    assert await installation.corral.store.queue.command_body("mine") == raw


async def test_a_command_goes_to_a_users_channel(installation: Installation) -> None:
    device = await installation.device(user="U1")
    sent = await installation.post("/commands", {"devices": [device], "user": "U1", **INFORMATION})
    (listed,) = (await installation.get("/commands"))["commands"]
    assert (listed["user_id"], listed["command_uuid"]) == ("U1", sent["command_uuid"])
    (verdict,) = (await installation.post("/commands", {"devices": [device], "user": "U2", **INFORMATION}))["devices"]
    assert "U2" in verdict["problem"]


async def test_schedule_and_priority_are_kept(installation: Installation) -> None:
    device = await installation.device()
    times = {"not_before_in": 60, "expires_at": "2027-01-01T00:00:00+01:00", "priority": 7}
    await installation.post("/commands", {"devices": [device], **INFORMATION, **times})
    (listed,) = (await installation.get("/commands"))["commands"]
    assert listed["not_before"] == "2026-09-21T14:14:20Z"
    assert listed["expires_at"] == "2026-12-31T23:00:00Z"
    assert (listed["priority"], listed["created_by"]) == (7, "local administrator")


async def test_an_answer_is_shown_read_and_as_it_came(installation: Installation) -> None:
    device = await installation.device()
    command = (await installation.post("/commands", {"devices": [device], **INFORMATION}))["command_uuid"]
    body = report(device, command, Status.ACKNOWLEDGED, QueryResponses={"DeviceName": "Ada's iPad"}, Icon=b"\x01")
    await answer(installation, device, command, body, Status.ACKNOWLEDGED)
    shown = await installation.get(f"/commands/{command}")
    assert shown["request_type"] == "DeviceInformation"
    assert shown["keys"] == {"Queries": ["DeviceName"]}
    (delivery,) = shown["deliveries"]
    assert delivery["delivery"]["state"] == "acknowledged"
    assert delivery["result"]["result"] == {"QueryResponses": {"DeviceName": "Ada's iPad"}, "Icon": {"$data": "AQ=="}}
    raw = await installation.api.get(f"/commands/{command}/result?device={device}")
    assert raw.content == body


async def test_secrets_are_revealed_for_a_reason_and_with_an_event_only(installation: Installation) -> None:
    device = await installation.device(platform=Platform.MACOS, os_version="15.2")
    locked = {"devices": [device], "request_type": "DeviceLock", "keys": {"PIN": "271828", "Message": "Call us"}}
    command = (await installation.post("/commands", locked))["command_uuid"]
    assert (await installation.get(f"/commands/{command}"))["keys"] == {"PIN": "(not shown)", "Message": "Call us"}
    path = f"/commands/{command}/reveal"
    for wrong in ({"device": device}, {"device": device, "reason": " "}, {"device": device, "reason": ""}):
        assert (await installation.api.post(path, json=wrong)).status_code == 422
    for nobody in ({"device": "nobody"}, {"device": await installation.device()}, {"device": device, "user": "U1"}):
        assert (await installation.api.post(path, json={**nobody, "reason": "why"})).status_code == 404
    assert "command.revealed" not in {each["type"] for each in (await installation.get("/events"))["events"]}
    shown = await installation.post(path, {"device": device, "reason": "it came back"})
    assert (shown["keys"]["PIN"], shown["result"], shown["answer"]) == ("271828", None, None)
    told = (await installation.get("/events"))["events"][-1]
    assert (told["type"], told["device_id"], told["data"]["reason"]) == ("command.revealed", device, "it came back")
    assert told["data"]["command"] == command
    assert "271828" not in str(told)


async def test_an_answer_of_secrets_is_not_given_out_as_it_came(installation: Installation) -> None:
    device = await installation.device(platform=Platform.MACOS, os_version="15.2")
    sent = await installation.post("/commands", {"devices": [device], "request_type": "ActivationLockBypassCode"})
    command = sent["command_uuid"]
    body = report(device, command, Status.ACKNOWLEDGED, ActivationLockBypassCode="AB-CDE", PasscodePresent=True)
    await answer(installation, device, command, body, Status.ACKNOWLEDGED)
    result = (await installation.get(f"/commands/{command}"))["deliveries"][0]["result"]["result"]
    assert result == {"ActivationLockBypassCode": "(not shown)", "PasscodePresent": True}
    raw = await installation.api.get(f"/commands/{command}/result?device={device}")
    assert raw.status_code == 409
    assert "reveal" in raw.json()["detail"]
    shown = await installation.post(f"/commands/{command}/reveal", {"device": device, "reason": "it is locked"})
    assert shown["result"]["result"]["ActivationLockBypassCode"] == "AB-CDE"
    assert base64.b64decode(shown["answer"]) == body


async def test_an_error_is_told_in_the_devices_words(installation: Installation) -> None:
    device = await installation.device()
    command = (await installation.post("/commands", {"devices": [device], **INFORMATION}))["command_uuid"]
    chain = [{"ErrorCode": 12021, "ErrorDomain": "MCMDMErrorDomain", "LocalizedDescription": "Unbekannt"}]
    await answer(installation, device, command, report(device, command, Status.ERROR, ErrorChain=chain), Status.ERROR)
    result = (await installation.get(f"/commands/{command}"))["deliveries"][0]["result"]
    assert result["status"] == "Error"
    assert result["errors"] == [{"code": 12021, "domain": "MCMDMErrorDomain", "description": "Unbekannt"}]


async def test_an_answer_that_cannot_be_read_is_shown_as_such(installation: Installation) -> None:
    device = await installation.device()
    command = (await installation.post("/commands", {"devices": [device], **INFORMATION}))["command_uuid"]
    await answer(installation, device, command, b"not a property list", Status.ACKNOWLEDGED)
    result = (await installation.get(f"/commands/{command}"))["deliveries"][0]["result"]
    assert result["result"] == {}
    raw = await installation.api.get(f"/commands/{command}/result?device={device}")
    assert raw.content == b"not a property list"


async def test_commands_are_listed_newest_first_page_by_page(installation: Installation) -> None:
    device = await installation.device()
    sent = [(await installation.post("/commands", {"devices": [device], **INFORMATION}))["command_uuid"] for _ in "123"]
    first = await installation.get("/commands", limit=2)
    second = await installation.get("/commands", limit=2, before=first["next"])
    pages = [[each["command_uuid"] for each in page["commands"]] for page in (first, second)]
    assert pages == [[sent[2], sent[1]], [sent[0]]]
    assert second["next"] is None


async def test_commands_are_found_by_device_and_state(installation: Installation) -> None:
    one, two = await installation.device(), await installation.device()
    await installation.post("/commands", {"devices": [one], **INFORMATION})
    other = (await installation.post("/commands", {"devices": [two], **INFORMATION}))["command_uuid"]
    await installation.delete(f"/commands/{other}")
    assert [each["device_id"] for each in (await installation.get("/commands", device=one))["commands"]] == [one]
    assert [each["device_id"] for each in (await installation.get("/commands", state="open"))["commands"]] == [one]
    assert (await installation.get("/commands", state="cancelled", device=one))["commands"] == []
    assert (await installation.api.get("/commands?device=nobody")).status_code == 404


async def test_a_command_is_cancelled_for_one_device_or_all(installation: Installation) -> None:
    devices = [await installation.device() for _ in range(3)]
    command = (await installation.post("/commands", {"devices": devices, **INFORMATION}))["command_uuid"]
    assert await installation.delete(f"/commands/{command}", device=devices[0]) == {"cancelled": 1}
    assert await installation.delete(f"/commands/{command}") == {"cancelled": 2}
    assert await installation.delete(f"/commands/{command}") == {"cancelled": 0}


async def test_the_queue_of_a_device_is_cleared(installation: Installation) -> None:
    device = await installation.device()
    for _ in range(3):
        await installation.post("/commands", {"devices": [device], **INFORMATION})
    assert await installation.delete(f"/devices/{device}/commands") == {"cancelled": 3}
    assert (await installation.get(f"/devices/{device}"))["open_commands"] == 0


async def test_unknown_commands_are_404(installation: Installation) -> None:
    device = await installation.device()
    for method, path in (
        ("GET", "/commands/nothing"),
        ("DELETE", "/commands/nothing"),
        ("GET", f"/commands/nothing/result?device={device}"),
        ("GET", "/request-types/Nothing"),
    ):
        assert (await installation.api.request(method, path)).status_code == 404, path


async def test_neither_a_type_nor_a_property_list_is_refused(installation: Installation) -> None:
    device = await installation.device()
    for body in ({}, {"plist": base64.b64encode(b"x").decode()}, {"request_type": "X", "keys": {"RequestType": "Y"}}):
        response = await installation.api.post("/commands", json={"devices": [device], **body})
        assert response.status_code == 422, response.text


async def test_request_types_are_told_with_their_keys(installation: Installation) -> None:
    listed = (await installation.get("/request-types"))["request_types"]
    assert len(listed) > 60
    shown = await installation.get("/request-types/DeviceInformation")
    assert next(each for each in shown["keys"] if each["name"] == "Queries")["required"] is True
    assert shown["platforms"]["iOS"]["introduced"]
    response = await installation.api.get("/request-types/DeviceInformatoin")
    assert "did you mean DeviceInformation" in response.json()["detail"]


async def learned(installation: Installation, device: str, **told: object) -> None:
    """The device has answered to DeviceInformation."""
    sent = await installation.post("/commands", {"devices": [device], **INFORMATION})
    body = report(device, sent["command_uuid"], Status.ACKNOWLEDGED, QueryResponses=told)
    await answer(installation, device, sent["command_uuid"], body, Status.ACKNOWLEDGED)


async def test_a_device_that_is_known_to_be_unsupervised_does_not_get_what_needs_supervision(
    installation: Installation,
) -> None:
    devices = [await installation.device(platform=Platform.IOS, os_version="18.2") for _ in range(3)]
    await learned(installation, devices[0], IsSupervised=False)
    await learned(installation, devices[1], IsSupervised=True)
    await learned(installation, devices[1], DeviceName="Ada's iPad")
    sent = await installation.post("/commands", {"devices": devices, "request_type": "RestartDevice"})
    verdicts = {each["device"]: each for each in sent["devices"]}
    assert [verdicts[each]["verdict"] for each in devices] == ["not-eligible", "queued", "queued"]
    assert verdicts[devices[0]]["problem"] == "RestartDevice needs a supervised device on iOS"
    forced = {"devices": devices[:1], "request_type": "RestartDevice", "force": True}
    ((verdict),) = (await installation.post("/commands", forced))["devices"]
    assert (verdict["verdict"], verdict["queued"]) == ("forced", True)


async def test_a_dry_run_tells_the_verdicts_and_queues_nothing(installation: Installation) -> None:
    mac = await installation.device(platform=Platform.MACOS, os_version="14.0")
    phone = await installation.device(platform=Platform.IOS, os_version="18.2")
    asked = {"devices": [mac, phone, "nobody"], "request_type": "SetRecoveryLock", "keys": {"NewPassword": "x"}}
    sent = await installation.post("/commands", {**asked, "dry_run": True})
    assert {each["device"]: each["verdict"] for each in sent["devices"]} == {
        mac: "eligible",
        phone: "not-eligible",
        "nobody": "not-reachable",
    }
    assert sent["queued"] == 0
    assert (await installation.get("/commands"))["commands"] == []


async def test_a_query_means_the_connected_devices_that_fit(installation: Installation) -> None:
    old = await installation.device(platform=Platform.MACOS, os_version="15.2")
    await installation.device(platform=Platform.MACOS, os_version="15.3")
    await installation.device(platform=Platform.IOS, os_version="9.0")
    await installation.device(Phase.ENDED, platform=Platform.MACOS, os_version="15.2")
    asked = {"query": {"platform": "macOS", "os_below": "15.3"}, "request_type": "SecurityInfo"}
    sent = await installation.post("/commands", asked)
    assert [each["device"] for each in sent["devices"]] == [old]
    everybody = await installation.post("/commands", {"query": {}, "request_type": "SecurityInfo"})
    assert everybody["queued"] == 3
    for wrong in ({}, {"query": {"search": "nobody"}}, {"query": {"os_below": "latest"}}, {"query": {"model": "x"}}):
        response = await installation.api.post("/commands", json={**wrong, "request_type": "SecurityInfo"})
        assert response.status_code == 422, response.text


async def test_data_may_come_as_plain_base64(installation: Installation) -> None:
    device = await installation.device()
    keys = {"Payload": base64.b64encode(b"a profile").decode()}
    sent = await installation.post("/commands", {"devices": [device], "request_type": "InstallProfile", "keys": keys})
    body = await installation.corral.store.queue.command_body(sent["command_uuid"])
    assert body is not None
    assert plistlib.loads(body)["Command"]["Payload"] == b"a profile"


async def test_a_command_is_explained_for_a_device(installation: Installation) -> None:
    device = await installation.device(platform=Platform.IOS, os_version="18.2")
    await learned(installation, device, IsSupervised=False)
    shown = await installation.get("/request-types/EnableLostMode", device=device)
    assert shown["judged"]["target"]["supervised"] is False
    assert shown["judged"]["verdict"]["verdict"] == "not-eligible"
    assert "needs a supervised device" in shown["judged"]["verdict"]["problem"]
    assert shown["schema"]["properties"]["Message"] == {"type": "string"}
    shown = await installation.get("/request-types/InstallProfile", device=device)
    assert (shown["judged"]["verdict"]["verdict"], shown["judged"]["verdict"]["problem"]) == ("eligible", "")
    assert (await installation.get("/request-types/InstallProfile"))["judged"] is None
    assert (await installation.api.get("/request-types/InstallProfile?device=nobody")).status_code == 404


async def test_each_key_of_a_command_is_explained_for_a_device(installation: Installation) -> None:
    device = await installation.device(platform=Platform.IOS, os_version="15.0")
    await learned(installation, device, IsSupervised=False, IsMultiUser=False)
    shown = await installation.get("/request-types/DeviceInformation", device=device)
    ((names,),) = [each["keys"] for each in shown["keys"] if each["name"] == "Queries"]
    why = {each["name"]: each["passed_over"] for each in names["keys"]}
    assert (why["OSVersion"], why["HasBattery"]) == ("", "means nothing on iOS")
    assert why["ModelNumber"] == "exists since iOS 16.4, the target has 15.0"
    assert "needs a Shared iPad" in why["QuotaSize"]
    shown = await installation.get("/request-types/DeviceInformation")
    assert {each["passed_over"] for each in shown["keys"]} == {None}


async def test_commands_are_searched_by_name_key_platform_and_device(installation: Installation) -> None:
    async def names(**query: str) -> set[str]:
        return {each["request_type"] for each in (await installation.get("/request-types", **query))["request_types"]}

    assert await names(search="recoverylock") == {"SetRecoveryLock", "VerifyRecoveryLock"}
    assert {"DeviceLock", "EraseDevice"} <= await names(search="pin")
    assert "SetRecoveryLock" not in await names(platform="iOS")
    device = await installation.device(platform=Platform.IOS, os_version="18.2")
    await learned(installation, device, IsSupervised=False)
    assert not {"EnableLostMode", "SetRecoveryLock"} & await names(device=device)
    assert "DeviceLock" in await names(device=device)
