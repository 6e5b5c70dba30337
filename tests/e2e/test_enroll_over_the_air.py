"""Over-the-air enrollment: a link, a device that signs who it is, and a profile for that device alone.

Apple: "Over-the-Air Profile Delivery Concepts".
"""

from datetime import UTC, datetime

import pytest

from corral.apple.machine_info import write_machine_info
from corral.simulator.factory import machine_info
from corral.simulator.fetching import InstallationFailed, fetch_profile, open_profile
from corral.simulator.over_the_air import enroll_over_the_air, read_first
from corral.simulator.push_certificates import StandInApple
from corral.simulator.world import State
from e2e.factory import made, post, rule
from e2e.installation import Installation


async def begin(at: Installation, **wanted: object) -> str:
    return f"{await at.link(**wanted)}/over-the-air"


async def test_a_device_signs_who_it_is_and_enrolls_by_a_profile_of_its_own(corral: Installation) -> None:
    device, link = corral.device(), await begin(corral)
    await enroll_over_the_air(device, made(corral, device), link)
    await device.settle()
    assert device.state is State.ENROLLED
    (admitted,) = [
        each["data"]
        for each in await corral.events(0)
        if each["type"] == "enrollment.admitted" and each["device_id"] == device.facts.udid
    ]
    assert (admitted["kind"], admitted["serial_number"]) == ("over-the-air", device.facts.serial_number)
    with pytest.raises(InstallationFailed, match="410"):
        await enroll_over_the_air(corral.device(), made(corral, device), link)


async def test_its_profile_is_no_use_to_another_device(corral: Installation) -> None:
    device, thief, link = corral.device(), corral.device(), await begin(corral)
    body = made(corral, device).sign(write_machine_info(machine_info(device.facts)))
    with pytest.raises(InstallationFailed, match="another device"):
        await thief.enroll((await post(corral, body, link.removeprefix(corral.url))).body)


async def test_a_link_for_one_device_gives_no_other_a_profile(corral: Installation) -> None:
    device = corral.device()
    for bound in ({"serial_number": "OTHER"}, {"device_id": "OTHER"}):
        with pytest.raises(InstallationFailed, match="meant for another device"):
            await enroll_over_the_air(device, made(corral, device), await begin(corral, **bound))


async def test_the_policy_counts_here_as_well(corral: Installation) -> None:
    device = corral.device()
    await rule(corral, device, do="decline", message="Not this one.")
    with pytest.raises(InstallationFailed, match="Not this one"):
        await enroll_over_the_air(device, made(corral, device), await begin(corral))


async def test_who_is_not_signed_for_by_apple_gets_nothing(corral: Installation) -> None:
    device = corral.device()
    link = await begin(corral)
    info = write_machine_info(machine_info(device.facts))
    other = made(corral, device, StandInApple.create(datetime.now(UTC)))
    for body in (b"", info, other.sign(info)):
        assert (await post(corral, body, link.removeprefix(corral.url))).status == 400
    unknown = link.replace("/enroll/", "/enroll/x").removeprefix(corral.url)
    assert (await post(corral, made(corral, device).sign(info), unknown)).status == 404


async def test_the_first_profile_lets_nobody_in(corral: Installation) -> None:
    device, link = corral.device(), await begin(corral)
    first = await fetch_profile(device.voice, link, corral.trust)
    assert read_first(open_profile(first).content) == link
    with pytest.raises(InstallationFailed):
        await device.enroll(first)
