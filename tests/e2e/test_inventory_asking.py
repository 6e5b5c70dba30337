"""A fleet is asked by itself for what it is and has: at once, again after a change, and at its turns."""

import asyncio
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from corral.simulator.device import Device
from corral.simulator.facts import Model
from e2e.installation import Installation, Template, installation, make_template, until
from postgres_server import fresh_database
from samples import profile

ASKING = {"CORRAL_COLLECT_INVENTORY": "true"}
MIX = (Model.MAC, Model.IPHONE, Model.IPAD, Model.APPLE_TV)
SYSTEMS = {Model.MAC: "15.2"}
USUAL = {"CertificateList", "DeviceInformation", "InstalledApplicationList", "ProfileList", "SecurityInfo"}


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["postgres", "sqlite"])
async def corral(
    request: pytest.FixtureRequest, template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Installation]:
    """One over each kind of database."""
    folder = tmp_path_factory.mktemp("inventory")
    if request.param == "sqlite":
        async with installation(template, folder, ASKING, plain=True) as made:
            yield made
        return
    with fresh_database() as url:
        own = make_template(tmp_path_factory.mktemp("template"), url)
        async with installation(own, folder, ASKING, plain=True) as made:
            yield made


async def commands(corral: Installation, device: Device) -> list[Any]:
    return (await corral.get("/commands", device=device.facts.udid, limit=200))["commands"]


async def answered(corral: Installation, device: Device) -> Counter[str]:
    return Counter(each["request_type"] for each in await commands(corral, device) if each["state"] == "acknowledged")


async def test_a_fleet_is_asked_at_once_each_for_what_it_tells(corral: Installation) -> None:
    devices = [corral.device(model, SYSTEMS.get(model, "18.2"), quiet=False) for model in MIX * 6]
    link = await corral.link(uses=len(devices))
    async with asyncio.TaskGroup() as group:
        for device in devices:
            group.create_task(device.enroll(link))

    async def all_have_told() -> bool:
        told = [set(await answered(corral, device)) for device in devices]
        return all(each >= USUAL for each in told)

    await until(all_have_told, 60)
    for device in devices:
        await device.settle()
        assert device.complaints == []
        sent = await commands(corral, device)
        assert {each["created_by"] for each in sent} == {"inventory"}
        assert max(Counter(each["request_type"] for each in sent).values()) == 1
        refused = {each["request_type"] for each in sent if each["state"] in ("error", "format-error")}
        assert refused <= {"UserList", "AvailableOSUpdates"}, "they said no more of supervision than they were asked"
    metrics = (await corral.api.get("/metrics")).text
    assert f'corral_inventory_asked_total{{report="SecurityInfo"}} {len(devices)}.0' in metrics
    assert 'corral_inventory_oldest_ask_age_seconds{report="SecurityInfo"}' in metrics


async def test_what_follows_many_installations_is_one_list(corral: Installation) -> None:
    device = await corral.enrolled(Model.MAC, "15.2", quiet=False)

    async def is_known() -> bool:
        return set(await answered(corral, device)) >= USUAL

    await until(is_known, 30)
    device.go_offline()
    before = (await answered(corral, device))["ProfileList"]
    for number in range(3):
        name = f"org.example.asking.{number}"
        await corral.post("/profiles", content=b64encode(profile(name, f"9C0F-{number}")).decode())
        await corral.post(f"/profiles/{name}/install", devices=[device.facts.udid])
    device.go_online()
    await device.poll()

    async def are_installed() -> bool:
        found = (await corral.get(f"/devices/{device.facts.udid}/profiles"))["profiles"]
        return [each["standing"] for each in found].count("installed") == 3

    await until(are_installed)
    assert (await answered(corral, device))["ProfileList"] == before + 1


async def test_a_person_asks_again(corral: Installation) -> None:
    device = await corral.enrolled(Model.IPHONE, quiet=False)

    async def times(count: int) -> bool:
        return (await answered(corral, device))["SecurityInfo"] == count

    await until(lambda: times(1), 30)
    asked = await corral.post(f"/devices/{device.facts.udid}/inventory/refresh", reports=["SecurityInfo"])
    assert asked["asked"] == ["SecurityInfo"]
    await until(lambda: times(2))


async def test_its_turn_comes_every_day(corral: Installation) -> None:
    device = await corral.enrolled(Model.IPHONE, quiet=False)

    async def times(count: int) -> bool:
        told = await answered(corral, device)
        return told["SecurityInfo"] == told["DeviceInformation"] == count and told["ProfileList"] >= 1

    await until(lambda: times(1), 30)
    await corral.restart(days_ahead=1.3)
    await until(lambda: times(2), 30)
