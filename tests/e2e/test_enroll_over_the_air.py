"""Over-the-air enrollment: a link, a device that signs who it is twice, and a profile that it alone can read and use.

Apple: "Over-the-Air Profile Delivery Concepts".
"""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from corral.apple.installed_profile import ProfileError, read_enrollment_profile, read_identity_profile
from corral.apple.machine_info import MachineInfo, write_machine_info
from corral.apple.plist import parse_dict
from corral.pki import scep
from corral.simulator.device import Device
from corral.simulator.factory import machine_info
from corral.simulator.fetching import InstallationFailed, fetch_profile, open_profile
from corral.simulator.identity import Identity
from corral.simulator.over_the_air import First, ask, certified, enroll_over_the_air, read_first, sign
from corral.simulator.push_certificates import StandInApple
from corral.simulator.world import State
from e2e.conftest import Start
from e2e.factory import begin, made, post, rule, told
from e2e.installation import Installation


async def link_of(at: Installation, **wanted: object) -> str:
    return f"{await at.link(**wanted)}/over-the-air"


async def second(at: Installation, device: Device, first: First) -> Identity:
    """What a device has after phase 2."""
    profile = await ask(device, first, made(at, device).sign(write_machine_info(first.attributes(device))))
    identity = await certified(device, profile)
    assert identity is not None
    return identity


async def test_a_device_signs_who_it_is_and_enrolls_by_a_profile_of_its_own(corral: Installation) -> None:
    device, link, before = corral.device(), await link_of(corral), await corral.cursor()
    await enroll_over_the_air(device, made(corral, device), link)
    await device.settle()
    assert device.state is State.ENROLLED
    (admitted,) = await told(corral, before, "enrollment.admitted")
    assert (admitted["kind"], admitted["serial_number"]) == ("over-the-air", device.facts.serial_number)
    certificates = (await corral.get(f"/devices/{device.facts.udid}"))["certificates"]
    assert [each["status"] for each in certificates] == ["bound"], "that of phase 2 is good for nothing any more"
    with pytest.raises(InstallationFailed, match="410"):
        await enroll_over_the_air(corral.device(), made(corral, device), link)
    await corral.post(f"/devices/{device.facts.udid}/renew")
    await device.poll()
    await device.settle()
    assert not device.complaints
    assert [each["phase"] for each in await corral.lives(device)] == ["connected"], "renewed as it was enrolled"


async def test_what_comes_in_between_is_an_identity_and_no_management(corral: Installation) -> None:
    device = corral.device()
    first = await begin(corral, device)
    profile = await ask(device, first, made(corral, device).sign(write_machine_info(first.attributes(device))))
    content = open_profile(profile).content
    assert read_identity_profile(content) is not None
    with pytest.raises(ProfileError, match=r"0 payloads of type com\.apple\.mdm"):
        read_enrollment_profile(content)


async def test_the_enrollment_profile_can_be_read_by_its_device_alone(corral: Installation) -> None:
    device, other = corral.device(), corral.device()
    first = await begin(corral, device)
    identity = await second(corral, device, first)
    profile = await ask(device, first, sign(identity, write_machine_info(first.attributes(device))))
    keys = parse_dict(open_profile(profile).content)
    assert "PayloadContent" not in keys
    assert keys["IsEncrypted"] is True
    foreign = await second(corral, other, await begin(corral, other))
    with pytest.raises(InstallationFailed, match="not for this device"):
        await device.enroll(profile, foreign)
    with pytest.raises(InstallationFailed):
        await device.enroll(profile)
    await device.enroll(profile, identity)
    assert device.state is State.ENROLLED


async def test_where_identities_come_by_acme_the_second_profile_is_the_last(start: Start) -> None:
    at = await start({"CORRAL_IDENTITY_ENROLLMENT": "acme"})
    device = at.device()
    await enroll_over_the_air(device, made(at, device), await link_of(at))
    assert device.state is State.ENROLLED
    shown = await at.get(f"/devices/{device.facts.udid}")
    assert shown["certificates"][0]["attested"]["serial_number"] == device.facts.serial_number


async def test_a_device_that_asks_again_in_any_phase_gets_on(corral: Installation) -> None:
    """Answers get lost; a device may begin each phase anew."""
    device = corral.device()
    first = await begin(corral, device)
    attributes = write_machine_info(first.attributes(device))
    await second(corral, device, first)
    identity = await second(corral, device, first)
    profiles = [await ask(device, first, sign(identity, attributes)) for _ in range(2)]
    await device.enroll(profiles[-1], identity)
    assert device.state is State.ENROLLED


async def test_a_link_for_one_device_gives_no_other_a_profile(corral: Installation) -> None:
    device, before = corral.device(), await corral.cursor()
    for bound in ({"serial_number": "OTHER"}, {"device_id": "OTHER"}):
        with pytest.raises(InstallationFailed, match="for another device"):
            await enroll_over_the_air(device, made(corral, device), await link_of(corral, **bound))
    refused = await told(corral, before, "enrollment.refused")
    assert {each["why"] for each in refused} == {"the link is meant for another device"}


async def test_the_policy_counts_here_as_well(corral: Installation) -> None:
    device = corral.device()
    await rule(corral, device, do="decline", message="Not this one.")
    with pytest.raises(InstallationFailed, match="Not this one"):
        await enroll_over_the_air(device, made(corral, device), await link_of(corral))


# Attacks


async def refused(at: Installation, first: First, message: bytes) -> str:
    answer = await post(at, message, first.url.removeprefix(at.url))
    assert (answer.status, answer.headers.get("www-authenticate")) == (400, None)
    return answer.body.decode()


async def test_who_is_not_signed_for_by_apple_gets_nothing(corral: Installation) -> None:
    device = corral.device()
    first = await begin(corral, device)
    info = write_machine_info(first.attributes(device))
    other = made(corral, device, StandInApple.create(datetime.now(UTC)))
    for body in (b"", info, other.sign(info)):
        await refused(corral, first, body)
    unknown = first.url.replace("/enroll/", "/enroll/x").removeprefix(corral.url)
    assert (await post(corral, made(corral, device).sign(info), unknown)).status == 404


async def test_a_message_for_another_link_or_for_something_else_is_no_use_here(corral: Installation) -> None:
    """The challenge of the first profile ties what is signed to this link, and to this hour."""
    device = corral.device()
    first, other = await begin(corral, device), await begin(corral, device)
    factory, until = made(corral, device), first.challenge
    assert until is not None
    said = first.attributes(device)
    forged = f"{int(until.partition('.')[0]) + 1}.{until.partition('.')[2]}"
    for challenge in (None, "", "x", other.challenge, forged, until[:-1], "9" * 40, "\u0661.x"):
        message = factory.sign(write_machine_info(replace(said, challenge=challenge)))
        assert "challenge" in await refused(corral, first, message)
    automated = factory.sign(write_machine_info(machine_info(device.facts)))
    assert "challenge" in await refused(corral, first, automated), "one that was caught on its way to somewhere else"


async def test_an_old_first_profile_is_good_for_nothing(start: Start) -> None:
    at = await start(plain=True)
    device = at.device()
    first = await begin(at, device)
    message = made(at, device).sign(write_machine_info(first.attributes(device)))
    await at.restart(days_ahead=0.05)
    assert "more than an hour old" in await refused(at, first, message)


async def test_the_second_signature_is_believed_of_its_own_device_and_link_only(corral: Installation) -> None:
    device, other = corral.device(), corral.device()
    first, elsewhere = await begin(corral, device), await begin(corral, device)
    identity = await second(corral, device, first)

    def signed(said: MachineInfo, by: Identity = identity) -> bytes:
        return sign(by, write_machine_info(said))

    assert "another device" in await refused(corral, first, signed(first.attributes(other)))
    nameless = replace(first.attributes(device), udid=None, serial_number=None)
    assert "another device" in await refused(corral, first, signed(nameless))
    assert "not of an enrollment by this link" in await refused(corral, elsewhere, signed(elsewhere.attributes(device)))
    enrolled = await corral.enrolled()
    assert enrolled.enrollment is not None
    with_mdm = signed(first.attributes(enrolled), enrolled.enrollment.identity)
    assert "not of an enrollment by this link" in await refused(corral, first, with_mdm)
    key = await device.world.keys.take()
    selfmade = Identity(scep.build_signer(key, "device", datetime.now(UTC)).public_bytes(Encoding.DER), key)
    await refused(corral, first, signed(first.attributes(device), selfmade))
    await device.enroll(await ask(device, first, signed(first.attributes(device))), identity)
    assert device.state is State.ENROLLED
    late = await post(corral, signed(first.attributes(device)), first.url.removeprefix(corral.url))
    assert late.status == 410, "the link is used up"


async def test_a_withdrawn_link_ends_what_is_under_way(corral: Installation) -> None:
    device = corral.device()
    link = await corral.post("/links")
    profile = await fetch_profile(device.voice, f"{link['url']}/over-the-air", corral.trust)
    first = read_first(open_profile(profile).content)
    identity = await second(corral, device, first)
    await corral.delete(f"/links/{link['link']['id']}")
    answer = await post(
        corral, sign(identity, write_machine_info(first.attributes(device))), first.url.removeprefix(corral.url)
    )
    assert answer.status == 410


async def test_the_first_profile_lets_nobody_in(corral: Installation) -> None:
    device, link = corral.device(), await link_of(corral)
    first = await fetch_profile(device.voice, link, corral.trust)
    assert read_first(open_profile(first).content).url == link
    with pytest.raises(InstallationFailed):
        await device.enroll(first)
