"""What a device signs about itself before it is managed: by whom it is signed, of whom, and for what."""

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from attacks.scene import Scene, refused
from corral.apple.machine_info import HEADER, write_machine_info
from corral.pki import cms
from corral.simulator.device import Device
from corral.simulator.factory import Factory, machine_info, signed_machine_info
from corral.simulator.fetching import InstallationFailed
from corral.simulator.over_the_air import certified, sign
from corral.simulator.push_certificates import StandInApple, StandInDeviceAuthority
from corral.simulator.transport import Response
from e2e.factory import begin, made, post, rule
from e2e.installation import TOPIC
from e2e.messages import enrollment_of
from pki.test_device_signature import with_two_signers

PROFILE = "application/x-apple-aspen-config"
NOT_APPLE = "not signed by a device of Apple's: no trusted authority issued the certificate"
EMPTY = "unreadable SignedData: 0 elements where one whole document is expected"
TEN_YEARS = timedelta(days=3650)


def factory(scene: Scene, device: Device) -> Factory:
    return made(scene.at, device)


def _stranger(scene: Scene, device: Device, content: bytes) -> bytes:
    """Whose chain is as good as Apple's, under another root."""
    return made(scene.at, device, StandInApple.create(datetime.now(UTC))).sign(content)


def _pusher(scene: Scene, device: Device, content: bytes) -> bytes:
    """Who has a push certificate, which is of Apple's root as well: every organization with an MDM service."""
    del device
    apple, key = scene.at.template.apple, scene.at.template.push_key
    pem = apple.push_certificate(TOPIC, key.public_key(), datetime.now(UTC))
    chain = (apple.devices.certificate, apple.certificate)
    return cms.sign(content, x509.load_pem_x509_certificate(pem), key, chain=chain)


def _device_that_issues(scene: Scene, device: Device, content: bytes) -> bytes:
    """A device whose certificate signs that of another."""
    own = factory(scene, device)
    return Factory.make(StandInDeviceAuthority(own.certificate, own.key), device.facts.udid, datetime.now(UTC)).sign(
        content
    )


def _namesake(scene: Scene, device: Device, content: bytes) -> bytes:
    """A chain in which the authority only has the name of Apple's."""
    true, key, now = scene.at.template.apple.devices, ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = true.certificate.subject
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, now - TEN_YEARS, now + TEN_YEARS).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    false = StandInDeviceAuthority(builder.sign(key, hashes.SHA256()), key)
    return Factory.make(false, device.facts.udid, now).sign(content)


def _enrolled(scene: Scene, device: Device, content: bytes) -> bytes:
    """With an identity of ours, which is good for other messages."""
    del device
    identity = enrollment_of(scene.owner).identity
    return cms.sign(content, identity.parsed, identity.key)


def _twice(scene: Scene, device: Device, content: bytes) -> bytes:
    own = factory(scene, device)
    return with_two_signers(cms.sign(content, own.certificate, own.key, chain=own.chain))


def _changed(scene: Scene, device: Device, content: bytes) -> bytes:
    """What another device has signed, with this one's serial number put in."""
    other = scene.at.device()
    signed = factory(scene, other).sign(write_machine_info(machine_info(other.facts)))
    return signed.replace(other.facts.serial_number.encode(), device.facts.serial_number.encode())


FORGERIES: dict[str, Callable[[Scene, Device, bytes], bytes]] = {
    "not signed at all": lambda scene, device, content: content,
    "nothing": lambda scene, device, content: b"",
    "cut short": lambda scene, device, content: factory(scene, device).sign(content)[:-1],
    "without its content": lambda scene, device, content: cms.sign(
        content, factory(scene, device).certificate, factory(scene, device).key, detached=True
    ),
    "of a foreign root": _stranger,
    "of a push certificate": _pusher,
    "of a device that issues": _device_that_issues,
    "of an authority of the same name": _namesake,
    "of an enrolled device": _enrolled,
    "of two signers": _twice,
    "changed": _changed,
}


@pytest.mark.parametrize("name", sorted(FORGERIES))
async def test_what_no_device_of_apples_has_signed_gets_no_profile(scene: Scene, name: str) -> None:
    """Of a device that would be admitted by its name."""
    device = scene.at.device()
    await rule(scene.at, device, do="admit")
    first = await begin(scene.at, device)
    async with scene.unharmed():
        for path, info in (("", machine_info(device.facts)), (first.url.removeprefix(scene.at.url), None)):
            content = write_machine_info(info or first.attributes(device))
            answer = await post(scene.at, FORGERIES[name](scene, device, content), path)
            assert (answer.status, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
            assert answer.body.startswith(b"Not enrolled: "), answer.body
            assert answer.body.count(b"\n") == 1


@pytest.mark.parametrize("days", [-3000, 3000], ids=["expired", "of the future"])
async def test_the_dates_of_a_device_certificate_say_nothing(scene: Scene, days: int) -> None:
    """Apple's own authority has been over since 2014, and issues: whose it is counts, not when it was made."""
    device = scene.at.device()
    await rule(scene.at, device, do="admit")
    when = datetime.now(UTC) + timedelta(days=days)
    old = Factory.make(scene.at.template.apple.devices, device.facts.udid, when)
    async with scene.unharmed("enrollment.admitted", changes={"enroll_grant"}):
        answer = await post(scene.at, signed_machine_info(old, machine_info(device.facts)))
        assert (answer.status, answer.headers["content-type"]) == (200, PROFILE)


async def test_what_another_device_has_signed_gets_a_profile_for_that_device_alone(scene: Scene) -> None:
    """Recorded, and sent again: it bears no date. What comes of it names the device that signed."""
    device, thief = scene.at.device(), scene.at.device()
    await rule(scene.at, device, do="admit")
    caught = signed_machine_info(factory(scene, device), machine_info(device.facts))
    issued = {"enroll_grant", "certificate"}
    told = ("enrollment.admitted", "certificate.issued", "connection.refused")
    async with scene.unharmed(*told, changes=issued):
        answer = await post(scene.at, caught)
        with pytest.raises(
            InstallationFailed, match=r"403: Not admitted: this enrollment is meant for another device\."
        ):
            await thief.enroll(answer.body)


async def test_what_was_signed_for_another_way_in_is_no_use_here(scene: Scene) -> None:
    """An answer to somebody's first profile, with its challenge in it; and the other way round."""
    device = scene.at.device()
    await rule(scene.at, device, do="admit")
    first, other = await begin(scene.at, device), await begin(scene.at, device)
    own, path = factory(scene, device), first.url.removeprefix(scene.at.url)
    async with scene.unharmed():
        refused(
            await post(scene.at, own.sign(write_machine_info(first.attributes(device)))),
            400,
            "Not enrolled: it was signed for an enrollment over the air.",
        )
        for caught in (machine_info(device.facts), other.attributes(device)):
            refused(
                await post(scene.at, own.sign(write_machine_info(caught)), path),
                400,
                "Not enrolled: the challenge of the first profile is missing in what the device signed.",
            )


async def test_a_header_that_says_another_device_than_the_body_says_nothing(scene: Scene) -> None:
    """The header is for the web view; at the other address the body alone speaks, and gets what is its own."""
    device, victim, thief = scene.at.device(), scene.at.device(), scene.at.device()
    for each in (device, victim):
        await rule(scene.at, each, do="admit")
    caught = signed_machine_info(factory(scene, victim), machine_info(victim.facts))
    own = signed_machine_info(factory(scene, device), machine_info(device.facts))
    header = {HEADER: base64.b64encode(caught).decode()}
    cursor = await scene.at.cursor()
    async with scene.unharmed("enrollment.admitted", changes={"enroll_grant"}):
        answer = await post(scene.at, own, headers=header)
        assert (answer.status, answer.headers["content-type"]) == (200, PROFILE)
        (admitted,) = await scene.at.events(cursor)
        assert admitted["device_id"] == device.facts.udid
        refused(await post(scene.at, b"", headers=header), 400, f"Not enrolled: {EMPTY}.")
        unsigned = write_machine_info(machine_info(thief.facts))
        assert (await post(scene.at, unsigned, headers=header)).status == 400


async def test_a_certificate_of_the_second_phase_signs_for_its_own_device_and_link(scene: Scene) -> None:
    device, victim = scene.at.device(), scene.owner
    first, other = await begin(scene.at, device), await begin(scene.at, device)
    own = factory(scene, device).sign(write_machine_info(first.attributes(device)))
    identity = await certified(device, (await post(scene.at, own, first.url.removeprefix(scene.at.url))).body)
    assert identity is not None

    async def said(about: Device, by: str) -> Response:
        content = write_machine_info((first if by == first.url else other).attributes(about))
        return await post(scene.at, sign(identity, content), by.removeprefix(scene.at.url))

    async with scene.unharmed():
        why = "Not enrolled: the certificate that signed it was given out to another device."
        refused(await said(victim, first.url), 400, why)
        why = "Not enrolled: the certificate that signed it is not of an enrollment by this link that is under way."
        refused(await said(device, other.url), 400, why)


async def test_a_device_without_a_name_is_nobody(scene: Scene) -> None:
    device = scene.at.device()
    info = machine_info(device.facts)
    why = "Not enrolled: UDID and SERIAL are missing in what the device signed."
    async with scene.unharmed():
        for nameless in (replace(info, udid=None), replace(info, serial_number=None)):
            refused(await post(scene.at, signed_machine_info(factory(scene, device), nameless)), 400, why)


async def test_a_blocked_device_gets_no_profile_by_signing_another_udid_with_its_serial_number(scene: Scene) -> None:
    """It is known by either."""
    device = await scene.at.enrolled()
    await scene.at.post(f"/devices/{device.facts.udid}/block")
    await rule(scene.at, device, do="admit")
    info = machine_info(device.facts)
    async with scene.unharmed("enrollment.refused"):
        for said in (info, replace(info, udid="00008110-00000000DEADBEEF"), replace(info, serial_number="C0FFEE0000")):
            answer = await post(scene.at, signed_machine_info(factory(scene, device), said))
            assert (answer.status, answer.headers["content-type"]) == (403, "text/plain; charset=utf-8")


async def test_a_message_that_is_too_large_is_not_looked_at(scene: Scene) -> None:
    device = scene.at.device()
    async with scene.unharmed():
        answer = await post(scene.at, factory(scene, device).sign(b"x" * 70_000))
        refused(answer, 413, "A device sends 65536 bytes here at most.")
