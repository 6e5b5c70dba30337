"""Automated Device Enrollment: a new device asks with what it signed, and gets its profile or what it has to do first.

Apple: "Automated Device Enrollment", "MachineInfo", and the "ErrorCode..." objects.
"""

import base64
import json
import plistlib
from dataclasses import replace

import pytest

from corral.apple.machine_info import write_machine_info
from corral.simulator.asking import MustSignIn, MustUpdate, read_demand
from corral.simulator.factory import machine_info
from corral.simulator.facts import Model
from corral.simulator.fetching import InstallationFailed
from corral.simulator.setup_assistant import set_up
from corral.simulator.trust import Trust
from corral.simulator.world import State
from corral.store.ade import AdeDevice, AdeServer, SyncState
from e2e.conftest import Start
from e2e.factory import ask, automated, made, rule
from e2e.installation import Installation, opened
from e2e.messages import check_in

PROFILE = "application/x-apple-aspen-config"


async def test_a_device_is_set_up_and_waits_for_its_configuration(corral: Installation) -> None:
    device = corral.device(awaiting_configuration=True)
    name = await rule(corral, device, do="admit")
    await set_up(device, made(corral, device), automated(corral))
    await device.settle()
    assert device.state is State.ENROLLED
    life = await corral.life(device)
    assert life["phase"] == "connected"
    assert life["admitted_by"].startswith("grant:")
    events = await corral.events(0)
    (admitted,) = [e for e in events if e["type"] == "enrollment.admitted" and e["device_id"] == device.facts.udid]
    assert admitted["data"]["kind"] == "automated"
    assert admitted["data"]["serial_number"] == device.facts.serial_number
    assert name in admitted["data"]["source"]


async def test_a_device_that_apple_lists_as_ours_is_admitted_without_a_rule(start: Start) -> None:
    at = await start()
    ours, former = at.device(), at.device()
    async with opened(at) as store:
        await store.ade.put_server(AdeServer(name="school", created_at=0, certificate_pem=b"", key_pem=b""))
        listed = AdeDevice(server="school", serial_number=ours.facts.serial_number, seen_at=0, profile_uuid="P1")
        gone = replace(listed, serial_number=former.facts.serial_number, deleted_at=0)
        await store.ade.take([listed, gone], SyncState(server="school"))
    await at.service.start()
    await set_up(ours, made(at, ours), automated(at))
    assert ours.state is State.ENROLLED
    (admitted,) = [each for each in await at.events(0) if each["type"] == "enrollment.admitted"]
    assert admitted["data"]["source"] == "assignment:school"
    with pytest.raises(InstallationFailed, match="not assigned"):
        await set_up(former, made(at, former), automated(at))


async def test_a_device_that_is_not_assigned_is_refused_and_its_person_and_operator_read_why(
    corral: Installation,
) -> None:
    device = corral.device()
    answer = await ask(corral, device)
    assert answer.status == 403
    assert b"not assigned to this organization" in answer.body
    await ask(corral, device)
    (told,) = [
        e for e in await corral.events(0) if e["type"] == "enrollment.refused" and e["device_id"] == device.facts.udid
    ]
    assert told["data"]["why"] == "no assignment is known for its serial number"
    with pytest.raises(InstallationFailed, match="403"):
        await set_up(device, made(corral, device), automated(corral))


async def test_a_device_updates_first_and_then_gets_its_profile(corral: Installation) -> None:
    device = corral.device(os_version="17.6.1")
    await rule(corral, device, do="admit")
    await rule(corral, device, do="require-update", minimum="18.2", build="22C152")
    answer = await ask(corral, device)
    assert (answer.status, answer.headers["content-type"]) == (403, "application/json")
    assert read_demand(answer) == MustUpdate("18.2", "22C152")
    assert json.loads(answer.body)["message"].startswith("This device needs version 18.2")
    await set_up(device, made(corral, device), automated(corral))
    assert (device.facts.os_version, device.state) == ("18.2", State.ENROLLED)


async def test_a_device_that_cannot_update_in_setup_assistant_is_let_on(corral: Installation) -> None:
    device = corral.device(os_version="16.7.10")
    await rule(corral, device, do="admit")
    await rule(corral, device, do="require-update", minimum="18.2")
    await set_up(device, made(corral, device), automated(corral))
    assert device.state is State.ENROLLED


async def test_a_mac_signs_in_by_platform_sso_first(corral: Installation) -> None:
    device = corral.device(Model.MAC, "15.2")
    await rule(corral, device, do="admit")
    sso = {
        "profile_url": "https://a.example/p",
        "auth_url": "https://a.example/s",
        "manifest_url": "https://a.example/m",
    }
    await rule(corral, device, do="require-platform-sso", **sso)
    offering = replace(machine_info(device.facts), can_request_platform_sso=True)
    assert read_demand(await ask(corral, device, offering)) == MustSignIn(*sso.values())
    asked: list[str] = []

    async def sign_in(url: str) -> str:
        asked.append(url)
        return "a token of an identity provider that is not ours"

    await set_up(device, made(corral, device), automated(corral), platform_sso=sign_in)
    assert asked == [sso["auth_url"]]
    assert device.state is State.ENROLLED


async def test_a_watch_is_asked_for_its_pairing_token(corral: Installation) -> None:
    device = corral.device()
    await rule(corral, device, do="admit")
    await rule(corral, device, do="require-pairing")
    watch = replace(machine_info(device.facts), product="Watch7,1", os_version="11.0")
    answer = await ask(corral, device, watch)
    assert answer.status == 403
    document = json.loads(answer.body)
    assert document["code"] == "com.apple.watch.pairing.token.missing"
    token = document["details"]["security-token"]
    assert len(token) == 36
    assert token == token.lower()
    for forged in (b"of the phone", token.encode()):
        assert (await ask(corral, device, replace(watch, pairing_token=forged))).status == 403
    phone = await corral.enrolled()
    wanted = {"SecurityToken": token, "PhoneUDID": phone.facts.udid, "WatchUDID": device.facts.udid}
    got = await check_in(phone, "GetToken", TokenServiceType="com.apple.watch.pairing", TokenParameters=wanted)
    assert got.status == 200
    given = plistlib.loads(got.body)["TokenData"]
    assert (await ask(corral, device, replace(watch, pairing_token=given))).status == 200
    other = replace(watch, udid="ANOTHER-WATCH", pairing_token=given)
    assert (await ask(corral, device, other)).status == 403


@pytest.mark.parametrize(("os_version", "by_document"), [("18.2", True), ("16.7.10", False)])
async def test_a_stranger_is_told_so_where_its_system_knows_the_document(
    corral: Installation, os_version: str, by_document: bool
) -> None:
    device = corral.device(os_version=os_version)
    await rule(corral, device, do="decline", unrecognized=True, message="Return it to the shop.")
    answer = await ask(corral, device)
    assert answer.status == 403
    assert b"Return it to the shop." in answer.body
    assert (b"com.apple.unrecognized.device" in answer.body) == by_document


async def test_a_blocked_device_is_refused_whatever_the_rules_say(corral: Installation) -> None:
    device = await corral.enrolled()
    await rule(corral, device, do="admit")
    await corral.post(f"/devices/{device.facts.udid}/block")
    assert (await ask(corral, device)).status == 403
    impostor = replace(machine_info(device.facts), udid="00008120-0000000000000BAD")
    assert (await ask(corral, device, impostor)).status == 403, "by its serial number as well"


async def test_a_device_that_asks_often_gets_one_grant(corral: Installation) -> None:
    device = corral.device()
    await rule(corral, device, do="admit")
    for _ in range(5):
        answer = await ask(corral, device)
        assert (answer.status, answer.headers["content-type"]) == (200, PROFILE)
    events = [e for e in await corral.events(0) if e["type"] == "enrollment.admitted"]
    assert len([e for e in events if e["device_id"] == device.facts.udid]) == 1


# Around it


async def test_apple_configurator_is_told_where_to_send_devices(corral: Installation) -> None:
    config = await corral.transport.request("GET", f"{corral.url}/MDMServiceConfig", trust=corral.trust)
    assert config.headers["content-type"] == "application/json"
    told = json.loads(config.body)
    assert told["dep_enrollment_url"] == automated(corral)
    anchors = await corral.transport.request("GET", told["dep_anchor_certs_url"], trust=corral.trust)
    roots = tuple(base64.b64decode(each) for each in json.loads(anchors.body))
    assert roots == corral.trust.roots
    device = corral.device()
    await rule(corral, device, do="admit")
    device.world = replace(device.world, trust=Trust(roots, system=False))
    await set_up(device, made(corral, device), told["dep_enrollment_url"])
    assert device.state is State.ENROLLED


async def test_the_policy_is_tried_out_without_doing_it(corral: Installation) -> None:
    device = corral.device(os_version="17.6.1")
    name = await rule(corral, device, do="require-update", minimum="18.2")
    info = base64.b64encode(write_machine_info(machine_info(device.facts))).decode()
    before = await corral.cursor()
    tried = await corral.post("/policy/test", machine_info=info)
    ways = {each["way"]: each for each in tried["ways"]}
    assert (ways["automated"]["admitted"], ways["automated"]["rule"], tried["assigned"]) == (False, name, False)
    assert ways["automated"]["document"]["details"]["OSVersion"] == "18.2"
    assert ways["automated-web"]["step"] == "before the sign-in"
    assert (ways["link"]["admitted"], ways["account-user"]["why"]) == (True, "nobody is signed in")
    assert await corral.cursor() == before
    enrolled = await corral.enrolled()
    tried = await corral.post("/policy/test", device=enrolled.facts.serial_number, way="link")
    assert ([each["admitted"] for each in tried["ways"]], tried["standing"]) == ([True], "connected")


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ([{"name": "a", "then": {"do": "admit"}}] * 2, "Two rules"),
        ([{"name": "a", "then": {"do": "let-in"}}], "let-in"),
        ([{"name": "a", "when": {"serial": ["X"]}, "then": {"do": "admit"}}], "serial"),
        ([{"name": "a", "then": {"do": "require-update", "minimum": "newest"}}], "version"),
        (
            [
                {
                    "name": "a",
                    "then": {
                        "do": "require-platform-sso",
                        "profile_url": "http://a",
                        "auth_url": "https://b",
                        "manifest_url": "https://c",
                    },
                }
            ],
            "profile_url",
        ),
    ],
)
async def test_a_policy_that_is_wrong_is_refused_and_changes_nothing(
    corral: Installation, rules: list[object], says: str
) -> None:
    before = await corral.get("/policy")
    answer = await corral.api.put("/policy", json={"rules": rules})
    assert answer.status_code == 422
    assert says in answer.text
    assert await corral.get("/policy") == before
