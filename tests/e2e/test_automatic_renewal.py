"""Identities are renewed before they expire, with nobody asking: whole processes, whose clock is put forward."""

from typing import Any

import pytest

from corral.simulator.device import Device, State
from corral.simulator.facts import Model
from e2e.conftest import Start
from e2e.installation import HURRIED, Installation, until
from e2e.messages import enrollment_of, report

SHORT = HURRIED | {"CORRAL_IDENTITY_DAYS": "1"}
"""Certificates for a day: their renewal begins after 16 to 20 hours."""
DUE = 0.9
"""Of that day, when every renewal has begun."""


async def asked(at: Installation, device: Device) -> bool:
    return (await at.life(device))["renewing_since"] is not None


async def certificates(at: Installation, device: Device) -> list[tuple[str, str]]:
    shown: list[Any] = (await at.get(f"/devices/{device.facts.udid}"))["certificates"]
    return [(each["purpose"], each["status"]) for each in shown]


async def renewed(at: Installation, device: Device, times: int) -> bool:
    return (await at.kinds(device)).count("connection.renewed") == times


@pytest.mark.slow
async def test_a_fleet_is_renewed_by_itself_again_and_again(start: Start) -> None:
    at = await start(SHORT | {"CORRAL_IDENTITY_ENROLLMENT": "scep"}, plain=True)
    fleet = [await at.enrolled(model, quiet=False) for model in (Model.IPHONE, Model.IPAD, Model.MAC)]
    by_acme = at.device(quiet=False)
    await by_acme.enroll(await at.link(identity="acme"))
    await by_acme.settle()
    fleet.append(by_acme)
    lives = [(await at.life(device))["id"] for device in fleet]
    waiting = [await at.send(device, "ProfileList") for device in fleet]
    for time in (1, 2):
        before = [enrollment_of(device).identity for device in fleet]
        await at.restart(days_ahead=DUE * time)
        for device in fleet:
            await until(lambda device=device, time=time: renewed(at, device, time), 20)
        assert all(enrollment_of(device).identity is not old for device, old in zip(fleet, before, strict=True))
    for device, life, sent in zip(fleet, lives, waiting, strict=True):
        assert [each["id"] for each in await at.lives(device)] == [life]
        assert await certificates(at, device) == [("renew", "bound"), ("renew", "retired"), ("enroll", "retired")]
        assert (await at.outcome(sent))["delivery"]["state"] == "acknowledged"
        assert device.complaints == []
        kinds = await at.kinds(device)
        assert not {"connection.possible-restore", "identity.expiring"} & set(kinds)


async def test_a_wiped_device_that_enrolls_while_its_renewal_is_under_way_is_a_new_life(start: Start) -> None:
    """The mirror case: what looks alike is told apart by what let it in, and nothing of the old queue is delivered."""
    at = await start(SHORT, plain=True)
    device = await at.enrolled()
    old, queued = await at.life(device), await at.send(device, "ProfileList")
    await at.restart(days_ahead=DUE)
    await until(lambda: asked(at, device))
    device.wipe()
    await device.enroll(await at.link(serial_number=device.facts.serial_number))
    new, former = await at.lives(device)
    assert (former["id"], former["end_reason"], former["renewing_since"]) == (old["id"], "superseded", None)
    assert (new["phase"], new["renewing_since"]) == ("connected", None)
    assert (await report(device)).body == b""
    assert (await at.outcome(queued))["delivery"]["state"] == "dropped"
    kinds = await at.kinds(device)
    assert "connection.renewed" not in kinds
    assert kinds.count("connection.renewal-asked") == 1, "the new certificate is good for a day"


@pytest.mark.slow
async def test_a_device_that_does_not_come_for_its_renewal_is_told_of_before_and_at_its_end(start: Start) -> None:
    at = await start(SHORT, plain=True)
    asleep = await at.enrolled()
    await at.restart(days_ahead=DUE)
    await until(lambda: asked(at, asleep))
    for ahead, kinds, counted in (
        (0.97, ["identity.expiring"], {"1": 1}),
        (1.2, ["identity.expiring", "identity.expired"], {"0": 1}),
    ):
        await at.restart(days_ahead=ahead)
        await until(lambda kinds=kinds: told(at, asleep, kinds))
        assert (await at.get("/status"))["unrenewed"] == counted
    (event,) = [each for each in await at.events(0, asleep) if each["type"] == "identity.expiring"]
    assert event["data"]["why"] == "its renewal does not come through"
    metrics = (await at.api.get("/metrics")).text
    assert 'corral_identities_unrenewed{days="0"} 1.0' in metrics
    # It wakes up at last: repaired, and nobody is told of it any more.
    await asleep.poll()
    await until(lambda: renewed(at, asleep, 1))
    assert asleep.state is State.ENROLLED
    assert (await at.get("/status"))["unrenewed"] == {}


async def told(at: Installation, device: Device, wanted: list[str]) -> bool:
    return [each for each in await at.kinds(device) if each.startswith("identity.")] == wanted
