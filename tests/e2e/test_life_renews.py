"""Identity certificates are renewed, expire, and get lost; the connection goes on."""

import asyncio
from pathlib import Path

import apsw
import pytest

from corral.apple.plist import parse_dict
from corral.lifecycle.state import EscrowKind
from corral.simulator.behaviour import Renewal
from corral.simulator.device import Device, State
from corral.simulator.facts import Model
from corral.simulator.fetching import InstallationFailed
from corral.store.sqlite.connecting import typed
from e2e.conftest import Start
from e2e.installation import Installation, opened
from e2e.messages import authenticate, check_in, draft, enrollment_of, report, update_token


async def renewal_profile(at: Installation, device: Device) -> bytes:
    """What the service sends for a renewal, taken from its queue and not installed."""
    assert (await at.post("/devices/renew", devices=[device.facts.udid]))["done"] == 1
    payload = parse_dict((await report(device)).body)["Command"]
    assert isinstance(payload, dict)
    assert payload["RequestType"] == "InstallProfile"
    profile = payload["Payload"]
    assert isinstance(profile, bytes)
    return profile


@pytest.mark.parametrize("renewal", list(Renewal))
async def test_a_renewal_keeps_queue_and_escrow(start: Start, renewal: Renewal) -> None:
    at = await start()
    mac = await at.enrolled(Model.MAC, "15.2", bootstrap_token=True, renewal=renewal)
    phone = await at.enrolled(renewal=renewal)
    unlock_token = enrollment_of(phone).device.unlock_token
    for device in (mac, phone):
        life, former = await at.life(device), enrollment_of(device).identity
        late = await at.send(device, "CertificateList")
        asked = await at.post(f"/devices/{device.facts.udid}/renew")
        await device.poll()
        assert enrollment_of(device).identity is not former
        assert [each["id"] for each in await at.lives(device)] == [life["id"]]
        assert (await at.life(device))["renewing_since"] is None
        for uuid in (asked["command_uuid"], late):
            assert (await at.outcome(uuid))["delivery"]["state"] == "acknowledged"
        shown = (await at.get(f"/devices/{device.facts.udid}"))["certificates"]
        assert {(each["purpose"], each["status"]) for each in shown} == {("enroll", "retired"), ("renew", "bound")}
        kinds = await at.kinds(device)
        assert "connection.renewed" in kinds
        assert "connection.possible-restore" not in kinds
        assert device.complaints == []
    assert b"BootstrapToken" in (await check_in(mac, "GetBootstrapToken")).body
    life = await at.life(phone)
    async with opened(at) as store:
        kept = (await store.devices.load_connection(life["id"], 0)).escrow
    assert kept[EscrowKind.UNLOCK_TOKEN] == unlock_token


async def test_deliveries_pause_until_a_renewal_is_decided(corral: Installation) -> None:
    device = await corral.enrolled()
    fresh = await draft(device, await renewal_profile(corral, device))
    await corral.send(device, "ProfileList")
    assert (await authenticate(device, fresh)).status == 200
    assert (await report(device, enrollment=fresh)).body == b""
    assert (await update_token(device, fresh)).status == 200
    assert (await report(device, enrollment=fresh)).body != b""


async def test_a_renewal_that_is_given_up_halfway_lets_commands_flow_again(corral: Installation) -> None:
    device = await corral.enrolled()
    asked = await renewal_profile(corral, device)
    fresh = await draft(device, asked)
    sent = await corral.send(device, "ProfileList")
    assert (await authenticate(device, fresh)).status == 200
    _, renewing = (await corral.get("/commands", device=device.facts.udid))["commands"]
    answer = await report(device, "Error", CommandUUID=renewing["command_uuid"], ErrorChain=[])
    assert parse_dict(answer.body)["CommandUUID"] == sent


async def test_a_renewal_that_fails_leaves_the_old_identity_good(corral: Installation) -> None:
    device = await corral.enrolled()
    device.behaviour = device.voice.behaviour
    await renewal_profile(corral, device)
    asked = parse_dict((await report(device)).body)["CommandUUID"]
    await report(device, "Error", CommandUUID=asked, ErrorChain=[])
    assert "connection.renewal-failed" in await corral.kinds(device)
    sent = await corral.send(device, "ProfileList")
    assert parse_dict((await report(device)).body)["CommandUUID"] == sent
    assert (await update_token(device)).status == 200


async def test_a_wiped_device_that_comes_with_its_renewal_is_a_new_life(corral: Installation) -> None:
    device = await corral.enrolled()
    old = await corral.life(device)
    queued = await corral.send(device, "ProfileList")
    fresh = await draft(device, await renewal_profile(corral, device))
    device.wipe()
    assert (await authenticate(device, fresh)).status == 200
    assert (await update_token(device, fresh, AwaitingConfiguration=True)).status == 200
    new, former = await corral.lives(device)
    assert (former["id"], former["end_reason"]) == (old["id"], "superseded")
    assert new["awaiting_configuration_since"]
    command = parse_dict((await report(device, enrollment=fresh)).body)
    assert command["Command"] == {"RequestType": "DeviceConfigured"}
    assert (await report(device, "Acknowledged", fresh, CommandUUID=command["CommandUUID"])).body == b""
    assert (await corral.outcome(queued))["delivery"]["state"] == "dropped"


async def test_a_wiped_device_that_enrolls_during_a_renewal_is_a_new_life(corral: Installation) -> None:
    device = await corral.enrolled()
    old, queued = await corral.life(device), await corral.send(device, "ProfileList")
    late = await renewal_profile(corral, device)
    device.wipe()
    await device.enroll(await corral.link(device_id=device.facts.udid))
    new, former = await corral.lives(device)
    assert (former["id"], former["end_reason"], former["renewing_since"]) == (old["id"], "superseded", None)
    assert new["phase"] == "connected"
    assert (await report(device)).body == b""
    assert (await corral.outcome(queued))["delivery"]["state"] == "dropped"
    with pytest.raises(InstallationFailed, match="BAD_REQUEST"):
        await draft(device, late)


async def test_a_renewal_that_is_through_gives_no_further_certificate(corral: Installation) -> None:
    device = await corral.enrolled()
    profile = await renewal_profile(corral, device)
    fresh = await draft(device, profile)
    await authenticate(device, fresh)
    await update_token(device, fresh)
    with pytest.raises(InstallationFailed, match="BAD_REQUEST"):
        await draft(device, profile)


async def test_an_expired_identity_is_repaired_by_its_renewal(start: Start) -> None:
    at = await start(plain=True)
    device = await at.enrolled()
    life, waiting = await at.life(device), await at.send(device, "ProfileList")
    await at.restart(days_ahead=400)
    await device.poll()
    assert (await at.outcome(waiting))["delivery"]["state"] == "open"
    await at.post(f"/devices/{device.facts.udid}/renew")
    await device.poll()
    assert [each["id"] for each in await at.lives(device)] == [life["id"]]
    assert (await at.outcome(waiting))["delivery"]["state"] == "acknowledged"
    assert device.complaints == []


async def test_an_expired_identity_is_refused_where_the_operator_says_so(start: Start) -> None:
    at = await start({"CORRAL_ON_EXPIRED_IDENTITY": "refuse"}, plain=True)
    device = await at.enrolled()
    await at.restart(days_ahead=400)
    assert (await report(device)).status == 400


async def test_a_binding_that_a_restored_database_lost_is_made_again(start: Start) -> None:
    at = await start()
    device, other = await at.enrolled(), await at.enrolled()
    life, queued = await at.life(device), await at.send(device, "ProfileList")
    await at.service.stop()
    await asyncio.to_thread(lose_certificates, at.data / "corral.db")
    await at.service.start()
    stolen = enrollment_of(device).on(other.facts.udid)
    assert (await report(other, enrollment=stolen)).status == 400, "it names another device's connection"
    assert parse_dict((await report(device)).body)["CommandUUID"] == queued
    assert await at.life(device) == life
    assert (await at.kinds(device)).count("certificate.rebound") == 1
    assert device.state is State.ENROLLED


async def test_a_lost_binding_stays_lost_where_the_operator_says_so(start: Start) -> None:
    at = await start({"CORRAL_ON_LOST_BINDING": "refuse"})
    device = await at.enrolled()
    await at.service.stop()
    await asyncio.to_thread(lose_certificates, at.data / "corral.db")
    await at.service.start()
    assert (await report(device)).status == 400


def lose_certificates(path: Path) -> None:
    """As after a backup from before they were issued; no service may be running."""
    database = apsw.Connection(str(path))
    typed(database).execute("DELETE FROM certificate")
    database.close()
