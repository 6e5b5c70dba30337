"""An identity that was revoked speaks no more, from the next message on; its device is not told to leave."""

from typing import Any

from corral.apple.plist import parse_dict
from corral.simulator.device import Device, State
from e2e.conftest import Start
from e2e.installation import Installation
from e2e.messages import authenticate, check_in, draft, enrollment_of, is_plain_403, report, update_token


async def certificates(at: Installation, udid: str) -> list[Any]:
    return (await at.get(f"/devices/{udid}"))["certificates"]


async def test_a_revoked_certificate_is_refused_and_the_device_comes_back_by_a_new_enrollment(
    corral: Installation,
) -> None:
    device = await corral.enrolled()
    life, queued = await corral.life(device), await corral.send(device, "ProfileList")
    answer = await corral.post(f"/devices/{device.facts.udid}/revoke-certificate", reason="the key was copied")
    assert len(answer["revoked"]) == 1
    for said in (await report(device), await update_token(device), await authenticate(device)):
        assert is_plain_403(said), "which takes no profile off a device"
    assert is_plain_403(await check_in(device, "CheckOut"))
    assert device.state is State.ENROLLED
    assert [each["id"] for each in await corral.lives(device)] == [life["id"]]
    assert (await corral.outcome(queued))["delivery"]["state"] == "open"
    (event,) = [each for each in await corral.events(0, device) if each["type"] == "certificate.revoked"]
    assert event["data"]["why"] == "the key was copied"

    # By a link that names it: with any other, somebody who only claims to be it would have to wait.
    await device.enroll(await corral.link(device_id=device.facts.udid))
    assert [each["phase"] for each in await corral.lives(device)] == ["connected", "ended"]
    assert (await report(device)).status == 200


async def test_of_two_certificates_the_other_speaks_on(corral: Installation) -> None:
    """In the middle of a renewal the thief has the older key: revoked, it ends nothing that the newer one does."""
    device = await corral.enrolled()
    former = enrollment_of(device)
    asked = await corral.post(f"/devices/{device.facts.udid}/renew")
    await device.poll()
    assert (await corral.outcome(asked["command_uuid"]))["delivery"]["state"] == "acknowledged"
    (old,) = [each for each in await certificates(corral, device.facts.udid) if each["status"] == "retired"]
    await corral.post(
        f"/devices/{device.facts.udid}/revoke-certificate", reason="a test", fingerprint=old["fingerprint"]
    )
    assert is_plain_403(await report(device, enrollment=former))
    assert (await report(device)).status == 200


async def test_what_was_revoked_stays_so_after_a_restart_and_for_a_renewal(start: Start) -> None:
    at = await start()
    device = await at.enrolled()
    await at.post(f"/devices/{device.facts.udid}/renew")
    fresh = await draft(device, await profile_of(device))
    await at.post(f"/devices/{device.facts.udid}/revoke-certificate", reason="a test")
    await at.restart()
    assert is_plain_403(await report(device))
    assert is_plain_403(await authenticate(device, fresh)), "all that it had are meant"


async def profile_of(device: Device) -> bytes:
    command = parse_dict((await report(device)).body)["Command"]
    assert isinstance(command, dict)
    payload = command["Payload"]
    assert isinstance(payload, bytes)
    return payload
