"""From Apple's portal to a managed device: Apple "Device Assignment" and "Automated Device Enrollment" together."""

import base64
import json
import plistlib
import time
import uuid
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from corral.simulator.ade.activating import activate
from corral.simulator.ade.portal import PortalServer
from corral.simulator.ade.service import AdeService
from corral.simulator.device import Device
from corral.simulator.facts import Model
from corral.simulator.fetching import InstallationFailed
from corral.simulator.push_certificates import StandInApple
from corral.simulator.world import State
from e2e.conftest import DATABASES, each_template
from e2e.factory import made
from e2e.installation import Installation, Template, installation, until
from e2e.messages import check_in

STANDARD: dict[str, Any] = {"profile_name": "standard", "is_supervised": True, "await_device_configured": True}


@dataclass
class Stage:
    corral: Installation
    apple: AdeService
    portal: PortalServer

    def buy(self, device: Device) -> Device:
        """The organization's reseller tells Apple, and somebody assigns the device to this server."""
        self.portal.add_device(device.facts.serial_number)
        return device

    async def sync(self) -> Any:
        return await self.corral.post("/ade/servers/main/sync", whole=False)

    async def switch_on(self, device: Device) -> None:
        await activate(device, made(self.corral, device), self.apple)
        await device.settle()


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=DATABASES)
async def stage(
    request: pytest.FixtureRequest, template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Stage]:
    """Each test leaves Apple and Corral of one mind: what it has bought is synchronized."""
    folder = tmp_path_factory.mktemp("ade")
    root = StandInApple.create(datetime.now(UTC))
    apple = AdeService(root)
    (folder / "ade.pem").write_bytes(root.root_pem)
    settings = {"CORRAL_ADE_URL": await apple.start(), "CORRAL_ADE_CA": str(folder / "ade.pem")}
    with each_template(request.param, template, folder / "template") as own:
        async with installation(own, folder, settings) as corral:
            server = await corral.post("/ade/servers", name="main")
            portal, file = apple.add_server("Corral", server["certificate"].encode())
            await corral.post("/ade/servers/main/token", file=base64.b64encode(file).decode())
            await corral.post("/ade/servers/main/profiles", profile=STANDARD)
            await corral.post("/ade/servers/main/default", profile="standard")
            yield Stage(corral, apple, portal)
    await apple.stop()


async def test_a_device_that_was_bought_enrolls_by_itself_supervised_and_waits_to_be_configured(stage: Stage) -> None:
    device = stage.buy(stage.corral.device(quiet=False))
    found = await stage.sync()
    assert (found["added"], found["assigned"]) == (1, 1)
    await stage.switch_on(device)
    assert device.state is State.ENROLLED
    await until(lambda: not device.is_awaiting)  # DeviceConfigured came by itself
    life = await stage.corral.life(device)
    assert life["phase"] == "connected"
    assert device.behaviour.supervised
    events = await stage.corral.events(0)
    (admitted,) = [e for e in events if e["type"] == "enrollment.admitted" and e["device_id"] == device.facts.udid]
    assert (admitted["data"]["kind"], "assignment:main" in admitted["data"]["source"]) == ("automated", True)
    await stage.sync()
    (listed,) = (await stage.corral.get(f"/ade/devices/{device.facts.serial_number}"))["devices"]
    assert (listed["profile_status"], listed["profile"]) == ("pushed", "standard")
    assert not device.complaints


async def test_a_device_that_is_not_assigned_stays_outside(stage: Stage) -> None:
    bought, stranger = stage.buy(stage.corral.device()), stage.corral.device()
    with pytest.raises(InstallationFailed, match="nobody manages"):
        await stage.switch_on(stranger)
    with pytest.raises(InstallationFailed, match="nobody manages"):
        await stage.switch_on(bought)  # not synchronized yet
    await stage.sync()
    profile = stage.apple.configuration(bought.facts.serial_number)
    assert profile is not None
    await stage.switch_on(bought)
    assert (await stage.corral.life(bought))["phase"] == "connected"


async def test_a_device_that_was_taken_away_is_refused_though_it_still_has_its_profile(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = stage.buy(stage.corral.device())
    await stage.sync()
    held = stage.portal.profiles[stage.portal.devices[device.facts.serial_number]["profile_uuid"]]
    stage.portal.remove_device(device.facts.serial_number)
    await stage.sync()

    def asked_before(serial: str) -> object:
        del serial
        return held

    monkeypatch.setattr(stage.apple, "configuration", asked_before)
    with pytest.raises(InstallationFailed, match="403"):
        await stage.switch_on(device)


async def test_rules_give_macs_and_phones_what_each_shall_have(stage: Stage) -> None:
    mac, phone = stage.buy(stage.corral.device(Model.MAC, "15.2")), stage.buy(stage.corral.device())
    await stage.corral.post("/ade/servers/main/profiles", profile={"profile_name": "macs", "is_supervised": True})
    rules = [{"field": "family", "pattern": "mac", "profile": "macs"}]
    await stage.corral.post("/ade/servers/main/rules", rules=rules)
    stage.portal.add_device(mac.facts.serial_number, device_family="Mac")
    await stage.sync()
    await stage.switch_on(mac)
    await stage.switch_on(phone)
    assert (mac.is_awaiting, phone.behaviour.awaiting_configuration) == (False, True)
    assert {(await stage.corral.life(each))["phase"] for each in (mac, phone)} == {"connected"}


async def test_apple_can_check_the_token_for_a_managed_account_by_the_key_in_the_portal(stage: Stage) -> None:
    """Apple: "Get Token", com.apple.maid: RS256 by the key whose certificate the portal has, once and just now."""
    device = await stage.corral.enrolled()
    certificate = (await stage.corral.get("/ade/servers/main"))["certificate"]
    key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    seen: set[str] = set()
    for _ in range(2):
        answer = await check_in(device, "GetToken", TokenServiceType="com.apple.maid")
        assert answer.status == 200
        token = plistlib.loads(answer.body)["TokenData"]
        assert isinstance(token, bytes)
        signed, _, signature = token.rpartition(b".")
        key.verify(_decoded(signature), signed, PKCS1v15(), SHA256())
        header, claims = (json.loads(_decoded(part)) for part in signed.split(b"."))
        assert header["alg"] == "RS256"
        assert (claims["iss"], claims["service_type"]) == (stage.portal.uuid, "com.apple.maid")
        assert abs(time.time() - claims["iat"]) < 60
        seen.add(str(uuid.UUID(claims["jti"])))
    assert len(seen) == 2


def _decoded(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
