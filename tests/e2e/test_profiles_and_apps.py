"""Profiles and apps from a person to devices and back, with whole processes and devices that obey."""

from base64 import b64encode
from typing import Any

import pytest

from corral.simulator.device import Device
from corral.simulator.facts import Model
from e2e.conftest import DATABASES, over_each
from e2e.installation import Installation, until
from samples import profile

corral = pytest.fixture(params=DATABASES)(over_each)


async def standing(corral: Installation, device: Device, identifier: str) -> str:
    found = (await corral.get(f"/devices/{device.facts.udid}/profiles"))["profiles"]
    return next((each["standing"] for each in found if each["identifier"] == identifier), "")


async def add(corral: Installation, content: bytes) -> Any:
    return await corral.post("/profiles", content=b64encode(content).decode())


async def test_a_profile_is_installed_updated_seen_to_drift_and_removed(corral: Installation) -> None:
    """Apple: "Install Profile Command", "Profile List Command", "Remove Profile Command"."""
    name = "org.example.e2e.wifi"
    devices = [await corral.enrolled(Model.MAC, "15.2", quiet=False), await corral.enrolled(quiet=False)]
    udids = [each.facts.udid for each in devices]
    await add(corral, profile(name))
    sent = await corral.post(f"/profiles/{name}/install", devices=udids)
    assert sent["queued"] == 2

    async def all_are(wanted: str) -> bool:
        return {await standing(corral, each, name) for each in devices} == {wanted}

    await until(lambda: all_are("installed"))
    second = await add(corral, profile(name, "9C0F-2", Password="another"))
    assert second["version"]["number"] == 2
    await corral.post(f"/profiles/{name}/install", devices=udids)
    await until(lambda: all_are("installed"))
    assert {each.contents.profiles[name].uuid for each in devices} == {"9C0F-2"}
    devices[0].contents.profiles.clear()
    await corral.send(devices[0], "ProfileList")
    await until(lambda: _is(corral, devices[0], name, "missing"))
    drifted = [each for each in (await corral.get(f"/profiles/{name}/devices"))["devices"] if each["drift"]]
    assert [each["device"] for each in drifted] == udids[:1]
    await corral.post(f"/profiles/{name}/remove", devices=udids[1:])
    await until(lambda: _is(corral, devices[1], name, "removed"))
    assert devices[1].contents.profiles == {}


async def _is(corral: Installation, device: Device, identifier: str, wanted: str) -> bool:
    return await standing(corral, device, identifier) == wanted


async def test_a_profile_that_a_device_refuses_is_seen_as_failed(corral: Installation) -> None:
    name = "org.example.e2e.bad"
    device = await corral.enrolled(quiet=False)
    bad = profile(name, SSID_STR=5)
    await corral.post("/profiles", content=b64encode(bad).decode(), force=True)
    refused = await corral.post(f"/profiles/{name}/install", devices=[device.facts.udid])
    assert [each["verdict"] for each in refused["devices"]] == ["not-eligible"]
    forced = await corral.post(f"/profiles/{name}/install", devices=[device.facts.udid], force=True)
    assert [each["verdict"] for each in forced["devices"]] == ["forced"]
    await until(lambda: _is(corral, device, name, "failed"))
    assert device.contents.profiles == {}


async def test_the_profile_of_the_enrollment_is_neither_replaced_nor_removed(corral: Installation) -> None:
    device = await corral.enrolled(quiet=False)
    assert device.enrollment is not None
    own = device.enrollment.profile.identifier
    await add(corral, profile(own))
    for verb in ("install", "remove"):
        (verdict,) = (await corral.post(f"/profiles/{own}/{verb}", devices=[device.facts.udid], force=True))["devices"]
        assert (verdict["queued"], verdict["verdict"]) == (False, "not-eligible")
    assert await standing(corral, device, own) == ""
    await corral.send(device, "ProfileList")
    await until(lambda: _is(corral, device, own, "enrollment"))


async def test_an_app_is_installed_by_its_manifest_and_removed(corral: Installation) -> None:
    """Apple: "Install Application Command", "Managed Application List Command"."""
    device = await corral.enrolled(quiet=False)
    package = {"url": "https://files.example.org/a.ipa", "size": 1, "chunk_size": 1, "sha256s": ["0" * 64]}
    named = {"kind": "mobile", "bundle_id": "org.example.e2e.app", "version": "1", "title": "Example"}
    await corral.post("/apps", **named, package=package)
    path = f"/devices/{device.facts.udid}/apps"
    await corral.post(f"/apps/{named['bundle_id']}/install", devices=[device.facts.udid])

    async def statuses() -> dict[str, str]:
        return {each["bundle_id"]: each["status"] for each in (await corral.get(path))["apps"]}

    async def is_managed() -> bool:
        return await statuses() == {named["bundle_id"]: "Managed"}

    await until(is_managed)
    await corral.post(f"/apps/{named['bundle_id']}/remove", devices=[device.facts.udid])

    async def is_gone() -> bool:
        return await statuses() == {}

    await until(is_gone)


async def test_what_a_device_says_of_its_supervision_decides_what_it_gets(corral: Installation) -> None:
    device = await corral.enrolled(quiet=False)
    await corral.send(device, "RestartDevice")  # nothing is known yet, so it is asked, and refuses
    uuid = await corral.send(device, "DeviceInformation", Queries=["IsSupervised"])

    async def answered() -> bool:
        return (await corral.outcome(uuid))["result"] is not None

    await until(answered)
    asked = {"devices": [device.facts.udid], "request_type": "RestartDevice"}
    (verdict,) = (await corral.post("/commands", **asked))["devices"]
    assert (verdict["verdict"], verdict["problem"]) == (
        "not-eligible",
        "RestartDevice needs a supervised device on iOS",
    )
    assert device.contents.restarts == 0
