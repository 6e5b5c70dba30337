"""The commands of every day, from the command line to a device that obeys."""

import asyncio
import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from corral.simulator.facts import Model
from corral.simulator.world import State
from e2e.conftest import DATABASES, over_each
from e2e.installation import Installation, until

corral = pytest.fixture(params=DATABASES)(over_each)


async def corral_says(corral: Installation, *words: str, code: int = 0) -> Any:
    """What `corral ... --json` tells over the socket of this installation."""
    command = [sys.executable, "-m", "corral", *words, "--data", str(corral.data), "--json"]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, check=False, env=dict(os.environ)
    )
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if done.stdout else None


async def test_a_mac_is_locked_by_the_pin_that_was_shown_and_no_log_has_it(corral: Installation) -> None:
    """Apple: "Device Lock Command"."""
    mac = await corral.enrolled(Model.MAC, "15.2", quiet=False)
    sent = await corral_says(corral, "device", "lock", mac.facts.serial_number, "--message", "Call us")
    assert re.fullmatch(r"\d{6}", sent["pin"])
    await until(lambda: mac.contents.locks.is_locked)
    assert mac.contents.locks.pin == sent["pin"]
    shown = await corral_says(
        corral, "command", "reveal", sent["command_uuid"], "--device", mac.facts.udid, "--reason", "it came back"
    )
    assert shown["keys"]["PIN"] == sent["pin"]
    assert "command.revealed" in await corral.kinds(mac)
    assert sent["pin"] not in json.dumps(await corral.events(0, mac))


async def test_a_passcode_is_taken_away_by_the_token_in_escrow(corral: Installation) -> None:
    """Apple: "Clear Passcode Command"."""
    phone = await corral.enrolled(quiet=False)
    udid = phone.facts.udid
    await corral_says(corral, "device", "clear-passcode", udid, "--reason", "forgotten", "--yes")
    await until(lambda: not phone.contents.locks.has_passcode)
    assert "escrow.shown" in await corral.kinds(phone)


async def test_a_device_is_erased(corral: Installation) -> None:
    """Apple: "Erase Device Command"."""
    phone = await corral.enrolled(quiet=False)
    await corral_says(corral, "device", "erase", phone.facts.udid, "--yes")
    await until(lambda: phone.state is State.ERASED)
    assert "device.erasing" in await corral.kinds(phone)


async def test_a_supervised_device_is_lost_found_and_restarted(corral: Installation) -> None:
    """Apple: "Enable Lost Mode Command", "Restart Device Command"."""
    phone = await corral.enrolled(quiet=False, supervised=True)
    udid = phone.facts.udid
    await corral_says(corral, "device", "lost", udid, "--message", "Call us")
    await until(lambda: phone.contents.locks.message == "Call us")
    await corral_says(corral, "device", "found", udid)
    await until(lambda: phone.contents.locks.message is None)
    await corral_says(corral, "device", "restart", udid)
    await until(lambda: phone.contents.restarts == 1)


async def test_a_device_is_woken_and_asks(corral: Installation) -> None:
    phone = await corral.enrolled(quiet=False)
    before = (await corral.get(f"/devices/{phone.facts.udid}"))["last_seen"]
    assert (await corral_says(corral, "device", "wake", phone.facts.udid))["pushes"] == 1

    async def heard() -> bool:
        return (await corral.get(f"/devices/{phone.facts.udid}"))["last_seen"] != before

    await until(heard)
    assert "device.woken" in await corral.kinds(phone)
