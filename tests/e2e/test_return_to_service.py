"""Return to Service: a device is erased and comes back by itself (Apple: "Erase a Device", "Return To Service")."""

import json
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest

from corral.apple.plist import dump, parse_dict
from corral.simulator.device import Device, State
from corral.simulator.facts import Model
from corral.simulator.life_events import erase_itself
from e2e.conftest import Start
from e2e.installation import Installation, until
from e2e.messages import check_in, is_plain_403, report

WIFI = dump(
    {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": "com.example.wifi",
        "PayloadUUID": "2B7D3C4E-0000-4000-8000-000000000001",
        "PayloadContent": [{"PayloadType": "com.apple.wifi.managed", "SSID_STR": "Lobby", "Password": "hunter22"}],
    }
)


async def back(at: Installation, device: Device) -> None:
    async def is_back() -> bool:
        lives = await at.lives(device)
        return len(lives) == 2 and lives[0]["phase"] == "connected"

    await until(is_back)


async def test_a_device_comes_back_as_a_new_life_without_anybody(corral: Installation) -> None:
    phone = await corral.enrolled(quiet=False)
    old = await corral.life(phone)
    answer = await corral.api.post(f"/devices/{phone.facts.udid}/return-to-service", json={})
    assert answer.status_code == 200, answer.text
    await back(corral, phone)
    await phone.settle()
    new, former = await corral.lives(phone)
    assert former["id"] == old["id"]
    assert (former["phase"], former["end_reason"]) == ("ended", "erased")
    assert new["admitted_by"].startswith("grant:")
    admitted = [each for each in await corral.events(0, phone) if each["type"] == "enrollment.admitted"]
    assert [each["data"]["kind"] for each in admitted] == ["return-to-service"]
    assert phone.state is State.ENROLLED
    assert phone.complaints == []


async def test_the_command_line_sends_the_network_along(corral: Installation, tmp_path: Path) -> None:
    ipad = await corral.enrolled(Model.IPAD, "18.2", quiet=False)
    file = tmp_path / "lobby.mobileconfig"
    file.write_bytes(WIFI)
    done = subprocess.run(  # noqa: ASYNC221 - the service is another process
        [
            *(sys.executable, "-m", "corral"),
            *("device", "return-to-service", ipad.facts.udid, "--wifi-profile", str(file), "--yes"),
            *("--data", str(corral.data), "--json"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["command_uuid"]
    await back(corral, ipad)


async def test_without_a_network_a_device_that_needs_one_stays_away_and_its_life_goes_on(corral: Installation) -> None:
    ipad = await corral.enrolled(Model.IPAD, "18.2", quiet=False)
    await corral.api.post(f"/devices/{ipad.facts.udid}/return-to-service", json={})
    await until(lambda: ipad.state is State.ERASED)
    await ipad.settle()
    (life,) = await corral.lives(ipad)
    assert life["phase"] == "connected"
    assert life["erasing_since"] is not None


@pytest.mark.parametrize(("model", "system"), [(Model.MAC, "15.2"), (Model.IPHONE, "16.7.10")])
async def test_what_would_stay_erased_is_not_sent(corral: Installation, model: Model, system: str) -> None:
    device = await corral.enrolled(model, system)
    answer = await corral.api.post(f"/devices/{device.facts.udid}/return-to-service", json={})
    assert answer.is_client_error
    assert "cannot return to service" in answer.json()["detail"]
    assert (await report(device)).body == b""
    assert "enrollment.admitted" not in await corral.kinds(device)


@pytest.mark.parametrize("wrong", [b"no profile", dump({"PayloadContent": []})])
async def test_a_wifi_profile_that_is_none_is_refused(corral: Installation, wrong: bytes) -> None:
    phone = await corral.enrolled()
    body = {"wifi_profile": b64encode(wrong).decode()}
    answer = await corral.api.post(f"/devices/{phone.facts.udid}/return-to-service", json=body)
    assert answer.is_client_error
    assert "Wi-Fi profile" in answer.json()["detail"]


async def test_the_profile_brings_no_other_device_in(corral: Installation) -> None:
    phone, thief = await corral.enrolled(), corral.device()
    await corral.api.post(f"/devices/{phone.facts.udid}/return-to-service", json={})
    command = parse_dict((await report(phone)).body)["Command"]
    assert isinstance(command, dict)
    returning = command["ReturnToService"]
    assert isinstance(returning, dict)
    profile = returning["MDMProfileData"]
    assert isinstance(profile, bytes)
    with pytest.raises(Exception, match="meant for another device"):
        await thief.enroll(profile)
    assert (await corral.api.get(f"/devices/{thief.facts.udid}")).status_code == 404
    assert not is_plain_403(await report(phone))


async def test_a_device_that_erases_itself_comes_back_where_that_is_accepted(start: Start) -> None:
    at = await start({"CORRAL_RETURN_TO_SERVICE": "accept"})
    vision = await at.enrolled(Model.VISION, None, quiet=False, supervised=True)
    told = parse_dict((await check_in(vision, "ReturnToService")).body)["ReturnToService"]
    assert isinstance(told, dict)
    assert (told["Enabled"], "WiFiProfileData" in told) == (True, False)
    phone = await at.enrolled(quiet=False)
    assert await erase_itself(phone)
    await back(at, phone)
    assert "device.returning" in await at.kinds(phone)


async def test_the_network_of_all_is_told_to_a_device_that_asks(
    start: Start, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("wifi") / "lobby.mobileconfig"
    file.write_bytes(WIFI)
    at = await start({"CORRAL_RETURN_TO_SERVICE": "accept", "CORRAL_RETURN_TO_SERVICE_WIFI": str(file)})
    ipad = await at.enrolled(Model.IPAD, "18.2", quiet=False)
    await check_in(ipad, "SetBootstrapToken", BootstrapToken=b"keeps the apps")
    told = parse_dict((await check_in(ipad, "ReturnToService")).body)["ReturnToService"]
    assert isinstance(told, dict)
    assert (told["WiFiProfileData"], told["BootstrapToken"]) == (WIFI, b"keeps the apps")
    assert await erase_itself(ipad)
    await back(at, ipad)


async def test_a_device_that_erases_itself_is_gone_where_that_is_refused(corral: Installation) -> None:
    phone = await corral.enrolled(quiet=False)
    assert not await erase_itself(phone)
    await phone.settle()
    assert phone.state is State.ERASED
    assert len(await corral.lives(phone)) == 1


async def test_who_would_not_be_admitted_again_is_not_erased(start: Start) -> None:
    at = await start({"CORRAL_RETURN_TO_SERVICE": "accept"})
    phone = await at.enrolled()
    rule = {"name": "no way back", "when": {"kind": ["return-to-service"]}, "then": {"do": "decline"}}
    answer = await at.api.put("/policy", json={"rules": [rule]})
    assert answer.is_success, answer.text
    answer = await at.api.post(f"/devices/{phone.facts.udid}/return-to-service", json={})
    assert answer.is_client_error
    assert "would not be admitted again" in answer.json()["detail"]
    assert (await report(phone)).body == b""
    assert parse_dict((await check_in(phone, "ReturnToService")).body) == {"ReturnToService": {"Enabled": False}}
