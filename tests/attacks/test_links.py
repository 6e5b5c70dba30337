"""Stolen links, and what one that was not stolen does not let its holder do."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from attacks.scene import CLONE, Scene, refused
from corral.simulator.device import Device
from corral.simulator.facts import Model
from corral.simulator.fetching import InstallationFailed, fetch_profile
from corral.simulator.transport import Response
from e2e.installation import Installation, until
from e2e.messages import authenticate, draft, enrollment_of, report, update_token
from e2e.wire import being_pushed

NO_CERTIFICATE = "no identity certificate: the authority refuses: BAD_REQUEST"
BEGUN = {"connection", "device", "certificate", "enroll_grant", "channel", "escrow"}
"""What changes where a newcomer is let in, or held."""


async def opened(at: Installation, link: str) -> list[Response]:
    """What the link answers to a browser, a device, and a device that would rather sign who it is."""
    wanted = (("Accept", "application/x-apple-aspen-config"),)
    return [
        await at.transport.request(method, f"{link}{path}", headers=headers, trust=at.trust)
        for method, path, headers in (
            ("GET", "", ()),
            ("GET", "", wanted),
            ("GET", "/profile", ()),
            ("GET", "/over-the-air", ()),
            ("POST", "/over-the-air", ()),
        )
    ]


def closed(answers: list[Response], status: int, why: str) -> None:
    """A page that says why, and no profile."""
    for answer in answers:
        assert (answer.status, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert why in answer.body.decode()
        assert b"PayloadContent" not in answer.body


async def test_a_link_that_was_used_is_closed(scene: Scene) -> None:
    link = await scene.at.link()
    await scene.at.device().enroll(link)
    async with scene.unharmed():
        closed(await opened(scene.at, link), 410, "This enrollment link has been used.")


async def test_a_link_that_was_withdrawn_is_closed(scene: Scene) -> None:
    made = await scene.at.post("/links")
    await scene.at.delete(f"/links/{made['link']['id']}")
    async with scene.unharmed():
        closed(await opened(scene.at, made["url"]), 410, "This enrollment link was withdrawn.")


async def test_a_link_that_has_expired_is_closed(scene: Scene) -> None:
    link = await scene.at.link(expires_in=1)
    await asyncio.sleep(1.05)
    async with scene.unharmed():
        closed(await opened(scene.at, link), 410, "This enrollment link has expired.")


async def test_a_link_that_was_guessed_does_not_exist(scene: Scene) -> None:
    true = (await scene.at.link()).rpartition("/")[2]
    async with scene.unharmed():
        for token in (true[:-1], true + "A", true[::-1], true.swapcase(), "A" * 32, "A" * 15, "A" * 500, "%00" * 16):
            answers = await opened(scene.at, f"{scene.at.url}/enroll/{token}")
            closed(answers, 404, "This enrollment link is not known here")


async def test_a_profile_that_was_fetched_before_the_link_was_used_gets_no_certificate(scene: Scene) -> None:
    """A preview of the message with the link has fetched it, and somebody kept it."""
    link, thief = await scene.at.link(), scene.at.device()
    stolen = await fetch_profile(thief.voice, link, scene.at.trust)
    await scene.at.device().enroll(link)
    async with scene.unharmed("certificate.refused"):
        with pytest.raises(InstallationFailed, match=NO_CERTIFICATE):
            await thief.enroll(stolen)


@pytest.mark.parametrize("then", ["used", "withdrawn"])
async def test_a_certificate_that_was_got_before_the_link_was_closed_lets_nobody_in(scene: Scene, then: str) -> None:
    made, thief = await scene.at.post("/links"), scene.at.device()
    stolen = await draft(thief, made["url"])
    if then == "used":
        await scene.at.device().enroll(made["url"])
    else:
        await scene.at.delete(f"/links/{made['link']['id']}")
    why = "This enrollment link has been used" if then == "used" else "This enrollment link was withdrawn"
    async with scene.unharmed("connection.refused"):
        refused(await authenticate(thief, stolen), 403, f"Not admitted: {why}.")
        assert (await update_token(thief, stolen)).status == 400
        assert (await report(thief, enrollment=stolen)).status == 400


async def test_of_two_who_share_a_link_for_one_the_second_is_turned_away_at_the_last_step(scene: Scene) -> None:
    link, thief, device = await scene.at.link(), scene.at.device(), scene.at.device()
    stolen = await draft(thief, link)
    assert (await authenticate(thief, stolen)).status == 200
    await device.enroll(link)
    async with scene.unharmed("connection.refused", "connection.ended", changes=BEGUN):
        refused(await update_token(thief, stolen), 403, "Not admitted: This enrollment link has been used.")
    assert (await report(device)).status == 200


async def test_a_link_for_one_serial_number_lets_no_other_device_in(scene: Scene) -> None:
    thief, link = scene.at.device(), await scene.at.link(serial_number="C0ANOTHER1")
    stolen = await draft(thief, link)
    async with scene.unharmed("connection.refused"):
        why = "Not admitted: this enrollment is meant for another serial number."
        refused(await authenticate(thief, stolen), 403, why)
        assert (await update_token(thief, stolen)).status == 400


async def test_a_link_for_one_udid_lets_no_other_device_in(scene: Scene) -> None:
    thief, link = scene.at.device(), await scene.at.link(device_id="00008110-000000000000001E")
    stolen = await draft(thief, link)
    async with scene.unharmed("connection.refused"):
        refused(await authenticate(thief, stolen), 403, "Not admitted: this enrollment is meant for another device.")


# Who says that he is a device which is connected


def posing_as(at: Installation, victim: Device, **facts: Any) -> Device:
    """Another device, that says of itself what the victim is, but for these facts."""
    thief = at.device()
    return Device(replace(victim.facts, **facts), thief.world, thief.behaviour, seed=4711)


async def known(scene: Scene) -> dict[str, Any]:
    shown = await scene.at.get(f"/devices/{scene.owner.facts.udid}")
    own = (await scene.at.lives(scene.owner))[-1]["id"]
    described = {name: value for name, value in shown["device"].items() if name != "last_seen"}
    return {**described, "life": next(each for each in shown["connections"] if each["id"] == own)["phase"]}


LIES = {"serial_number": "F4K3F4K3F4", "os_version": "17.0.1", "device_name": "mine", "product_name": "AppleTV14,1"}


@pytest.mark.parametrize("bound", [{}, {"serial_number": "F4K3F4K3F4"}], ids=["for anybody", "for his own"])
async def test_a_thief_with_a_link_gets_nothing_of_a_connected_device_and_changes_nothing_of_it(
    corral: Installation, bound: dict[str, str]
) -> None:
    """By a link for anybody, or by one for the serial number of his own device: the UDID is but his word."""
    scene = await Scene.of(corral)
    thief, link = posing_as(corral, scene.owner, **LIES), await corral.post("/links", **bound)
    before, sent = await known(scene), await corral.send(scene.owner, "ProfileList")
    told = ("certificate.issued", "connection.authenticated", "connection.takeover-held")
    async with scene.unharmed(*told, changes=BEGUN):
        await thief.enroll(link["url"])
        answer = await report(thief)
        assert (answer.status, answer.body) == (200, b"")
        assert await known(scene) == before
    assert (await corral.outcome(sent))["delivery"]["state"] == "acknowledged", "by the owner"
    assert (await corral.get(f"/links/{link['link']['id']}"))["used"] == 0
    shown = await corral.post(f"/devices/{scene.owner.facts.udid}/takeover", accept=False)
    assert shown["takeover"] is None
    await thief.poll()
    assert thief.enrollment is None, "told to leave, by a person"
    await scene.works()


async def test_a_thief_who_waits_does_not_come_in_by_a_link_that_was_withdrawn(corral: Installation) -> None:
    """Held, until the device is sold or erased one day and Apple calls its push token dead."""
    scene = await Scene.of(corral)
    thief, link = posing_as(corral, scene.owner, **LIES), await corral.post("/links")
    await thief.enroll(link["url"])
    await corral.delete(f"/links/{link['link']['id']}")
    own = enrollment_of(scene.owner)
    cursor = await corral.cursor()
    corral.push.unregister(own.device.token)
    await corral.post(f"/devices/{scene.owner.facts.udid}/wake")

    async def is_dead() -> bool:
        return "push.unregistered" in [each["type"] for each in await corral.events(cursor)]

    await until(is_dead)
    await until(lambda: not being_pushed(corral))
    assert [each["phase"] for each in await corral.lives(scene.owner)] == ["authenticating", "connected"]
    assert (await report(thief)).body == b""
    scene.owner.listen(own.device, own.profile.topic)
    assert (await update_token(scene.owner)).status == 200
    await scene.works()


async def test_a_thief_who_begins_again_and_again_does_not_disturb_a_connected_device(corral: Installation) -> None:
    scene = await Scene.of(corral)
    before, links = await known(scene), [await corral.link() for _ in range(3)]
    told = ("certificate.issued", "connection.authenticated", "connection.ended")
    async with scene.unharmed(*told, changes=BEGUN):
        for link in links:
            thief = posing_as(corral, scene.owner, **LIES)
            assert (await authenticate(thief, await draft(thief, link))).status == 200
        assert await known(scene) == before


async def test_a_user_enrollment_is_not_taken_for_a_device_of_its_name(corral: Installation) -> None:
    """An EnrollmentID that is the UDID of a connected device."""
    scene = await Scene.of(corral, Model.MAC, "15.2")
    before, thief = await known(scene), corral.device()
    stolen = await draft(thief, await corral.link())
    channel = replace(stolen.device, names={"EnrollmentID": scene.owner.facts.udid})
    told = ("connection.authenticated", "connection.takeover-held")
    async with scene.unharmed(*told, changes=BEGUN):
        claimed = replace(stolen, device=channel)
        assert (await authenticate(thief, claimed)).status == 200
        assert (await update_token(thief, claimed)).status == 200
        assert (await report(thief, enrollment=claimed)).body == b""
        assert await known(scene) == before


async def test_what_a_link_let_in_is_no_proof_for_the_next_device(scene: Scene) -> None:
    """A device that is enrolled shows its certificate under another name: it is a clone's, whatever link it came by."""
    thief = await scene.at.enrolled()
    async with scene.unharmed("connection.clone-refused"):
        claimed = enrollment_of(thief).on(scene.owner.facts.udid)
        for answer in (await authenticate(thief, claimed), await update_token(thief, claimed)):
            refused(answer, 403, CLONE)
