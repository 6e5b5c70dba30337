"""What devices tell of themselves: in the schema's keys and types, only what was asked for, and true to their state."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

import samples
from corral.apple import catalog
from corral.apple.catalog import KeySpec, Target
from corral.apple.catalog.having import has
from corral.apple.catalog.keys import check_keys
from corral.apple.platform import Platform
from corral.apple.plist import PlistValue
from corral.simulator.behaviour import User
from corral.simulator.device import Device
from corral.simulator.facts import Model
from corral.simulator.installed_apps import App
from corral.simulator.life_events import install_app, let_days_pass, remove_app, turn_filevault

from .conftest import Stage
from .test_device import wake

EVERYTHING = [each.name for key in catalog.spec("DeviceInformation").keys for item in key.keys for each in item.keys]  # pyright: ignore[reportOptionalMemberAccess] - it is there
REPORTS: Mapping[str, Mapping[str, Any]] = {
    "AvailableOSUpdates": {},
    "CertificateList": {},
    "DeviceInformation": {"Queries": [*EVERYTHING, "NoSuchThing"]},
    "InstalledApplicationList": {},
    "ManagedApplicationList": {},
    "OSUpdateStatus": {},
    "ProfileList": {},
    "Restrictions": {"ProfileRestrictions": True},
    "SecurityInfo": {},
    "UserList": {},
}
SYSTEMS = {
    Model.APPLE_TV: "18.2",
    Model.IPAD: "17.6.1",
    Model.IPHONE: "18.2",
    Model.MAC: "14.6.1",
    Model.VISION: "2.2",
    Model.WATCH: "11.2",
}
ENVELOPE = {"UDID", "CommandUUID", "Status"}


def faults(specs: Sequence[KeySpec], keys: Mapping[str, Any], target: Target) -> Iterator[str]:
    """What speaks against an answer, but that a system tells what it is about to give up."""
    free = [each for each in specs if each.name.startswith("ANY ")]
    if not free:
        there = [replace(each, keys=()) if _varies(each) else each for each in specs if has(each, target)]
        found = check_keys(there, keys, target, "")
        yield from (str(each) for each in found if keys and "is deprecated" not in each.what)
    for name, value in keys.items():
        for each in free or [spec for spec in specs if spec.name == name and _varies(spec)]:
            yield from faults(each.keys, value, target)


def _varies(spec: KeySpec) -> bool:
    """Whether there is a dictionary in it whose keys are names of apps, profiles or restrictions."""
    return any(each.name.startswith("ANY ") or _varies(each) for each in spec.keys)


async def ask(stage: Stage, device: Device, request_type: str, **keys: PlistValue) -> dict[str, Any]:
    """The answer's own keys; empty unless it was acknowledged."""
    stage.service.queue(request_type, **keys)
    await wake(stage, device)
    heard = stage.service.heard[-1]
    return {name: value for name, value in heard.keys.items() if name not in ENVELOPE} if heard.kind != "Error" else {}


async def inform(stage: Stage, device: Device, *queries: str) -> dict[str, Any]:
    return (await ask(stage, device, "DeviceInformation", Queries=list(queries)))["QueryResponses"]


@pytest.mark.parametrize("model", sorted(SYSTEMS))
@pytest.mark.parametrize("supervised", [False, True])
async def test_all_that_a_device_tells_is_as_the_schema_says(stage: Stage, model: Model, supervised: bool) -> None:
    """Apple's schema, of each answer: the keys of this system and channel, of their types, and none that is missing."""
    device = await stage.enrolled(model, SYSTEMS[model], supervised=supervised)
    for profile in (
        samples.profile(),
        samples.profile("org.example.limits", PayloadType="com.apple.applicationaccess"),
    ):
        stage.service.queue("InstallProfile", Payload=profile)
    stage.service.queue("InstallApplication", Identifier="org.example.app")
    await wake(stage, device)
    target = catalog.Target(device.facts.platform, device.facts.os_version, supervised=supervised, shared_ipad=False)
    told: set[str] = set()
    for request_type in sorted(REPORTS):
        answer = await ask(stage, device, request_type, **REPORTS[request_type])
        refused = any(
            each.severity == "error" for each in catalog.check(request_type, REPORTS[request_type], target)
        ) or (request_type == "UserList" and model is not Model.MAC)
        assert not answer if refused else answer, request_type
        assert list(faults(catalog.answer_keys(request_type), answer, target)) == [], request_type
        told |= {request_type} if answer else set()
    assert {"DeviceInformation", "SecurityInfo", "InstalledApplicationList", "ProfileList", "CertificateList"} <= told


async def test_a_device_answers_the_queries_that_it_was_asked_and_knows(stage: Stage) -> None:
    mac = await stage.enrolled(Model.MAC, "14.6.1")
    assert await inform(stage, mac, "OSVersion", "IMEI", "HostName", "TimeZone") == {
        "OSVersion": "14.6.1",
        "HostName": f"{mac.facts.serial_number.lower()}.local",
    }, "Macs tell their time zone since macOS 26, and never an IMEI"
    phone = await stage.enrolled(Model.IPHONE)
    assert set(await inform(stage, phone, "OSVersion", "IMEI", "HostName")) == {"OSVersion", "IMEI"}
    assert await ask(stage, phone, "DeviceInformation", Queries=[]) == {"QueryResponses": {}}


async def test_what_somebody_sets_is_told_from_then_on(stage: Stage) -> None:
    device = await stage.enrolled(Model.IPAD, supervised=True)
    items: list[PlistValue] = [
        {"Item": "DeviceName", "DeviceName": "Till 4"},
        {"Item": "TimeZone", "TimeZone": "Asia/Tokyo"},
    ]
    stage.service.queue("Settings", Settings=items)
    await wake(stage, device)
    assert await inform(stage, device, "DeviceName", "TimeZone", "IsSupervised", "IsMDMLostModeEnabled") == {
        "DeviceName": "Till 4",
        "TimeZone": "Asia/Tokyo",
        "IsSupervised": True,
        "IsMDMLostModeEnabled": False,
    }
    stage.service.queue("EnableLostMode", Message="Call us")
    assert await inform(stage, device, "IsMDMLostModeEnabled") == {"IsMDMLostModeEnabled": True}


async def test_filevault_is_as_somebody_has_turned_it(stage: Stage) -> None:
    mac = await stage.enrolled(Model.MAC, "15.2")
    for on in (False, True):
        turn_filevault(mac, on)
        told = (await ask(stage, mac, "SecurityInfo"))["SecurityInfo"]
        assert (told["FDE_Enabled"], told["FDE_HasPersonalRecoveryKey"]) == (on, on)


async def test_apps_come_and_go(stage: Stage) -> None:
    device = await stage.enrolled(Model.IPHONE)

    async def versions(**keys: PlistValue) -> dict[str, str]:
        listed = (await ask(stage, device, "InstalledApplicationList", **keys))["InstalledApplicationList"]
        return {each["Identifier"]: each["Version"] for each in listed}

    before = await versions()
    assert len(before) >= 4
    install_app(device, App("org.example.new", "New", "1.2", 5))
    remove_app(device, next(iter(before)))
    stage.service.queue("InstallApplication", Identifier="org.example.managed")
    await wake(stage, device)
    after = await versions()
    assert set(after) ^ set(before) == {"org.example.new", "org.example.managed", next(iter(before))}
    assert await versions(ManagedAppsOnly=True) == {"org.example.managed": "1.0"}
    assert await versions(Identifiers=["org.example.new"]) == {"org.example.new": "1.2"}
    (named,) = (await ask(stage, device, "InstalledApplicationList", Identifiers=["org.example.new"], Items=["Name"]))[
        "InstalledApplicationList"
    ]
    assert named == {"Name": "New"}


async def test_a_system_is_updated_when_it_is_told_to_be(stage: Stage) -> None:
    """Apple: "Available OS Updates Command", "Schedule OS Update Command"."""
    device = await stage.enrolled(Model.IPHONE, supervised=True)
    (offered,) = (await ask(stage, device, "AvailableOSUpdates"))["AvailableOSUpdates"]
    assert offered["Version"] == "18.3"
    wanted: dict[str, PlistValue] = {"ProductKey": offered["ProductKey"], "InstallAction": "InstallASAP"}
    (result,) = (await ask(stage, device, "ScheduleOSUpdate", Updates=[{**wanted, "ProductKey": "another"}]))[
        "UpdateResults"
    ]
    assert (result["InstallAction"], device.facts.os_version) == ("Error", "18.2")
    (result,) = (await ask(stage, device, "ScheduleOSUpdate", Updates=[wanted]))["UpdateResults"]
    assert result["Status"] == "Installing"
    assert await inform(stage, device, "OSVersion", "BuildVersion") == {"OSVersion": "18.3", "BuildVersion": "22D63"}
    assert (await ask(stage, device, "AvailableOSUpdates"))["AvailableOSUpdates"] == []


async def test_users_are_those_who_are_there(stage: Stage) -> None:
    mac = await stage.enrolled(Model.MAC, "15.2", supervised=True)
    (owner,) = (await ask(stage, mac, "UserList"))["Users"]
    assert owner["UID"] == 501
    ann = User("ann", "Ann")
    shared = await stage.enrolled(Model.IPAD, supervised=True, user=ann)
    assert await inform(stage, shared, "IsMultiUser") == {"IsMultiUser": True}
    assert {each["UserName"] for each in (await ask(stage, shared, "UserList"))["Users"]} <= {"ann"}


async def test_what_profiles_restrict_is_told(stage: Stage) -> None:
    device = await stage.enrolled(Model.IPHONE)
    limits: dict[str, Any] = {"PayloadType": "com.apple.applicationaccess", "allowCamera": False, "maxInactivity": 5}
    stage.service.queue("InstallProfile", Payload=samples.profile("org.example.limits", **limits))
    await wake(stage, device)
    told = (await ask(stage, device, "Restrictions"))["GlobalRestrictions"]
    assert told["restrictedBool"]["allowCamera"] == {"value": False}


async def test_days_pass(stage: Stage) -> None:
    device = stage.device(Model.MAC, "15.2")
    dice, before = Random(1), device.contents.own_apps.all()
    for _ in range(200):
        let_days_pass(device, dice)
    assert device.facts.os_version == "15.3"
    assert device.contents.own_apps.all() != before
    assert device.facts.platform is Platform.MACOS
