"""The web view of Setup Assistant: a person signs in, and the device that was assigned gets its profile.

Apple: "Authenticating Through Web Views", "Automated Device Enrollment".
"""

import base64
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio

from corral.apple.machine_info import HEADER
from corral.simulator.ade.activating import activate
from corral.simulator.ade.portal import PortalServer
from corral.simulator.ade.service import AdeService
from corral.simulator.browser import Browser
from corral.simulator.device import Device
from corral.simulator.factory import machine_info, signed_machine_info
from corral.simulator.fetching import InstallationFailed
from corral.simulator.push_certificates import StandInApple
from corral.simulator.setup_assistant import set_up, set_up_by_web
from corral.simulator.world import State
from e2e.account_place import ANN, BOB, Place, place
from e2e.factory import automated, made, ruled, told
from e2e.installation import Installation, Template


@dataclass
class School:
    """An organization whose people sign in on devices that it bought."""

    place: Place
    apple: AdeService
    portal: PortalServer

    @property
    def corral(self) -> Installation:
        return self.place.corral

    @property
    def url(self) -> str:
        return f"{self.corral.url}/enroll/automated/web"

    async def bought(self, **facts: Any) -> Device:
        device = self.corral.device(**facts)
        self.portal.add_device(device.facts.serial_number)
        await self.corral.post("/ade/servers/main/sync", whole=False)
        return device

    async def switch_on(self, device: Device, browser: Browser) -> None:
        await activate(device, made(self.corral, device), self.apple, browser)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def school(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[School]:
    folder, apple = tmp_path_factory.mktemp("school"), AdeService(template.apple)
    (folder / "ade.pem").write_bytes(template.apple.root_pem)
    ade = {"CORRAL_ADE_URL": await apple.start(), "CORRAL_ADE_CA": str(folder / "ade.pem")}
    try:
        async with place(template, folder, **ade) as made_place:
            corral = made_place.corral
            server = await corral.post("/ade/servers", name="main")
            portal, file = apple.add_server("Corral", server["certificate"].encode())
            await corral.post("/ade/servers/main/token", file=base64.b64encode(file).decode())
            found = School(made_place, apple, portal)
            profile = {"profile_name": "web", "is_supervised": True, "configuration_web_url": found.url}
            await corral.post("/ade/servers/main/profiles", profile=profile)
            await corral.post("/ade/servers/main/default", profile="web")
            yield found
    finally:
        await apple.stop()


async def test_a_person_signs_in_and_the_device_is_set_up(school: School) -> None:
    device, browser, before = await school.bought(), school.place.browser(), await school.corral.cursor()
    await school.switch_on(device, browser)
    await device.settle()
    assert device.state is State.ENROLLED
    assert (await school.corral.life(device))["phase"] == "connected"
    assert device.behaviour.supervised
    assert device.enrollment is not None
    assert device.enrollment.profile.enrollment_mode is None
    assert any(each.startswith(school.place.provider.issuer) for each in browser.visited)
    (admitted,) = await told(school.corral, before, "enrollment.admitted")
    assert (admitted["kind"], admitted["account"]) == ("automated", ANN)
    assert admitted["serial_number"] == device.facts.serial_number
    assert not device.complaints


@pytest.mark.parametrize(
    ("login", "password", "says"),
    [
        (ANN, "wrong", "sign-in failed|HTTP 400"),
        ("eve@evil.example", "correct horse", "cannot be enrolled here"),
        ("carl@example.org", "correct horse", "in none of the groups"),
    ],
)
async def test_a_sign_in_that_is_refused_enrolls_no_device(
    school: School, login: str, password: str, says: str
) -> None:
    device, before = await school.bought(), await school.corral.cursor()
    with pytest.raises(InstallationFailed, match=says):
        await school.switch_on(device, school.place.browser(login, password))
    assert not await told(school.corral, before, "enrollment.admitted")


async def test_nobody_gets_round_the_sign_in_by_the_other_address(school: School) -> None:
    device = await school.bought()
    with pytest.raises(InstallationFailed, match="not signed in with an account"):
        await set_up(device, made(school.corral, device), automated(school.corral))


async def test_a_device_that_is_not_assigned_does_not_come_to_the_sign_in(school: School) -> None:
    device, browser = school.corral.device(), school.place.browser()
    with pytest.raises(InstallationFailed, match="not assigned to this organization"):
        await set_up_by_web(device, made(school.corral, device), school.url, browser)
    assert browser.visited == [school.url]


async def test_a_device_updates_before_anybody_signs_in(school: School) -> None:
    device, browser = await school.bought(os_version="17.6.1"), school.place.browser()
    update = {"when": {"os_below": "18.2"}, "then": {"do": "require-update", "minimum": "18.2"}}
    async with ruled(school.corral, update):
        await school.switch_on(device, browser)
    assert (device.facts.os_version, device.state) == ("18.2", State.ENROLLED)
    assert browser.visited[:2] == [school.url] * 2


async def test_the_policy_knows_the_account_when_it_decides_at_last(school: School) -> None:
    device, before = await school.bought(), await school.corral.cursor()
    bob_alone = {"when": {"kind": ["automated"], "account": [BOB]}, "then": {"do": "admit"}}
    others = {"when": {"kind": ["automated"]}, "then": {"do": "decline", "message": "These are for Bob."}}
    async with ruled(school.corral, bob_alone, others):
        with pytest.raises(InstallationFailed, match=r"HTTP 403: .*These are for Bob\."):
            await school.switch_on(device, school.place.browser(ANN))
        (refused,) = await told(school.corral, before, "enrollment.refused")
        assert (refused["account"], refused["serial_number"]) == (ANN, device.facts.serial_number)
        kinds = [each["type"] for each in await school.corral.events(before, device)]
        assert kinds == ["enrollment.refused"], "in the history of the device, once"
        await school.switch_on(device, school.place.browser(BOB))
    assert device.state is State.ENROLLED


# Attacks


async def test_what_no_device_of_apples_signed_is_no_way_to_the_sign_in(school: School) -> None:
    device = await school.bought()
    info = machine_info(device.facts)
    factory = made(school.corral, device)
    good = signed_machine_info(factory, info)
    other = signed_machine_info(made(school.corral, device, StandInApple.create(device.voice.now())), info)
    nameless = signed_machine_info(factory, replace(info, udid=None))
    tampered = good.replace(device.facts.serial_number.encode(), b"X" * len(device.facts.serial_number))
    async with school.place.client() as client:
        for message in (b"", b"x", other, nameless, tampered, good[:-1]):
            answer = await client.get(school.url, headers={HEADER: base64.b64encode(message).decode()})
            assert (answer.status_code, "location" in answer.headers) == (400, False)
            assert "www-authenticate" not in answer.headers
        assert (await client.get(school.url)).status_code == 400
        value = base64.b64encode(good).decode()
        doubled = await client.get(school.url, headers=[(HEADER, value), (HEADER, value)])
        assert doubled.status_code == 400
        for form in (value, base64.urlsafe_b64encode(good).decode().rstrip("=")):
            assert (await client.get(school.url, headers={HEADER: form})).status_code == 302


async def test_a_sign_in_of_setup_assistant_gives_no_token(school: School) -> None:
    """The web view may not be a way to what account-driven devices get."""
    device, browser, before = await school.bought(), school.place.browser(), await school.corral.cursor()
    await school.switch_on(device, browser)
    assert not await told(school.corral, before, "account.signed-in")
    assert not any("access-token" in each for each in browser.visited)
