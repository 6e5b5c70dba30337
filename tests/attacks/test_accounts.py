"""People who are not who they say they are, and tokens, codes and states that are not theirs."""

import base64
import json
import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import pytest_asyncio

from attacks.scene import Scene
from corral.apple.machine_info import HEADER, write_machine_info
from corral.simulator.account_driven import SCHEME, Bearer, ask_base, refresh, sign_in
from corral.simulator.device import Device
from corral.simulator.factory import machine_info, signed_machine_info
from corral.simulator.facts import Model
from corral.simulator.fetching import InstallationFailed
from corral.simulator.transport import Response
from e2e import wire
from e2e.account_place import ANN, BOB, PASSWORD, Place, place
from e2e.factory import made, rule
from e2e.forged_tokens import FORGERIES
from e2e.installation import Template
from e2e.messages import report

SIGNED_IN = {"account_session", "account_token"}
ADMITTED = {"enroll_grant"}


@dataclass(frozen=True, slots=True)
class Town(Scene):
    """A scene with people: the owner is ann's own iPhone, enrolled with her account."""

    place: Place
    bearer: Bearer


async def town(template: Template, factory: pytest.TempPathFactory, **settings: str) -> AsyncGenerator[Town]:
    async with place(template, factory.mktemp("town"), CORRAL_ACCOUNT_DEVICE_FOR=f"iPad, {BOB}", **settings) as there:
        owner = there.corral.device(Model.IPHONE)
        profile, bearer = await there.profile(owner)
        owner.voice.bearer = bearer.access
        await owner.enroll(profile)
        await owner.settle()
        yield Town(there.corral, owner, there, bearer)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def web(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Town]:
    """Signs people in by `apple-as-web`, and checks the tokens of their devices."""
    async for each in town(template, tmp_path_factory, CORRAL_ACCOUNT_REAUTHENTICATION="true"):
        yield each


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def oauth(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Town]:
    """Signs people in by `apple-oauth2`."""
    async for each in town(template, tmp_path_factory, CORRAL_ACCOUNT_METHOD="oauth2"):
        yield each


async def get(at: Town, path: str, **headers: str) -> Response:
    return await at.at.transport.request(
        "GET", f"{at.at.url}{path}" if path.startswith("/") else path, headers=tuple(headers.items()), trust=at.at.trust
    )


async def form(at: Town, **fields: str) -> tuple[int, Any]:
    """What the token endpoint answers."""
    kind = (("Content-Type", "application/x-www-form-urlencoded"),)
    url, body = f"{at.at.url}/account/token", urlencode(fields).encode()
    answer = await at.at.transport.request("POST", url, headers=kind, body=body, trust=at.at.trust)
    return answer.status, json.loads(answer.body)


async def base(at: Town, device: Device, kind: str = "user", token: str | None = None) -> Response:
    return await ask_base(device.voice, at.place.server(kind), at.place.sign, at.place.trust, token)


def challenged(answer: Response) -> None:
    """To sign in: a 401 that has a challenge takes no profile off a device."""
    assert (answer.status, answer.body) == (401, b"")
    assert answer.headers["www-authenticate"].startswith('Bearer method="apple-')


def page(answer: Response, status: int, why: str = "") -> None:
    """For a person; nobody is sent anywhere."""
    assert (answer.status, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert why in answer.body.decode()
    assert "location" not in answer.headers


# Tokens


async def test_a_token_that_was_guessed_or_forged_gets_no_profile(web: Town) -> None:
    device, true = web.at.device(Model.IPHONE), web.bearer.access
    async with web.unharmed():
        for token in ("", "x", secrets.token_urlsafe(32), true + "x", true[:-1], true.swapcase(), "\u00e4" * 20):
            for kind in ("user", "device"):
                challenged(await base(web, device, kind, token))


async def test_a_token_of_one_account_is_none_for_what_another_may(web: Town) -> None:
    """Ann may enroll her own phone; the profile of a device of the organization is not hers to get."""
    device = web.at.device(Model.IPHONE)
    async with web.unharmed("enrollment.refused"):
        answer = await base(web, device, "device", web.bearer.access)
        assert (answer.status, answer.headers["content-type"]) == (403, "text/plain; charset=utf-8")


async def test_a_token_that_was_revoked_gets_nothing(web: Town) -> None:
    device = web.at.device(Model.IPHONE)
    _, bearer = await web.place.profile(device)
    newest = (await web.at.get("/account-sessions", limit=1))["sessions"][0]
    await web.at.delete(f"/account-sessions/{newest['id']}")
    async with web.unharmed():
        challenged(await base(web, device, "user", bearer.access))


async def test_the_token_of_another_account_is_no_proof_in_a_message(web: Town) -> None:
    """A device of ann's that shows bob's token: she is to sign in, and stays enrolled."""
    _, foreign = await web.place.profile(web.at.device(Model.IPAD), BOB)
    own = web.owner.voice.bearer
    async with web.unharmed():
        for token in (foreign.access, "guessed-guessed-guessed", own[::-1]):
            web.owner.voice.bearer = token
            challenged(await report(web.owner))
        web.owner.voice.bearer = own


async def test_the_token_of_a_device_opens_no_address_of_the_administration(web: Town) -> None:
    async with web.unharmed(perhaps=["audit.refused"]):
        for path in ("/api/v1/devices", "/api/v1/status", "/api/v1/account-sessions"):
            answer = await get(web, path, Authorization=f"Bearer {web.bearer.access}")
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")


async def test_a_refresh_token_that_comes_twice_ends_the_session_of_both(oauth: Town) -> None:
    """One of the two has copied it, and nobody can tell which."""
    device = oauth.at.device(Model.IPHONE)
    _, bearer = await oauth.place.profile(device)
    async with oauth.unharmed("account.session-revoked", changes=SIGNED_IN):
        again = await refresh(device.voice, bearer, oauth.place.trust)
        for stolen in (bearer, again):
            with pytest.raises(InstallationFailed, match="invalid_grant"):
                await refresh(device.voice, stolen, oauth.place.trust)
        for token in (bearer.access, again.access):
            challenged(await base(oauth, device, "user", token))


async def test_a_token_is_good_for_what_it_is_and_nothing_else(oauth: Town) -> None:
    """An access token refreshes nothing, a refresh token gets no profile."""
    device = oauth.at.device(Model.IPHONE)
    _, bearer = await oauth.place.profile(device)
    assert bearer.refresh is not None
    async with oauth.unharmed():
        challenged(await base(oauth, device, "user", bearer.refresh))
        for fields in (
            {"grant_type": "refresh_token", "refresh_token": bearer.access},
            {"grant_type": "authorization_code", "code": bearer.refresh},
            {"grant_type": "authorization_code", "code": bearer.access, "redirect_uri": f"{SCHEME}:/oauth2/redirect"},
        ):
            assert await form(oauth, client_id="corral", **fields) == (400, {"error": "invalid_grant"})


# Codes and redirects


async def code_of(at: Town) -> str:
    query = {
        "response_type": "code",
        "client_id": "corral",
        "redirect_uri": f"{SCHEME}:/oauth2/redirect",
        "state": "s",
        "login_hint": ANN,
    }
    back = await at.place.browser().visit(f"{at.at.url}/account/authorize?{urlencode(query)}", SCHEME)
    return parse_qs(urlsplit(back).query)["code"][0]


async def test_a_code_is_good_once_and_its_second_use_ends_what_it_gave(oauth: Town) -> None:
    device, code = oauth.at.device(), await code_of(oauth)
    good = {"grant_type": "authorization_code", "code": code, "client_id": "corral"}
    good["redirect_uri"] = f"{SCHEME}:/oauth2/redirect"
    async with oauth.unharmed("account.session-revoked", changes=SIGNED_IN):
        for wrong, error in (
            ({"redirect_uri": "https://evil.example/"}, "invalid_grant"),
            ({"redirect_uri": ""}, "invalid_grant"),
            ({"client_id": "another"}, "invalid_client"),
            ({"grant_type": "password"}, "unsupported_grant_type"),
            ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
            ({"code": code + "x"}, "invalid_grant"),
        ):
            assert await form(oauth, **(good | wrong)) == (400, {"error": error})
        status, tokens = await form(oauth, **good)
        assert status == 200
        assert await form(oauth, **good) == (400, {"error": "invalid_grant"})
        challenged(await base(oauth, device, "user", tokens["access_token"]))


async def test_nobody_is_sent_to_an_address_that_a_stranger_names(oauth: Town) -> None:
    good = {"response_type": "code", "client_id": "corral", "redirect_uri": f"{SCHEME}:/oauth2/redirect", "state": "s"}
    async with oauth.unharmed():
        for wrong in (
            {"redirect_uri": "https://evil.example/"},
            {"redirect_uri": f"{SCHEME}:/oauth2/redirect@evil.example"},
            {"redirect_uri": f"{SCHEME}://oauth2/redirect"},
            {"redirect_uri": f"{SCHEME}:/oauth2/redirect\r\nX: y"},
            {"redirect_uri": "javascript:alert(1)"},
            {"redirect_uri": ""},
            {"client_id": "another"},
            {"response_type": "token"},
            {"state": ""},
            {"state": "x" * 5000},
        ):
            page(await get(oauth, f"/account/authorize?{urlencode(good | wrong)}"), 400, "is wrong.")


# States


async def returned(at: Town, account: str = ANN) -> str:
    """The callback's URL with the provider's answer, as it was visited."""
    browser = at.place.browser(account)
    await browser.visit(f"{at.at.url}/account/sign-in?{urlencode({'user-identifier': account})}", SCHEME)
    return next(each for each in browser.visited if "/account/callback" in each)


async def begun(at: Town) -> str:
    """The state of a sign-in that goes no further yet."""
    head = f"GET /account/sign-in?{urlencode({'user-identifier': ANN})} HTTP/1.1\r\nHost: x\r\n\r\n"
    sent = await wire.raw(at.at, head.encode())
    return parse_qs(urlsplit(sent.headers["location"]).query)["state"][0]


async def test_a_sign_in_that_comes_back_twice_is_over(web: Town) -> None:
    used = await returned(web)
    async with web.unharmed():
        page(await get(web, used), 403, "This sign-in is over already.")


async def test_a_state_that_was_made_up_signs_nobody_in(web: Town) -> None:
    true = parse_qs(urlsplit(await returned(web)).query)["state"][0]
    body, _, signature = true.rpartition(".")
    purpose = {"nonce": "n", "expires_at": 2**53, "purpose": {"type": "web", "user": ""}}
    forged = base64.urlsafe_b64encode(json.dumps(purpose).encode()).decode()
    async with web.unharmed():
        for state in ("", "x", true[:-2], f"{body}x.{signature}", f"{forged}.{signature}", f"{forged}.", "x" * 9000):
            answer = await get(web, f"/account/callback?{urlencode({'state': state, 'code': 'c'})}")
            page(answer, 403, "This sign-in was not begun here, or took too long.")


async def test_a_code_that_the_provider_did_not_give_out_signs_nobody_in(web: Town) -> None:
    """Nor one that it gave out for another sign-in: a code is tied to the state that it comes with."""
    state = await begun(web)
    other = parse_qs(urlsplit(await returned(web)).query)["code"][0]
    async with web.unharmed(changes={"account_token"}, perhaps=["account.sign-in-refused"]):
        page(await get(web, f"/account/callback?{urlencode({'state': state, 'code': other})}"), 403)
        page(await get(web, f"/account/callback?{urlencode({'state': state, 'code': 'guessed'})}"), 403)


@pytest.mark.parametrize(
    ("account", "login", "password"),
    [
        (ANN, ANN, "wrong"),
        ("eve@evil.example", "eve@evil.example", PASSWORD),
        ("carl@example.org", "carl@example.org", PASSWORD),
        (ANN, BOB, PASSWORD),
    ],
    ids=["a wrong password", "a foreign domain", "the wrong group", "another account"],
)
async def test_a_sign_in_that_is_not_the_accounts_enrolls_nobody(
    web: Town, account: str, login: str, password: str
) -> None:
    device = web.at.device()
    method = await web.place.challenge(device)
    async with web.unharmed(changes={"account_token"}, perhaps=["account.sign-in-refused"]):
        with pytest.raises(InstallationFailed, match="the sign-in failed"):
            await sign_in(device.voice, method, account, web.place.browser(login, password), web.place.trust)


@pytest.mark.parametrize("name", sorted(FORGERIES))
async def test_a_forged_id_token_signs_nobody_in(web: Town, name: str) -> None:
    device = web.at.device()
    method = await web.place.challenge(device)
    provider = web.place.provider
    provider.forge = lambda claims: FORGERIES[name](provider, claims)
    try:
        async with web.unharmed(changes={"account_token"}, perhaps=["account.sign-in-refused"]):
            with pytest.raises(InstallationFailed, match=r"the sign-in failed: .*account/callback with HTTP 403"):
                await sign_in(device.voice, method, ANN, web.place.browser(), web.place.trust)
    finally:
        provider.forge = None


# What a device says with it


@pytest.mark.parametrize("body", [b"", b"{}", b"\x30\x80garbage", b"\x30\x82\xff\xff" + bytes(100)], ids=repr)
async def test_what_no_device_has_signed_is_not_even_asked_to_sign_in(web: Town, body: bytes) -> None:
    async with web.unharmed():
        for kind in ("user", "device"):
            url = f"{web.at.url}/enroll/account/{kind}"
            answer = await web.at.transport.request("POST", url, body=body, trust=web.at.trust)
            assert (answer.status, "www-authenticate" in answer.headers) == (400, False)
            large = await web.at.transport.request("POST", url, body=bytes(70_000), trust=web.at.trust)
            assert large.status == 413
            assert (await get(web, f"/enroll/account/{kind}")).status == 405


async def test_a_device_that_only_says_its_name_gets_no_profile_for_that_device(web: Town) -> None:
    """Of a device of the organization: what Apple does not vouch for is not believed, whoever has signed in."""
    thief, victim = web.at.device(Model.IPAD), web.at.device(Model.IPAD)
    _, bearer = await web.place.profile(thief, BOB)
    body = web.place.sign(write_machine_info(machine_info(victim.facts)))
    cursor = await web.at.cursor()
    async with web.unharmed("enrollment.admitted", changes=ADMITTED):
        headers = (("Authorization", f"Bearer {bearer.access}"),)
        url = f"{web.at.url}/enroll/account/device"
        answer = await web.at.transport.request("POST", url, headers=headers, body=body, trust=web.at.trust)
        assert answer.status == 200
        (told,) = await web.at.events(cursor)
        assert (told["device_id"], told["data"]["serial_number"]) == (None, None)


# The web view of Setup Assistant


def header(message: bytes) -> str:
    return base64.b64encode(message).decode()


async def test_the_web_view_takes_nobody_to_the_sign_in_whom_apple_does_not_vouch_for(web: Town) -> None:
    device = web.at.device()
    await rule(web.at, device, do="admit")
    content = write_machine_info(machine_info(device.facts))
    good = signed_machine_info(made(web.at, device), machine_info(device.facts))
    tampered = good.replace(device.facts.serial_number.encode(), b"X" * len(device.facts.serial_number))
    async with web.unharmed():
        for message in (b"", b"x", content, web.place.sign(content), tampered, good[:-1]):
            page(await get(web, "/enroll/automated/web", **{HEADER: header(message)}), 400)
        page(await get(web, "/enroll/automated/web"), 400)


async def test_a_sign_in_gives_one_profile_and_for_its_device_alone(web: Town) -> None:
    device, thief = web.at.device(), web.at.device()
    await rule(web.at, device, do="admit")
    browser = web.place.browser()
    message = signed_machine_info(made(web.at, device), machine_info(device.facts))
    _, response = await browser.open(f"{web.at.url}/enroll/automated/web", {HEADER: header(message)})
    assert response.status == 200
    back = next(each for each in browser.visited if "/account/callback" in each)
    told = ("certificate.issued", "connection.refused")
    async with web.unharmed(*told, changes={"certificate", *ADMITTED}):
        with pytest.raises(InstallationFailed, match="this enrollment is meant for another device"):
            await thief.enroll(response.body)
        page(await get(web, back), 403, "This sign-in is over already.")
        assert not any("access-token" in each for each in browser.visited), "nor a token for another way in"


async def test_a_sign_in_of_one_purpose_is_none_of_another(web: Town) -> None:
    """A state that began for an account-driven device ends there; nothing in its URL makes it the web view's."""
    state = await begun(web)
    body, _, signature = state.partition(".")
    async with web.unharmed(changes={"account_token"}, perhaps=["account.sign-in-refused"]):
        for changed in (f"{body}.{signature}&purpose=setup", state + "%00", state + ".", f".{state}"):
            page(await get(web, f"/account/callback?code=c&state={changed}"), 403)
