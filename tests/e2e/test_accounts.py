"""Enrollment with an account, end to end: discovery, sign-in at an identity provider by both methods, the profile.

What strangers try on the way is in tests/attacks/test_accounts.py."""

import json
import plistlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from corral.apple.machine_info import write_machine_info
from corral.simulator.account_driven import (
    SCHEME,
    ByOAuth,
    ByWeb,
    Server,
    ask_base,
    discover,
    parse_challenge,
    read_challenge,
    refresh,
    sign_in,
)
from corral.simulator.behaviour import User
from corral.simulator.factory import machine_info
from corral.simulator.facts import Model
from corral.simulator.fetching import InstallationFailed
from corral.simulator.speaking import Accepted, Failed
from corral.simulator.world import State
from e2e.account_place import ANN, BOB, Place, place
from e2e.conftest import DATABASES, each_template
from e2e.factory import made, ruled, told
from e2e.forged_tokens import FORGERIES
from e2e.installation import Template


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=DATABASES)
async def web(
    request: pytest.FixtureRequest, template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Place]:
    """Signs people in by `apple-as-web`; iPads and bob's devices are the organization's."""
    folder = tmp_path_factory.mktemp("web")
    sso = folder / "sso.json"
    sso.write_text(json.dumps({"AppIDs": ["ABCDE12345.org.example.sso"]}))
    device_for = f"iPad, {BOB}"
    with each_template(request.param, template, folder / "template") as own:
        async with place(own, folder, CORRAL_ACCOUNT_DEVICE_FOR=device_for, CORRAL_ACCOUNT_SSO=str(sso)) as made:
            yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def oauth(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Place]:
    """Signs people in by `apple-oauth2`."""
    async with place(template, tmp_path_factory.mktemp("oauth"), CORRAL_ACCOUNT_METHOD="oauth2") as made:
        yield made


# -- the ways in


async def test_a_persons_own_device_enrolls_with_an_account(web: Place) -> None:
    device = web.corral.device(Model.IPHONE)
    profile, _ = await web.profile(device)
    await device.enroll(profile)
    await device.settle()
    assert device.state is State.ENROLLED
    assert device.enrollment is not None
    assert device.enrollment.profile.assigned_managed_apple_id == ANN
    assert device.enrollment.profile.access_rights is None
    identifier = device.enrollment.device.names["EnrollmentID"]
    shown = await web.corral.get(f"/devices/{identifier}")
    assert (shown["device"]["user_enrollment"], shown["device"]["serial_number"]) == (True, None)
    assert await device.poll() is not None
    assert not device.complaints
    with_udid = (await web.corral.api.get(f"/devices/{device.facts.udid}")).status_code
    assert with_udid == 404


async def test_each_enrollment_of_a_persons_device_is_another(web: Place) -> None:
    device = web.corral.device(Model.IPHONE)
    seen: set[str] = set()
    for _ in range(2):
        profile, _ = await web.profile(device)
        await device.enroll(profile)
        assert device.enrollment is not None
        seen.add(device.enrollment.device.names["EnrollmentID"])
        await device.leave()
    assert len(seen) == 2


async def test_a_device_of_the_organization_enrolls_with_an_account(web: Place) -> None:
    device = web.corral.device(Model.IPAD)
    profile, _ = await web.profile(device, BOB)
    await device.enroll(profile)
    await device.settle()
    assert device.enrollment is not None
    assert device.enrollment.profile.enrollment_mode == "ADDE"
    assert device.enrollment.profile.access_rights == 8191
    shown = await web.corral.get(f"/devices/{device.facts.udid}")
    assert shown["device"]["serial_number"] == device.facts.serial_number


async def test_a_mac_of_a_person_has_a_user_channel(web: Place) -> None:
    device = web.corral.device(Model.MAC, None, user=User("ann", "Ann"))
    profile, _ = await web.profile(device)
    await device.enroll(profile)
    await device.settle()
    assert device.enrollment is not None
    assert "EnrollmentUserID" in device.enrollment.users[0].names
    shown = await web.corral.get(f"/devices/{device.enrollment.device.names['EnrollmentID']}")
    kinds = {each["kind"] for each in shown["channels"]}
    assert kinds == {"user_enrollment_device", "user_enrollment_user"}


async def test_a_device_enrolls_by_oauth_and_refreshes_its_token(oauth: Place) -> None:
    device = oauth.corral.device(Model.IPHONE)
    profile, bearer = await oauth.profile(device)
    await device.enroll(profile)
    assert device.state is State.ENROLLED
    again = await refresh(device.voice, bearer, oauth.trust)
    assert again.access != bearer.access
    answer = await ask_base(device.voice, oauth.server("user"), oauth.sign, oauth.trust, again.access)
    assert answer.status == 200


# -- discovery and the challenge


async def test_discovery_names_one_server_by_account_and_model(web: Place) -> None:
    phone, tablet = web.corral.device(Model.IPHONE), web.corral.device(Model.IPAD)
    url = web.corral.url
    byod, adde = f"{url}/enroll/account/user", f"{url}/enroll/account/device"
    assert await discover(phone.voice, ANN, web.trust, url) == Server("mdm-byod", byod)
    assert await discover(tablet.voice, ANN, web.trust, url) == Server("mdm-adde", adde)
    assert await discover(phone.voice, BOB, web.trust, url) == Server("mdm-adde", adde)
    async with web.client() as client:
        bare = await client.get("/.well-known/com.apple.remotemanagement")
    assert bare.json() == {"Servers": [{"Version": "mdm-byod", "BaseURL": byod}]}
    with pytest.raises(InstallationFailed, match=r"com\.apple\.well-known\.failed"):
        await discover(phone.voice, "eve@evil.example", web.trust, url)


async def test_the_challenge_of_each_method_is_whole(web: Place, oauth: Place) -> None:
    device = web.corral.device()
    response = await ask_base(device.voice, web.server("user"), web.sign, web.trust)
    assert (response.status, response.body) == (401, b"")
    assert read_challenge(response) == ByWeb(f"{web.corral.url}/account/sign-in")
    document = await device.voice.transport.request("GET", response.headers["x-apple-mdm-esso"], trust=web.trust)
    assert json.loads(document.body) == {"AppIDs": ["ABCDE12345.org.example.sso"]}
    url = oauth.corral.url
    assert await oauth.challenge(device) == ByOAuth(
        f"{url}/account/authorize", f"{url}/account/token", f"{SCHEME}:/oauth2/redirect", "corral", "mdm"
    )


# -- who is not let in


# -- the admission policy


async def test_the_policy_refuses_an_account_and_its_operator_reads_why(web: Place) -> None:
    device = web.corral.device(Model.IPHONE)
    before = await web.corral.cursor()
    no_phones = {"when": {"product": ["iPhone*"], "account": [ANN]}, "then": {"do": "decline", "message": "No phones."}}
    async with ruled(web.corral, no_phones):
        with pytest.raises(InstallationFailed, match=r"403: No phones\."):
            await web.profile(device)
    (refused,) = await told(web.corral, before, "enrollment.refused")
    assert (refused["account"], refused["kind"], refused["rule"]) == (ANN, "account-user", "r1")
    await web.profile(device)


async def test_an_account_that_the_policy_declines_is_refused_when_it_is_looked_up(web: Place) -> None:
    device = web.corral.device(Model.IPHONE)
    decline = {"when": {"account": ["ann@*"]}, "then": {"do": "decline", "message": "Ask Bob."}}
    async with ruled(web.corral, decline), web.client() as client:
        with pytest.raises(InstallationFailed, match=r"com\.apple\.well-known\.failed"):
            await discover(device.voice, ANN, web.trust, web.corral.url)
        await discover(device.voice, BOB, web.trust, web.corral.url)
        query = urlencode({"user-identifier": "Ann@example.org", "model-family": "iPhone"})
        url = f"/.well-known/com.apple.remotemanagement?{query}"
        answer = await client.get(url, headers={"accept": "application/xml"})
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/xml")
        document = plistlib.loads(answer.content)
        assert (document["code"], document["message"]) == ("com.apple.well-known.failed", "Ask Bob.")
        assert (await client.get("/.well-known/com.apple.remotemanagement")).status_code == 200


async def test_a_device_of_the_organization_is_bound_to_what_it_proves(web: Place) -> None:
    """Apple's devices need not tell who they are here; one that does and proves it gets a profile for itself alone."""
    device, thief = web.corral.device(Model.IPAD), web.corral.device(Model.IPAD)
    _, bearer = await web.profile(device, BOB)
    before = await web.corral.cursor()
    for factory, bound in ((made(web.corral, device), device.facts.udid), (_Stranger(web), None)):
        body = factory.sign(write_machine_info(machine_info(device.facts)))
        async with web.client() as client:
            answer = await client.post(
                "/enroll/account/device", content=body, headers={"authorization": f"Bearer {bearer.access}"}
            )
        assert answer.status_code == 200
        admitted = await web.corral.events(before)
        assert [e["device_id"] for e in admitted if e["type"] == "enrollment.admitted"][-1] == bound
        if bound is not None:
            with pytest.raises(InstallationFailed, match="another device"):
                await thief.enroll(answer.content)


@dataclass
class _Stranger:
    """Signs with a key that nobody vouches for."""

    place: Place

    def sign(self, content: bytes) -> bytes:
        return self.place.sign(content)


# -- the way to the provider and back


async def test_of_a_forged_id_token_the_person_reads_a_sentence_and_the_operator_why(web: Place) -> None:
    before = await web.corral.cursor()
    web.provider.forge = lambda claims: FORGERIES["another-audience"](web.provider, claims | {"sub": "forged"})
    try:
        _, page = await web.browser().open(f"{web.corral.url}/account/sign-in?user-identifier={ANN}", {})
    finally:
        web.provider.forge = None
    assert (page.status, page.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert b"Begin again on the device" in page.body
    assert b"audience" not in page.body
    said = await told(web.corral, 0, "account.sign-in-refused")
    assert {"why": "The ID token is for another client."} in said
    assert not await told(web.corral, before, "account.signed-in")


async def test_a_provider_that_does_not_answer_is_nobodys_fault_before_the_device(web: Place) -> None:
    """Who has signed in is asked to come again later, and is not told that he may not."""
    device = web.corral.device()
    method = await web.challenge(device)
    web.provider.forge = _failing
    try:
        with pytest.raises(InstallationFailed, match="with HTTP 503"):
            await sign_in(device.voice, method, ANN, web.browser(), web.trust)
    finally:
        web.provider.forge = None


def _failing(claims: dict[str, Any]) -> str:
    raise RuntimeError("the provider fails")


async def test_secrets_of_the_sign_in_are_not_in_the_log(web: Place) -> None:
    device = web.corral.device(Model.IPHONE)
    _, bearer = await web.profile(device)
    log = web.corral.log()
    assert bearer.access not in log
    assert (web.provider.client_secret or "") not in log


# -- later messages


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def checking(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Place]:
    """Checks the tokens of messages."""
    async with place(template, tmp_path_factory.mktemp("checking"), CORRAL_ACCOUNT_REAUTHENTICATION="true") as made:
        yield made


async def test_a_person_signs_in_again_and_the_device_stays_enrolled(checking: Place) -> None:
    device = checking.corral.device(Model.IPHONE)
    profile, bearer = await checking.profile(device)
    device.voice.bearer = bearer.access
    await device.enroll(profile)
    assert isinstance(await device.poll(), Accepted)
    session = (await checking.corral.get("/account-sessions", limit=1))["sessions"][0]
    await checking.corral.delete(f"/account-sessions/{session['id']}")

    assert isinstance(await device.poll(), Failed)
    assert device.state is State.ENROLLED, "a 401 with a challenge unenrolls nobody"
    challenges: list[str] = []

    async def again(challenge: str) -> str:
        challenges.append(challenge)
        method = parse_challenge(challenge)
        return (await sign_in(device.voice, method, ANN, checking.browser(), checking.trust)).access

    device.voice.sign_in_again = again
    assert isinstance(await device.poll(), Accepted)
    assert isinstance(await device.poll(), Accepted)
    assert len(challenges) == 1


async def test_a_device_refreshes_its_token_when_it_has_ended_and_nobody_notices(
    template: Template, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """`apple-oauth2`: by its refresh token while the sign-in lasts, after that by its person; enrolled all the time."""
    checks = {
        "CORRAL_ACCOUNT_METHOD": "oauth2",
        "CORRAL_ACCOUNT_REAUTHENTICATION": "true",
        "CORRAL_ACCOUNT_ACCESS_TIME": "1m",
    }
    async with place(template, tmp_path_factory.mktemp("refreshing"), **checks) as made_place:
        device = made_place.corral.device(Model.IPHONE)
        profile, bearer = await made_place.profile(device)
        device.voice.bearer = bearer.access
        await device.enroll(profile)
        tokens, signed_in = [bearer], made_place.browser()

        async def again(challenge: str) -> str:
            try:
                tokens.append(await refresh(device.voice, tokens[-1], made_place.trust))
            except InstallationFailed:
                method = parse_challenge(challenge)
                tokens.append(await sign_in(device.voice, method, ANN, signed_in, made_place.trust))
            return tokens[-1].access

        device.voice.sign_in_again = again
        assert isinstance(await device.poll(), Accepted)
        assert len(tokens) == 1
        await made_place.corral.restart(days_ahead=90 / 86_400)
        assert isinstance(await device.poll(), Accepted)
        assert (len(tokens), signed_in.visited) == (2, [])
        session = (await made_place.corral.get("/account-sessions", limit=1))["sessions"][0]
        await made_place.corral.delete(f"/account-sessions/{session['id']}")
        assert isinstance(await device.poll(), Accepted)
        assert len(tokens) == 3
        assert signed_in.visited
        assert device.state is State.ENROLLED
        assert "connection.unenroll-answered" not in [each["type"] for each in await made_place.corral.events(0)]


async def test_a_device_of_no_account_needs_no_token(checking: Place) -> None:
    device = await checking.corral.enrolled()
    device.voice.bearer = "whatever it may show"
    assert isinstance(await device.poll(), Accepted)
