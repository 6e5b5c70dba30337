"""Enrollment with an account, end to end: discovery, sign-in at an identity provider by both methods, the profile;
and what strangers try on the way."""

import base64
import hmac
import json
import plistlib
import secrets
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import ECKey

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
from corral.simulator.identity_provider import IdentityProvider
from corral.simulator.speaking import Accepted, Failed
from corral.simulator.world import State
from e2e.account_place import ANN, BOB, PASSWORD, Place, place
from e2e.factory import made, ruled, told
from e2e.installation import Template


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def web(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Place]:
    """Signs people in by `apple-as-web`; iPads and bob's devices are the organization's."""
    folder = tmp_path_factory.mktemp("web")
    sso = folder / "sso.json"
    sso.write_text(json.dumps({"AppIDs": ["ABCDE12345.org.example.sso"]}))
    device_for = f"iPad, {BOB}"
    async with place(template, folder, CORRAL_ACCOUNT_DEVICE_FOR=device_for, CORRAL_ACCOUNT_SSO=str(sso)) as made:
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


async def test_a_refresh_token_that_comes_twice_ends_the_session(oauth: Place) -> None:
    device = oauth.corral.device(Model.IPHONE)
    _, bearer = await oauth.profile(device)
    again = await refresh(device.voice, bearer, oauth.trust)
    with pytest.raises(InstallationFailed, match="invalid_grant"):
        await refresh(device.voice, bearer, oauth.trust)
    with pytest.raises(InstallationFailed, match="invalid_grant"):
        await refresh(device.voice, again, oauth.trust)
    answer = await ask_base(device.voice, oauth.server("user"), oauth.sign, oauth.trust, again.access)
    assert answer.status == 401


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


@pytest.mark.parametrize("body", [b"", b"{}", b"\x30\x80garbage", b"\x30\x82\xff\xff" + bytes(100)], ids=str)
async def test_what_no_device_signed_gets_no_challenge(web: Place, body: bytes) -> None:
    async with web.client() as client:
        for kind in ("user", "device"):
            answer = await client.post(f"/enroll/account/{kind}", content=body)
            assert answer.status_code == 400
            assert "www-authenticate" not in answer.headers
        assert (await client.post("/enroll/account/user", content=bytes(70_000))).status_code == 413
        assert (await client.get("/enroll/account/user")).status_code == 405


# -- who is not let in


@pytest.mark.parametrize(
    ("account", "login", "password"),
    [
        (ANN, ANN, "wrong"),
        ("eve@evil.example", "eve@evil.example", PASSWORD),
        ("carl@example.org", "carl@example.org", PASSWORD),
        (ANN, BOB, PASSWORD),
    ],
    ids=["password", "domain", "group", "another-account"],
)
async def test_a_sign_in_that_is_not_the_accounts_enrolls_nobody(
    web: Place, account: str, login: str, password: str
) -> None:
    device = web.corral.device()
    method = await web.challenge(device)
    with pytest.raises(InstallationFailed, match="the sign-in failed"):
        await sign_in(device.voice, method, account, web.browser(login, password), web.trust)


async def test_a_token_of_another_account_does_not_enroll_what_that_may_not(web: Place) -> None:
    """Ann enrolls her own phone; her token is no way to the profile of a device of the organization."""
    device = web.corral.device(Model.IPHONE)
    _, bearer = await web.profile(device, ANN)
    answer = await ask_base(device.voice, web.server("device"), web.sign, web.trust, bearer.access)
    assert answer.status == 403
    for guessed in ("", "x", secrets.token_urlsafe(32), bearer.access + "x", bearer.access[:-1], "\xe4" * 20):
        answer = await ask_base(device.voice, web.server("user"), web.sign, web.trust, guessed)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Bearer method=")


async def test_a_revoked_session_has_no_good_token(web: Place) -> None:
    device = web.corral.device(Model.IPHONE)
    _, bearer = await web.profile(device)
    newest = (await web.corral.get("/account-sessions", limit=1))["sessions"][0]
    assert (newest["account"], newest["valid"]) == (ANN, True)
    await web.corral.delete(f"/account-sessions/{newest['id']}")
    assert (await ask_base(device.voice, web.server("user"), web.sign, web.trust, bearer.access)).status == 401
    assert (await web.corral.api.delete(f"/account-sessions/{newest['id']}")).status_code == 404


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


async def _returned(made: Place, account: str = ANN) -> str:
    """The callback's URL with the provider's answer, as it would be visited next."""
    browser = made.browser(account)
    await browser.visit(f"{made.corral.url}/account/sign-in?{urlencode({'user-identifier': account})}", SCHEME)
    return next(each for each in browser.visited if "/account/callback" in each)


async def test_a_state_that_comes_back_twice_is_refused(web: Place) -> None:
    used = await _returned(web)
    async with web.client() as client:
        again = await client.get(used)
    assert again.status_code == 403
    assert "over already" in again.text


async def test_a_state_that_was_not_made_here_is_refused(web: Place) -> None:
    used = await _returned(web)
    state = parse_qs(urlsplit(used).query)["state"][0]
    body, _, signature = state.rpartition(".")
    forged = base64.urlsafe_b64encode(
        json.dumps({"nonce": "n", "expires_at": 2**53, "purpose": {"type": "web", "user": ""}}).encode()
    ).decode()
    async with web.client() as client:
        for each in ("", "x", state[:-2], f"{body}x.{signature}", f"{forged}.{signature}", "x" * 9000):
            answer = await client.get("/account/callback", params={"state": each, "code": "c"})
            assert answer.status_code == 403, each[:50]
            assert "location" not in answer.headers


async def test_nobody_is_sent_to_a_url_that_a_stranger_names(oauth: Place) -> None:
    good = {
        "response_type": "code",
        "client_id": "corral",
        "redirect_uri": f"{SCHEME}:/oauth2/redirect",
        "state": "s",
    }
    wrong: list[dict[str, str]] = [
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": f"{SCHEME}:/oauth2/redirect@evil.example"},
        {"redirect_uri": ""},
        {"client_id": "another"},
        {"response_type": "token"},
        {"state": ""},
        {"state": "x" * 5000},
    ]
    async with oauth.client() as client:
        for each in wrong:
            answer = await client.get("/account/authorize", params=good | each)
            assert answer.status_code == 400, each
            assert "location" not in answer.headers
        sent = await client.get("/account/authorize", params=good)
        assert sent.headers["location"].startswith(f"{oauth.provider.issuer}/authorize?")
        denied = await client.get("/account/callback", params={"state": "s", "error": "access_denied"})
        assert denied.status_code == 403


async def test_a_code_is_good_once_and_for_its_device_only(oauth: Place) -> None:
    device = oauth.corral.device()
    method = await oauth.challenge(device)
    query = {
        "response_type": "code",
        "client_id": method.client_id,
        "redirect_uri": method.redirect_url,
        "state": "s",
        "login_hint": ANN,
    }
    back = await oauth.browser().visit(f"{method.authorization_url}?{urlencode(query)}", SCHEME)
    code = parse_qs(urlsplit(back).query)["code"][0]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": method.redirect_url,
        "client_id": method.client_id,
    }
    wrong = [
        ({"redirect_uri": "https://evil.example/"}, "invalid_grant"),
        ({"client_id": "another"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": code}, "invalid_grant"),
        ({"code": code + "x"}, "invalid_grant"),
    ]
    async with oauth.client() as client:
        for each, error in wrong:
            answer = await client.post("/account/token", data=form | each)
            assert (answer.status_code, answer.json()) == (400, {"error": error})
        first = await client.post("/account/token", data=form)
        assert first.status_code == 200
        assert first.headers["cache-control"] == "no-store"
        assert (await client.post("/account/token", data=form)).json() == {"error": "invalid_grant"}
        assert (await client.post("/account/token", content=bytes(20_000))).json() == {"error": "invalid_request"}
    answer = await ask_base(device.voice, oauth.server("user"), oauth.sign, oauth.trust, first.json()["access_token"])
    assert answer.status == 401, "whoever has the code twice ends what it gave"


Forgery = Callable[[IdentityProvider, dict[str, Any]], str]


def _unsigned(provider: IdentityProvider, claims: dict[str, Any]) -> str:
    del provider
    return f"{_base64url(json.dumps({'alg': 'none'}).encode())}.{_base64url(json.dumps(claims).encode())}."


def _by_stranger(provider: IdentityProvider, claims: dict[str, Any]) -> str:
    key = ECKey.generate_key("P-256", {"kid": str(provider.key.kid)})
    return jwt.encode({"alg": "ES256", "kid": provider.key.kid}, claims, key)


def _by_public_key(provider: IdentityProvider, claims: dict[str, Any]) -> str:
    """By hand: the library makes no such token."""
    head = {"alg": "HS256", "kid": provider.key.kid}
    signed = ".".join(_base64url(json.dumps(each).encode()) for each in (head, claims))
    mac = hmac.digest(provider.key.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{_base64url(mac)}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _with(**changes: Any) -> Forgery:
    return lambda provider, claims: provider.sign(
        {name: value for name, value in (claims | changes).items() if value is not None}
    )


FORGERIES: dict[str, Forgery] = {
    "alg-none": _unsigned,
    "another-key": _by_stranger,
    "public-key-as-secret": _by_public_key,
    "another-audience": _with(aud="another"),
    "given-to-another": _with(aud=["corral", "another"]),
    "another-issuer": _with(iss="https://evil.example"),
    "expired": _with(exp=1_700_000_000),
    "of-the-future": _with(iat=4_000_000_000),
    "another-nonce": _with(nonce="n"),
    "no-nonce": _with(nonce=None),
    "another-person": _with(sub=BOB),
    "no-expiry": _with(exp=None),
    "no-token": lambda provider, claims: "x.y.z",
}


@pytest.mark.parametrize("name", sorted(FORGERIES))
async def test_a_forged_id_token_signs_nobody_in(web: Place, name: str) -> None:
    device = web.corral.device()
    method = await web.challenge(device)
    web.provider.forge = lambda claims: FORGERIES[name](web.provider, claims)
    before = await web.corral.get("/account-sessions", limit=1)
    try:
        with pytest.raises(InstallationFailed, match=r"the sign-in failed: .*account/callback with HTTP 403"):
            await sign_in(device.voice, method, ANN, web.browser(), web.trust)
    finally:
        web.provider.forge = None
    assert await web.corral.get("/account-sessions", limit=1) == before


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


async def test_a_code_that_the_provider_did_not_give_out_signs_nobody_in(web: Place) -> None:
    async with web.client() as client:
        sent = await client.get("/account/sign-in", params={"user-identifier": ANN})
        state = parse_qs(urlsplit(sent.headers["location"]).query)["state"][0]
        answer = await client.get("/account/callback", params={"state": state, "code": "guessed"})
    assert answer.status_code == 403


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


async def test_the_token_of_another_account_is_no_proof_of_this_one(checking: Place) -> None:
    ann, bob = checking.corral.device(Model.IPHONE), checking.corral.device(Model.IPHONE)
    profile, _ = await checking.profile(ann, ANN)
    await ann.enroll(profile)
    _, foreign = await checking.profile(bob, BOB)
    ann.voice.bearer = foreign.access
    assert isinstance(await ann.poll(), Failed)
    assert ann.state is State.ENROLLED


async def test_a_device_of_no_account_needs_no_token(checking: Place) -> None:
    device = await checking.corral.enrolled()
    device.voice.bearer = "whatever it may show"
    assert isinstance(await device.poll(), Accepted)
