"""Somebody claims to be a device that is connected: by his word alone he waits, whoever he is.

What a thief gets is in tests/attacks/test_links.py.
"""

import json
import subprocess
import sys
from typing import Any

import pytest

from corral.simulator.device import Device
from corral.simulator.facts import Model
from e2e.conftest import DATABASES, Start, over_each
from e2e.installation import Installation, until

corral = pytest.fixture(params=DATABASES)(over_each)


async def detail(at: Installation, device: Device) -> Any:
    return await at.get(f"/devices/{device.facts.udid}")


async def test_an_erased_device_is_let_in_when_apple_says_that_its_former_token_is_dead(corral: Installation) -> None:
    device = await corral.enrolled(quiet=False)
    former = await corral.life(device)
    device.wipe()
    await device.enroll(await corral.link())

    async def is_in() -> bool:
        shown = await detail(corral, device)
        return shown["connections"][0]["phase"] == "connected" and shown["connections"][0]["id"] != former["id"]

    await until(is_in)
    accepted = [each for each in await corral.events(0, device) if each["type"] == "connection.takeover-accepted"]
    assert "push token of the former connection is dead" in accepted[-1]["data"]["by"]
    sent = await corral.send(device, "ProfileList")

    async def is_done() -> bool:
        return (await corral.outcome(sent))["delivery"]["state"] == "acknowledged"

    await until(is_done)
    ended = next(each for each in await corral.lives(device) if each["id"] == former["id"])
    assert (ended["phase"], ended["end_reason"]) == ("ended", "superseded")


async def test_a_person_lets_an_erased_device_in(corral: Installation) -> None:
    device = await corral.enrolled()
    token = device.enrollment.device.token if device.enrollment else b""
    topic = (await corral.life(device))["topic"]
    device.wipe()
    corral.push.register(token, topic, "", lambda: None)  # Apple has not noticed yet
    link = await corral.post("/links")
    await device.enroll(link["url"])
    assert (await detail(corral, device))["takeover"] is not None
    done = subprocess.run(  # noqa: ASYNC221 - the service is another process
        [
            *(sys.executable, "-m", "corral", "device", "takeover", device.facts.udid, "--accept"),
            *("--data", str(corral.data), "--json"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["takeover"] is None
    new, former = await corral.lives(device)
    assert (new["phase"], former["end_reason"]) == ("connected", "superseded")
    found = next(each for each in (await corral.get("/links"))["links"] if each["id"] == link["link"]["id"])
    assert found["used"] == 1
    sent = await corral.send(device, "ProfileList")
    await device.poll()
    assert (await corral.outcome(sent))["delivery"]["state"] == "acknowledged"
    again = await corral.api.post(f"/devices/{device.facts.udid}/takeover", json={"accept": True})
    assert again.status_code == 409


@pytest.mark.parametrize("binding", ["device_id", "serial_number"])
async def test_a_link_for_this_device_needs_nobody(corral: Installation, binding: str) -> None:
    device = await corral.enrolled(Model.MAC, "15.2") if binding == "device_id" else await corral.enrolled()
    facts = {"device_id": device.facts.udid, "serial_number": device.facts.serial_number}
    device.wipe()
    await device.enroll(await corral.link(**{binding: facts[binding]}))
    new, former = await corral.lives(device)
    assert (new["phase"], former["end_reason"]) == ("connected", "superseded")


async def test_where_it_is_accepted_everybody_is_who_he_says(start: Start) -> None:
    at = await start({"CORRAL_ON_TAKEOVER": "accept"})
    device = await at.enrolled()
    device.wipe()
    await device.enroll(await at.link())
    assert [each["phase"] for each in await at.lives(device)] == ["connected", "ended"]
