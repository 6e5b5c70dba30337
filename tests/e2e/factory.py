"""Devices fresh from the factory, and rules of the admission policy about them."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from corral.apple.machine_info import MachineInfo
from corral.simulator.asking import SIGNED_TYPE
from corral.simulator.device import Device
from corral.simulator.factory import Factory, machine_info, signed_machine_info
from corral.simulator.fetching import fetch_profile, open_profile
from corral.simulator.over_the_air import First, read_first
from corral.simulator.push_certificates import StandInApple
from corral.simulator.transport import Response
from e2e.installation import Installation


def made(at: Installation, device: Device, apple: StandInApple | None = None) -> Factory:
    """What the device was made with, by Apple's stand-in or another."""
    now = datetime.now(UTC)
    return Factory.make((apple or at.template.apple).devices, device.facts.udid, now)


async def rule(at: Installation, device: Device, **then: object) -> str:
    """Put a rule about this device alone before all others; its name."""
    rules = (await at.get("/policy"))["rules"]
    name = f"{device.facts.serial_number} {len(rules)}"
    when: dict[str, Any] = {"serial_number": [device.facts.serial_number], "assigned": None}
    rules = [{"name": name, "when": when, "then": then}, *rules]
    answer = await at.api.put("/policy", json={"rules": rules})
    assert answer.is_success, answer.text
    return name


@asynccontextmanager
async def ruled(at: Installation, *rules: dict[str, Any]) -> AsyncGenerator[None]:
    """Under these rules, before all others, and without them again afterwards."""
    before = (await at.get("/policy"))["rules"]
    named = [{"name": f"r{number}", **each} for number, each in enumerate(rules, 1)]
    answer = await at.api.put("/policy", json={"rules": [*named, *before]})
    assert answer.is_success, answer.text
    try:
        yield
    finally:
        await at.api.put("/policy", json={"rules": before})


async def told(at: Installation, after: int, kind: str) -> list[dict[str, Any]]:
    """What the events of a type say that came after that cursor."""
    return [each["data"] for each in await at.events(after) if each["type"] == kind]


def automated(at: Installation) -> str:
    return f"{at.url}/enroll/automated"


async def ask(at: Installation, device: Device, info: MachineInfo | None = None, path: str = "") -> Response:
    """What the service answers to its MachineInfo."""
    return await post(at, signed_machine_info(made(at, device), info or machine_info(device.facts)), path)


async def begin(at: Installation, device: Device, **wanted: object) -> First:
    """The first profile of an over-the-air enrollment, by a link of its own."""
    profile = await fetch_profile(device.voice, f"{await at.link(**wanted)}/over-the-air", at.trust)
    return read_first(open_profile(profile).content)


async def post(at: Installation, body: bytes, path: str = "", headers: Mapping[str, str] | None = None) -> Response:
    given = {"Content-Type": SIGNED_TYPE, **(headers or {})}
    return await at.transport.request(
        "POST", f"{at.url}{path}" if path else automated(at), headers=tuple(given.items()), body=body, trust=at.trust
    )
