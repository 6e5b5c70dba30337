"""Recovery keys and bypass codes are in keeping (Apple: "FDERecoveryKeyEscrow", "Rotate FileVault Key", "Activation
Lock Bypass Code")."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from corral.simulator.contents import bypass_code_of
from corral.simulator.device import Device
from corral.simulator.facts import Model
from corral.simulator.filevault import recovery_key
from e2e.conftest import DATABASES, Start, over_each
from e2e.installation import Installation, until

corral = pytest.fixture(params=DATABASES)(over_each)

RECOVERY, BYPASS = "filevault-recovery-key", "activation-lock-bypass-code"


async def obeyed(at: Installation, device: Device, request_type: str, **keys: Any) -> Any:
    uuid = await at.send(device, request_type, **keys)
    await device.poll()
    outcome = await at.outcome(uuid)
    assert outcome["delivery"]["state"] == "acknowledged", outcome
    return outcome


async def secrets_of(at: Installation, device: Device) -> list[tuple[str, str]]:
    """Kind and value, oldest first."""
    listed = (await at.get(f"/devices/{device.facts.udid}/escrow"))["secrets"]
    found: list[tuple[str, str]] = []
    for each in reversed(listed):
        wanted = {"number": each["number"], "reason": "a test"}
        shown = await at.post(f"/devices/{device.facts.udid}/escrow/show", **wanted)
        found.append((each["kind"], base64.b64decode(shown["value"]).decode("utf-8", "replace")))
    return found


async def escrowing(at: Installation) -> Device:
    """A Mac with the profile, whose key is in keeping."""
    mac = await at.enrolled(Model.MAC, "15.2")
    profile = (await at.api.get("/filevault/profile", params={"enable": "true"})).content
    keys = {"Payload": {"$data": base64.b64encode(profile).decode()}}
    await obeyed(at, mac, "InstallProfile", **keys)
    await obeyed(at, mac, "SecurityInfo")
    return mac


async def test_a_recovery_key_is_in_keeping_and_its_replacement_too(corral: Installation) -> None:
    mac = await escrowing(corral)
    first = recovery_key(mac.contents)
    assert await secrets_of(corral, mac) == [(RECOVERY, first)]
    await obeyed(corral, mac, "SecurityInfo")
    assert len(await secrets_of(corral, mac)) == 1, "the same key is kept once"
    rotating = await corral.post(f"/devices/{mac.facts.udid}/filevault/rotate")
    await mac.poll()
    assert (await corral.outcome(rotating["command_uuid"]))["delivery"]["state"] == "acknowledged"
    second = recovery_key(mac.contents)
    assert second != first
    assert await secrets_of(corral, mac) == [(RECOVERY, first), (RECOVERY, second)]


async def test_a_new_life_can_still_be_told_the_key_of_the_former(corral: Installation) -> None:
    mac = await escrowing(corral)
    key = recovery_key(mac.contents)
    await mac.leave()
    await mac.enroll(await corral.link())
    assert await secrets_of(corral, mac) == [(RECOVERY, key)]
    assert (await corral.api.post(f"/devices/{mac.facts.udid}/filevault/rotate")).is_success
    await mac.poll()
    assert recovery_key(mac.contents) != key


async def test_without_a_key_in_keeping_none_can_be_replaced(corral: Installation) -> None:
    mac = await corral.enrolled(Model.MAC, "15.2")
    refused = await corral.api.post(f"/devices/{mac.facts.udid}/filevault/rotate")
    assert refused.is_client_error
    assert "not in keeping" in refused.json()["detail"]


async def test_a_bypass_code_is_in_keeping_and_an_erased_device_has_another(corral: Installation) -> None:
    phone = await corral.enrolled(supervised=True)
    outcome = await obeyed(corral, phone, "ActivationLockBypassCode")
    assert outcome["result"]["result"]["ActivationLockBypassCode"] == "(not shown)"
    first = bypass_code_of(phone.facts, phone.contents)
    assert (BYPASS, first) in await secrets_of(corral, phone)
    phone.wipe()
    await phone.enroll((await corral.post("/links", device_id=phone.facts.udid))["url"])
    await obeyed(corral, phone, "ActivationLockBypassCode")
    codes = [value for kind, value in await secrets_of(corral, phone) if kind == BYPASS]
    assert codes == [first, bypass_code_of(phone.facts, phone.contents)]
    assert len(set(codes)) == 2


async def test_the_command_line_makes_the_profile_and_shows_the_key(corral: Installation, tmp_path: Path) -> None:
    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "corral", *words, "--data", str(corral.data)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    mac = await escrowing(corral)
    file = tmp_path / "filevault.mobileconfig"
    run("filevault", "profile", "--out", str(file))
    assert b"com.apple.security.FDERecoveryKeyEscrow" in file.read_bytes()
    assert b"com.apple.MCX.FileVault2" not in file.read_bytes()
    (secret,) = json.loads(run("device", "escrow", "list", mac.facts.udid, "--json"))["secrets"]
    shown = run("device", "escrow", "show", mac.facts.udid, str(secret["number"]), "--reason", "the user forgot")
    assert shown.strip() == recovery_key(mac.contents)
    run("filevault", "rotate", mac.facts.udid)


async def test_nothing_of_it_is_on_the_disk_in_the_clear(start: Start) -> None:
    at = await start()
    mac, phone = await escrowing(at), await at.enrolled(supervised=True)
    await obeyed(at, phone, "ActivationLockBypassCode")
    await obeyed(at, mac, "DeviceLock", PIN="482913")
    secrets = {value for _, value in [*await secrets_of(at, mac), *await secrets_of(at, phone)]} | {"482913"}
    await at.service.stop()
    on_disk = b"".join(path.read_bytes() for path in sorted(at.data.glob("corral.db*")))
    assert b"escrow.stored" in on_disk, "this looks where things are"
    assert [value for value in sorted(secrets) if value.encode() in on_disk] == []
    assert [value for value in sorted(secrets) if value in at.log()] == []


async def test_the_wait_for_a_key_is_over_when_the_profile_is_there(corral: Installation) -> None:
    mac = await corral.enrolled(Model.MAC, "15.2", quiet=False)
    await obeyed(corral, mac, "SecurityInfo")
    assert await secrets_of(corral, mac) == []
    profile = (await corral.api.get("/filevault/profile")).content
    await corral.send(mac, "InstallProfile", Payload={"$data": base64.b64encode(profile).decode()})
    await corral.send(mac, "SecurityInfo")

    async def is_kept() -> bool:
        return await secrets_of(corral, mac) == [(RECOVERY, recovery_key(mac.contents))]

    await until(is_kept)
