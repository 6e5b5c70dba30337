"""In-house apps over the API: kept with a manifest, put onto devices that take it, and seen there."""

import plistlib
from typing import Any

import httpx
import pytest

from corral.apple.app_manifest import read_manifest
from corral.apple.platform import Platform
from corral.apple.report import Status
from corral.store.devices import Ask, Contact
from inprocess import Installation

APP = {"kind": "mobile", "bundle_id": "org.example.app", "version": "1.2", "title": "Example", "minimum_os": "17.0"}
PACKAGE = {"url": "https://files.example.org/app.ipa", "size": 15, "chunk_size": 10, "sha256s": ["a" * 64, "b" * 64]}
MAC = {**APP, "kind": "mac", "bundle_id": "org.example.mac", "minimum_os": ""}


async def add(installation: Installation, **more: Any) -> Any:
    return await installation.post("/apps", {**APP, "package": PACKAGE, **more})


async def sent_keys(installation: Installation, command: str) -> Any:
    body = await installation.corral.store.queue.command_body(command)
    assert body is not None
    return plistlib.loads(body)["Command"]


async def test_an_app_is_kept_with_a_manifest_that_devices_get_at_an_address_nobody_guesses(
    installation: Installation,
) -> None:
    app = await add(installation)
    transport = httpx.ASGITransport(installation.corral.device_app)  # pyright: ignore[reportArgumentType] - as Starlette has it
    async with httpx.AsyncClient(transport=transport, base_url="https://mdm.example.org") as device:
        response = await device.get(app["manifest_url"])
        assert (response.status_code, response.headers["content-type"]) == (200, "application/xml")
        manifest = read_manifest(response.content)
        assert (manifest.bundle_id, manifest.package.url) == ("org.example.app", PACKAGE["url"])
        for wrong in (app["manifest_url"].replace(app["id"], "0" * 12), f"/apps/{app['id']}/{'0' * 40}/manifest.plist"):
            assert (await device.get(wrong)).status_code == 404
    assert (await installation.api.get(f"/apps/{app['id']}/manifest")).content == response.content
    assert [each["type"] for each in (await installation.get("/events"))["events"]][-1] == "app.added"


async def test_archives_go_to_all_but_macs_and_packages_to_macs(installation: Installation) -> None:
    phone = await installation.device(platform=Platform.IOS, os_version="18.2")
    old = await installation.device(platform=Platform.IOS, os_version="16.7.10")
    mac = await installation.device(platform=Platform.MACOS, os_version="15.2")
    app = await add(installation)
    sent = await installation.post("/apps/org.example.app/install", {"devices": [phone, old, mac]})
    verdicts = {each["device"]: each for each in sent["devices"]}
    assert [verdicts[each]["verdict"] for each in (phone, old, mac)] == ["queued", "not-eligible", "not-eligible"]
    assert "needs version 17.0, the target has 16.7.10" in verdicts[old]["problem"]
    assert await sent_keys(installation, sent["command_uuid"]) == {
        "RequestType": "InstallApplication",
        "ManagementFlags": 1,
        "ManifestURL": app["manifest_url"],
    }
    await add(installation, **MAC)
    sent = await installation.post("/apps/org.example.mac/install", {"devices": [mac, phone]})
    verdicts = {each["device"]: each for each in sent["devices"]}
    assert [verdicts[each]["verdict"] for each in (mac, phone)] == ["queued", "not-eligible"]
    keys = await sent_keys(installation, sent["command_uuid"])
    assert (keys["RequestType"], keys["InstallAsManaged"]) == ("InstallEnterpriseApplication", True)
    assert keys["Manifest"]["items"][0]["metadata"]["bundle-identifier"] == "org.example.mac"
    queued = [each["request_type"] for each in (await installation.get("/commands", device=mac))["commands"]]
    assert queued == ["ManagedApplicationList", "InstallEnterpriseApplication"]


async def test_a_manifest_that_is_hosted_elsewhere_is_named(installation: Installation) -> None:
    mac = await installation.device(platform=Platform.MACOS, os_version="15.2")
    url = "https://files.example.org/manifest.plist"
    app = await installation.post("/apps", {**MAC, "manifest_url": url})
    assert app["manifest_url"] == url
    options = {"devices": [mac], "managed": False, "configuration": {"Server": "a.example", "Key": {"$data": "AAEC"}}}
    sent = await installation.post(f"/apps/{app['id']}/install", options)
    assert await sent_keys(installation, sent["command_uuid"]) == {
        "RequestType": "InstallEnterpriseApplication",
        "Configuration": {"Server": "a.example", "Key": b"\0\1\2"},
        "ManifestURL": url,
    }
    assert (await installation.api.get(f"/apps/{app['id']}/manifest")).status_code == 404


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "either a package"),
        ({"package": PACKAGE, "manifest_url": "https://a.example/"}, "either a package"),
        ({"manifest_url": "http://a.example/"}, "https only"),
        ({"package": {**PACKAGE, "url": "http://a.example/app.ipa"}}, "https only"),
        ({"package": {**PACKAGE, "sha256s": ["a" * 64]}}, "1 digests sha256 for 2 chunks"),
        ({"manifest_url": "https://a.example/", "bundle_id": ""}, "bundle_id must be text"),
        ({"manifest_url": "https://a.example/", "kind": "watch"}, "kind"),
    ],
)
async def test_what_no_device_could_install_is_not_kept(
    installation: Installation, body: dict[str, Any], told: str
) -> None:
    response = await installation.api.post("/apps", json={**APP, **body})
    assert (response.status_code, told in response.json()["detail"]) == (422, True), response.text
    assert (await installation.get("/apps"))["apps"] == []


async def test_the_managed_apps_of_a_device_are_those_that_it_tells(installation: Installation) -> None:
    device = await installation.device(platform=Platform.IOS, os_version="18.2")
    await add(installation)
    assert await installation.get(f"/devices/{device}/apps") == {"device": device, "as_of": None, "apps": []}
    await installation.post("/apps/org.example.app/remove", {"devices": [device]})
    for each in (await installation.get("/commands", device=device))["commands"]:
        listed = {"org.example.app": {"Status": "Managed", "ManagementFlags": 1, "HasConfiguration": False}, "x": 5}
        keys = {"ManagedApplicationList": listed} if each["request_type"] == "ManagedApplicationList" else {}
        body = plistlib.dumps({"UDID": device, "CommandUUID": each["command_uuid"], "Status": "Acknowledged", **keys})
        who = Contact(
            fingerprint=int(device[1:]).to_bytes(32, "big"), device_id=device, command_uuid=each["command_uuid"]
        )
        now = installation.now
        await installation.corral.store.devices.exchange(
            Ask(contact=who, status=Status.ACKNOWLEDGED, now=now, body=body, push_again_at=now)
        )
    shown = await installation.get(f"/devices/{device}/apps")
    assert shown["as_of"] is not None
    assert shown["apps"] == [
        {"bundle_id": "org.example.app", "status": "Managed", "flags": 1, "has_configuration": False}
    ]


async def test_an_app_is_forgotten(installation: Installation) -> None:
    app = await add(installation)
    assert [each["id"] for each in (await installation.get("/apps"))["apps"]] == [app["id"]]
    await installation.delete(f"/apps/{app['id']}")
    assert (await installation.api.get(f"/apps/{app['id']}")).status_code == 404
