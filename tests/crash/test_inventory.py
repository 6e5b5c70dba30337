"""What a device has answered gets into the inventory, though the service is killed between the one and the other."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from corral.simulator.device import Device
from corral.simulator.installed_apps import App
from corral.simulator.life_events import install_app
from e2e.installation import Installation, installation, make_template, until

KILLS = 5
TAKEN_OVER_WITHIN = 45.0
"""Seconds: on PostgreSQL the lease of a dead process has to run out."""


async def versions(corral: Installation, device: Device) -> list[str]:
    """Of one app, as the history and then the inventory tell them, oldest first."""
    place = f"/devices/{device.facts.udid}/inventory"
    told = reversed((await corral.get(f"{place}/history", limit=500))["changes"])
    now: list[Any] = (await corral.get(place))["items"]
    before = [each["before"] for each in told if each["subject"] == "com.example.killed" and each["before"]]
    return before + [each["label"] for each in now if each["identifier"] == "com.example.killed"]


@pytest.mark.slow
async def test_an_answer_that_was_stored_is_taken_in_after_a_kill(tmp_path: Path, database: str) -> None:
    template = await asyncio.to_thread(make_template, tmp_path / "template", database)
    async with installation(template, tmp_path / "service") as corral:
        device = await corral.enrolled()
        for number in range(1, KILLS + 1):
            install_app(device, App("com.example.killed", "Killed", f"{number}.0", 1))
            await corral.send(device, "InstalledApplicationList")
            await device.poll()  # returns when the answer was stored, and its 200 read
            await corral.service.kill()
            await corral.service.start()
        expected = [f"{number}.0" for number in range(1, KILLS + 1)]

        async def all_there() -> bool:
            return await versions(corral, device) == expected

        await until(all_there, TAKEN_OVER_WITHIN)
        assert b"corral_inventory_waiting 0.0" in (await corral.api.get("/metrics")).content
