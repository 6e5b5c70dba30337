"""Profiles over the API: linted, kept in versions, put onto devices, and compared with what these have."""

import base64
import plistlib
from typing import Any

import httpx
import pytest

from corral.apple.platform import Platform
from corral.apple.report import Status
from corral.pki import cms
from corral.store.devices import Ask, Contact
from inprocess import Installation
from samples import PROFILE, profile

WIFI = "org.example.wifi"


def coded(content: bytes) -> str:
    return base64.b64encode(content).decode()


async def add(installation: Installation, content: bytes = PROFILE, **more: Any) -> Any:
    return await installation.post("/profiles", {"content": coded(content), **more})


async def refused(installation: Installation, path: str, status: int = 422, **body: Any) -> str:
    response = await installation.api.post(path, json=body)
    assert response.status_code == status, response.text
    return response.json()["detail"]


async def report(installation: Installation, device: str, command: str, status: Status, **keys: Any) -> None:
    contact = Contact(fingerprint=int(device[1:]).to_bytes(32, "big"), device_id=device, command_uuid=command)
    body = plistlib.dumps({"UDID": device, "CommandUUID": command, "Status": str(status), **keys})
    await installation.corral.store.devices.exchange(
        Ask(contact=contact, status=status, now=installation.now, body=body, push_again_at=installation.now)
    )
    installation.now += 1000


async def obey(installation: Installation, device: str, *has: tuple[str, str]) -> None:
    """The device takes all that is open, and lists these as its profiles."""
    listed = [{"PayloadIdentifier": identifier, "PayloadUUID": uuid, "IsManaged": True} for identifier, uuid in has]
    found = await installation.get("/commands", device=device, state="open")
    for each in reversed(found["commands"]):
        keys = {"ProfileList": listed} if each["request_type"] == "ProfileList" else {}
        await report(installation, device, each["command_uuid"], Status.ACKNOWLEDGED, **keys)


async def standings(installation: Installation, device: str) -> dict[str, str]:
    found = await installation.get(f"/devices/{device}/profiles")
    return {each["identifier"]: each["standing"] for each in found["profiles"]}


async def test_a_profile_is_kept_in_versions(installation: Installation) -> None:
    first = await add(installation, note="first")
    assert (first["profile"]["identifier"], first["profile"]["name"]) == (WIFI, "Office Wi-Fi")
    assert (first["version"]["number"], first["is_new"], first["findings"]) == (1, True, [])
    again = await add(installation)
    assert (again["version"]["number"], again["is_new"]) == (1, False)
    second = await add(installation, profile(uuid="9C0F-2", Password="another"), name="Office")
    assert (second["version"]["number"], second["uuid_changed"]) == (2, False)
    shown = await installation.get(f"/profiles/{WIFI}")
    assert [each["number"] for each in shown["versions"]] == [2, 1]
    assert shown["profile"]["name"] == "Office"
    assert (await installation.get("/profiles"))["profiles"] == [shown["profile"]]
    kinds = [each["type"] for each in (await installation.get("/events"))["events"]]
    assert kinds.count("profile.added") == 2


async def test_a_new_version_is_put_only_onto_what_was_seen(installation: Installation) -> None:
    await add(installation)
    path = f"/profiles/{WIFI}"

    async def put(match: str, content: bytes) -> httpx.Response:
        return await installation.api.put(path, json={"content": coded(content)}, headers={"if-match": match})

    seen = (await installation.api.get(path)).headers["etag"]
    second = await put(seen, PROFILE + b" ")
    assert (second.status_code, second.json()["version"]["number"]) == (200, 2)
    late = await put(seen, PROFILE + b"  ")
    assert (late.status_code, (await installation.get(path))["profile"]["latest"]) == (412, 2)
    assert (await installation.api.delete(path, headers={"if-match": seen})).status_code == 412
    other = await put("*", PROFILE.replace(WIFI.encode(), b"org.example.vpn"))
    assert (other.status_code, "no version of" in other.json()["detail"]) == (422, True)
    missing = await installation.api.put("/profiles/org.example.vpn", json={"content": coded(PROFILE)})
    assert missing.status_code == 404


async def test_two_versions_never_have_one_uuid(installation: Installation) -> None:
    await add(installation)
    second = await add(installation, profile(Password="another"))
    assert second["uuid_changed"] is True
    assert second["version"]["payload_uuid"] != "9C0F-1"
    content = (await installation.api.get(f"/profiles/{WIFI}/content")).content
    assert plistlib.loads(content)["PayloadUUID"] == second["version"]["payload_uuid"]


async def test_a_signature_is_checked_and_taken_off(installation: Installation) -> None:
    authority = installation.corral.authorities.current
    signed = cms.sign(PROFILE, authority.certificate, authority.key)
    assert (await add(installation, signed))["version"]["size"] == len(PROFILE)
    broken = signed.replace(b"correct horse", b"correct mouse")
    assert "signature" in await refused(installation, "/profiles", content=coded(broken))


async def test_content_is_given_out_with_an_event_and_never_listed(installation: Installation) -> None:
    await add(installation)
    assert (await installation.api.get(f"/profiles/{WIFI}/content?version=1")).content == PROFILE
    told = (await installation.get("/events"))["events"][-1]
    assert (told["type"], told["data"]["identifier"], told["data"]["version"]) == ("profile.shown", WIFI, 1)
    for path in ("/profiles", f"/profiles/{WIFI}", f"/profiles/{WIFI}/devices"):
        assert "horse" not in (await installation.api.get(path)).text
    assert (await installation.api.get(f"/profiles/{WIFI}/content?version=7")).status_code == 404


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "neither a property list nor"),
        (b"<plist", "cannot be read"),
        (plistlib.dumps({"PayloadType": "Other"}), "no configuration profile"),
        (plistlib.dumps({"PayloadType": "Configuration"}), "PayloadIdentifier"),
        (profile(SSID_STR=5), "Devices would refuse this profile: PayloadContent[0].SSID_STR must be of type string"),
    ],
)
async def test_what_is_no_good_profile_is_refused(installation: Installation, content: bytes, told: str) -> None:
    assert told in await refused(installation, "/profiles", content=coded(content))
    assert (await installation.get("/profiles"))["profiles"] == []


async def test_a_bad_profile_is_kept_with_force(installation: Installation) -> None:
    kept = await add(installation, profile(SSID_STR=5), force=True)
    assert kept["findings"][0]["where"] == "PayloadContent[0].SSID_STR"


async def test_lint_tells_all_for_a_device_or_for_what_is_said_of_one(installation: Installation) -> None:
    dock = profile(PayloadType="com.apple.dock")
    linted = await installation.post("/profiles/lint", {"content": coded(dock)})
    assert (linted["identifier"], linted["errors"]) == (WIFI, 0)
    assert linted["warnings"] >= 1
    linted = await installation.post("/profiles/lint", {"content": coded(dock), "platform": "iOS"})
    assert linted["errors"] == 1
    device = await installation.device(platform=Platform.IOS, os_version="18.2")
    linted = await installation.post("/profiles/lint", {"content": coded(dock), "device": device})
    assert "does not exist on iOS" in linted["findings"][0]["what"]


async def test_a_profile_goes_to_devices_signed_and_each_has_its_verdict(installation: Installation) -> None:
    await add(installation, profile(PayloadType="com.apple.dock"))
    mac = await installation.device(platform=Platform.MACOS, os_version="15.2")
    phone = await installation.device(platform=Platform.IOS, os_version="18.2")
    asked = {"devices": [mac, phone]}
    dry = await installation.post(f"/profiles/{WIFI}/install", {**asked, "dry_run": True})
    assert (dry["queued"], dry["version"]) == (0, 1)
    sent = await installation.post(f"/profiles/{WIFI}/install", asked)
    verdicts = {each["device"]: each for each in sent["devices"]}
    assert (verdicts[mac]["verdict"], verdicts[phone]["verdict"]) == ("queued", "not-eligible")
    assert "com.apple.dock does not exist on iOS" in verdicts[phone]["problem"]
    body = await installation.corral.store.queue.command_body(sent["command_uuid"])
    assert body is not None
    payload = plistlib.loads(body)["Command"]["Payload"]
    content, signature = cms.verify_attached(payload)
    assert plistlib.loads(content)["PayloadIdentifier"] == WIFI
    assert signature.certificate == installation.corral.authorities.current.der
    queued = await installation.get("/commands", device=mac)
    assert [each["request_type"] for each in queued["commands"]] == ["ProfileList", "InstallProfile"]


async def test_what_a_mac_says_of_its_users_approval_decides_what_it_gets(installation: Installation) -> None:
    await add(installation, profile(PayloadType="com.apple.system-extension-policy"))
    macs = [await installation.device(platform=Platform.MACOS, os_version="15.2") for _ in "123"]
    for mac, approved in zip(macs, (False, True), strict=False):
        sent = await installation.post("/commands", {"devices": [mac], "request_type": "SecurityInfo"})
        status = {"ManagementStatus": {"UserApprovedEnrollment": approved}}
        await report(installation, mac, sent["command_uuid"], Status.ACKNOWLEDGED, SecurityInfo=status)
    sent = await installation.post(f"/profiles/{WIFI}/install", {"devices": macs})
    verdicts = {each["device"]: each for each in sent["devices"]}
    assert [verdicts[each]["verdict"] for each in macs] == ["not-eligible", "queued", "queued"]
    assert "the user of the Mac has approved" in verdicts[macs[0]]["problem"]


async def test_what_a_device_has_is_what_it_says(installation: Installation) -> None:
    await add(installation)
    device = await installation.device(platform=Platform.MACOS, os_version="15.2")
    assert await installation.get(f"/devices/{device}/profiles") == {"device": device, "as_of": None, "profiles": []}
    await installation.post(f"/profiles/{WIFI}/install", {"devices": [device]})
    assert await standings(installation, device) == {WIFI: "pending"}
    await obey(installation, device, (WIFI, "9C0F-1"), ("org.example.other", "X"))
    assert await standings(installation, device) == {WIFI: "installed", "org.example.other": "not-ours"}
    await add(installation, profile(uuid="9C0F-2", Password="another"))
    await installation.post(f"/profiles/{WIFI}/install", {"devices": [device]})
    await obey(installation, device, (WIFI, "9C0F-1"))
    (found,) = (await installation.get(f"/profiles/{WIFI}/devices"))["devices"]
    assert (found["device"], found["standing"], found["drift"]) == (device, "other-version", True)
    for standing, count in (("other-version", 1), ("failed, other-version", 1), ("failed", 0), ("drift", 1)):
        page = await installation.get(f"/profiles/{WIFI}/devices", standing=standing)
        assert (len(page["devices"]), page["next"]) == (count, None)
    refused = await installation.api.get(f"/profiles/{WIFI}/devices?standing=odd")
    assert refused.status_code == 422
    assert "'odd' is no standing; there are drift, enrollment, failed" in refused.json()["detail"]
    assert (found["wanted_version"], found["present_uuid"]) == (2, "9C0F-1")
    await installation.post("/commands", {"devices": [device], "request_type": "ProfileList"})
    await obey(installation, device, (WIFI, "9C0F-2"))
    assert await standings(installation, device) == {WIFI: "installed"}
    await installation.post("/commands", {"devices": [device], "request_type": "ProfileList"})
    await obey(installation, device)
    assert await standings(installation, device) == {WIFI: "missing"}


async def test_a_profile_is_removed_and_seen_to_be_gone(installation: Installation) -> None:
    await add(installation)
    device = await installation.device(platform=Platform.MACOS, os_version="15.2")
    await installation.post(f"/profiles/{WIFI}/install", {"devices": [device]})
    await obey(installation, device, (WIFI, "9C0F-1"))
    assert "wanted on a device" in (await installation.api.delete(f"/profiles/{WIFI}")).json()["detail"]
    removed = await installation.post(f"/profiles/{WIFI}/remove", {"devices": [device]})
    assert (removed["queued"], removed["version"]) == (1, None)
    await obey(installation, device, (WIFI, "9C0F-1"))
    assert await standings(installation, device) == {WIFI: "still-there"}
    await installation.post("/commands", {"devices": [device], "request_type": "ProfileList"})
    await obey(installation, device)
    assert await standings(installation, device) == {WIFI: "removed"}
    await installation.delete(f"/profiles/{WIFI}")
    assert (await installation.get("/profiles"))["profiles"] == []
    assert (await installation.api.get(f"/profiles/{WIFI}")).status_code == 404


async def test_a_refusal_of_the_device_is_seen_and_what_was_not_confirmed_too(installation: Installation) -> None:
    await add(installation)
    one, two = [await installation.device(platform=Platform.MACOS, os_version="15.2") for _ in "12"]
    sent = await installation.post(f"/profiles/{WIFI}/install", {"devices": [one, two]})
    await report(installation, one, sent["command_uuid"], Status.ERROR)
    await report(installation, two, sent["command_uuid"], Status.ACKNOWLEDGED)
    assert await standings(installation, one) == {WIFI: "failed"}
    assert await standings(installation, two) == {WIFI: "unconfirmed"}


async def test_a_query_installs_on_all_that_fit(installation: Installation) -> None:
    await add(installation)
    macs = [await installation.device(platform=Platform.MACOS, os_version=each) for each in ("15.2", "15.3")]
    sent = await installation.post(f"/profiles/{WIFI}/install", {"query": {"os_below": "15.3"}})
    assert [each["device"] for each in sent["devices"]] == macs[:1]
    assert "fits the query" in await refused(installation, f"/profiles/{WIFI}/install", query={"platform": "tvOS"})
