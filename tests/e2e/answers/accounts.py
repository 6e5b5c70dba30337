"""Rows 80 to 89: enrolling with an account."""

import httpx

from corral.simulator.account_driven import SCHEME, ask_base, discover
from corral.simulator.facts import Model
from e2e.account_place import ANN, Place
from e2e.answers.register import Stage, row
from e2e.factory import ruled
from e2e.messages import report

WELL_KNOWN = "/.well-known/com.apple.remotemanagement"


@row(80)
async def the_discovery(stage: Stage) -> None:
    place = stage.accounts
    device = place.corral.device(Model.IPHONE)
    server = await discover(device.voice, ANN, place.trust, place.corral.url)
    assert server == place.server("user")


@row(81)
async def the_discovery_of_a_foreign_account(stage: Stage) -> None:
    answer = await _get(stage.accounts, f"{WELL_KNOWN}?user-identifier=eve@evil.example&model-family=iPhone")
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/json")
    assert answer.json()["code"] == "com.apple.well-known.failed"
    async with ruled(stage.accounts.corral, {"when": {"account": [ANN]}, "then": {"do": "decline"}}):
        answer = await _get(stage.accounts, f"{WELL_KNOWN}?user-identifier={ANN}&model-family=iPhone")
    assert (answer.status_code, answer.json()["code"]) == (403, "com.apple.well-known.failed")


@row(82)
async def a_device_without_a_good_token(stage: Stage) -> None:
    place = stage.accounts
    device = place.corral.device()
    for token in (None, "guessed-guessed-guessed"):
        answer = await ask_base(device.voice, place.server("user"), place.sign, place.trust, token)
        assert (answer.status, answer.body) == (401, b"")
        assert answer.headers["www-authenticate"] == (
            f'Bearer method="apple-as-web", url="{place.corral.url}/account/sign-in"'
        )


@row(83)
async def a_device_with_a_good_token(stage: Stage) -> None:
    place = stage.accounts
    device = place.corral.device()
    _, bearer = await place.profile(device)
    answer = await ask_base(device.voice, place.server("user"), place.sign, place.trust, bearer.access)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-apple-aspen-config")


@row(84)
async def a_token_for_another_kind_of_enrollment(stage: Stage) -> None:
    place = stage.accounts
    device = place.corral.device()
    _, bearer = await place.profile(device)
    answer = await ask_base(device.voice, place.server("device"), place.sign, place.trust, bearer.access)
    assert answer.status == 403
    declined = {"when": {"product": [device.facts.product_name]}, "then": {"do": "decline", "message": "Not yet."}}
    async with ruled(place.corral, declined):
        answer = await ask_base(device.voice, place.server("user"), place.sign, place.trust, bearer.access)
    assert (answer.status, answer.body) == (403, b"Not yet.\n")


@row(85)
async def no_signed_message(stage: Stage) -> None:
    async with stage.accounts.client() as client:
        for body in (b"", b"no message", bytes(100)):
            answer = await client.post("/enroll/account/device", content=body)
            assert answer.status_code == 400
            assert "www-authenticate" not in answer.headers


@row(86)
async def a_sign_in(stage: Stage) -> None:
    place = stage.accounts
    answer = await _get(place, f"/account/sign-in?user-identifier={ANN}")
    assert answer.status_code == 302
    assert answer.headers["location"].startswith(place.provider.issuer)
    browser = place.browser()
    back = await browser.visit(f"{place.corral.url}/account/sign-in?user-identifier={ANN}", SCHEME)
    assert back.startswith(f"{SCHEME}://authentication-results?access-token=")


@row(87)
async def a_sign_in_that_is_refused(stage: Stage) -> None:
    for path in ("/account/sign-in?user-identifier=eve@evil.example", "/account/callback?state=forged&code=c"):
        answer = await _get(stage.accounts, path)
        assert answer.status_code == 403
        assert "location" not in answer.headers
    place = stage.accounts
    place.provider.forge = lambda claims: place.provider.sign(claims | {"exp": 1})
    try:
        _, page = await place.browser().open(f"{place.corral.url}/account/sign-in?user-identifier={ANN}", {})
    finally:
        place.provider.forge = None
    assert (page.status, page.headers["content-type"]) == (403, "text/html; charset=utf-8")


@row(88)
async def tokens_for_no_good_code(stage: Stage) -> None:
    form = {"grant_type": "authorization_code", "code": "guessed-guessed-guessed", "client_id": "corral"}
    async with stage.accounts.client() as client:
        answer = await client.post("/account/token", data=form)
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_grant"})


@row(89)
async def a_message_with_a_token_that_has_ended(stage: Stage) -> None:
    place = stage.accounts
    device = place.corral.device(Model.IPHONE)
    profile, bearer = await place.profile(device)
    await device.enroll(profile)
    device.voice.bearer = bearer.access
    assert (await report(device)).status == 200
    device.voice.bearer = "another-another-another"
    again = await report(device)
    assert (again.status, again.body) == (401, b"")
    assert again.headers["www-authenticate"].startswith('Bearer method="apple-as-web"')


async def _get(place: Place, path: str) -> httpx.Response:
    async with place.client() as client:
        return await client.get(path)
