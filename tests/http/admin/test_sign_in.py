"""Signing in over the API: in with name and password, out at once, and slower for whoever guesses."""

import asyncio
from ipaddress import ip_network

import httpx
import pytest

from corral.http.admin.app import admin_app
from corral.http.admin.sources import Proxies
from corral.service.access.limits import FOR_ONE_NAME
from inprocess import Installation

PASSWORD = "correct horse battery"


@pytest.fixture
async def ann(installation: Installation) -> Installation:
    await installation.post("/users", {"name": "ann", "role": "operator", "password": PASSWORD})
    return installation


async def sign_in(installation: Installation, password: str = PASSWORD, name: str = "ann") -> httpx.Response:
    return await installation.remote.post("/sessions", json={"name": name, "password": password})


def bearer(response: httpx.Response) -> dict[str, str]:
    assert response.status_code == 201, response.text
    return {"authorization": f"Bearer {response.json()['token']}"}


async def test_a_user_signs_in_works_and_signs_out(ann: Installation) -> None:
    headers = bearer(await sign_in(ann))
    me = (await ann.remote.get("/sessions/current", headers=headers)).json()
    assert (me["kind"], me["name"], me["role"]) == ("user", "ann", "operator")
    assert "devices:end" in me["permissions"]
    assert (await ann.remote.get("/devices", headers=headers)).status_code == 200
    assert (await ann.remote.get("/users", headers=headers)).status_code == 403
    link = Installation.read(await ann.remote.post("/links", json={}, headers=headers))
    assert link["link"]["created_by"] == "ann"
    assert (await ann.remote.delete("/sessions/current", headers=headers)).status_code == 204
    assert (await ann.remote.get("/devices", headers=headers)).status_code == 401


async def test_the_local_socket_and_tokens_are_somebody_too(installation: Installation) -> None:
    assert (await installation.get("/sessions/current"))["kind"] == "local"
    headers = {"authorization": f"Bearer {installation.token}"}
    me = (await installation.remote.get("/sessions/current", headers=headers)).json()
    assert (me["kind"], me["role"]) == ("token", "administrator")
    assert (await installation.remote.delete("/sessions/current", headers=headers)).status_code == 409


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "ann"},
        {"password": PASSWORD},
        {"name": "ann", "password": PASSWORD, "code": "x"},
        {"sign_in": "x"},
        {"name": 1, "password": PASSWORD},
    ],
)
async def test_half_a_sign_in_is_none(body: dict[str, object], ann: Installation) -> None:
    assert (await ann.remote.post("/sessions", json=body)).status_code == 422


async def test_guessing_is_answered_with_429_and_shuts_neither_the_socket_nor_tokens_out(ann: Installation) -> None:
    answers = await asyncio.gather(*(sign_in(ann, "not the password") for _ in range(FOR_ONE_NAME + 3)))
    assert sorted(each.status_code for each in answers) == [401] * FOR_ONE_NAME + [429] * 3
    refused = await sign_in(ann)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 900
    assert (await ann.api.get("/status")).status_code == 200
    token = {"authorization": f"Bearer {ann.token}"}
    assert (await ann.remote.get("/status", headers=token)).status_code == 200
    ann.now += 900_000
    bearer(await sign_in(ann))


async def test_nothing_tells_a_user_from_nobody(ann: Installation) -> None:
    ann.remote.headers["x-request-id"] = "the-same"
    wrong, nobody = await sign_in(ann, "not the password"), await sign_in(ann, name="nobody")
    assert (wrong.status_code, wrong.json(), dict(wrong.headers)) == (
        nobody.status_code,
        nobody.json(),
        dict(nobody.headers),
    )
    assert wrong.status_code == 401


async def test_one_changes_ones_own_password_and_is_signed_out(ann: Installation) -> None:
    headers = bearer(await sign_in(ann))
    new = {"old": PASSWORD, "new": "another long password"}
    assert (await ann.remote.post("/sessions/current/password", json=new, headers=headers)).status_code == 204
    assert (await ann.remote.get("/sessions/current", headers=headers)).status_code == 401
    bearer(await sign_in(ann, "another long password"))


async def test_no_password_comes_out(ann: Installation) -> None:
    for path in ("/users", "/users/ann", "/sessions", "/events"):
        text = (await ann.api.get(path)).text
        assert PASSWORD not in text
        assert "argon2" not in text


async def test_without_a_provider_nobody_signs_in_by_it(installation: Installation) -> None:
    assert (await installation.remote.post("/sign-ins")).status_code == 409
    assert (await installation.remote.post("/sessions", json={"sign_in": "x", "code": "y"})).status_code == 409
    assert (await installation.remote.get("/sign-ins/callback?state=x&code=y")).status_code == 409
    assert (await installation.remote.get("/sign-ins/callback?error=access_denied")).status_code == 401


async def test_only_the_open_addresses_are_open(installation: Installation) -> None:
    for method, path in (("GET", "/sessions"), ("POST", "/sessions/"), ("DELETE", "/sign-ins"), ("PUT", "/sessions")):
        assert (await installation.remote.request(method, path)).status_code == 401, path


async def test_a_body_of_a_stranger_is_bounded_like_any(installation: Installation) -> None:
    response = await installation.remote.post(
        "/sessions", content=b" " * (1024 * 1024 + 1), headers={"content-type": "application/json"}
    )
    assert response.status_code == 413


async def test_mounted_elsewhere_the_same_addresses_are_open(installation: Installation) -> None:
    transport = httpx.ASGITransport(admin_app(installation.corral.services, clock=installation.clock))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        assert (await client.post("/sessions", json={})).status_code == 422
        assert (await client.get("/devices")).status_code == 401


async def test_behind_a_proxy_strangers_are_known_by_what_it_says_and_shut_nobody_out(ann: Installation) -> None:
    proxies = Proxies((ip_network("127.0.0.1"),), "x-forwarded-for")
    transport = httpx.ASGITransport(admin_app(ann.corral.services, proxies=proxies, clock=ann.clock))

    async def tried(address: str, password: str) -> int:
        headers = {"x-forwarded-for": f"198.51.100.9, {address}"}
        asked = {"name": "ann", "password": password}
        return (await client.post("/sessions", json=asked, headers=headers)).status_code

    async with httpx.AsyncClient(transport=transport, base_url="https://x") as client:
        assert await tried("192.0.2.1", PASSWORD) == 201
        found = [await tried("192.0.2.66", "a guess that fails") for _ in range(11)]
        assert found == [401] * 10 + [429]
        assert await tried("192.0.2.1", PASSWORD) == 201, "from where they have been before"
    failed = (await ann.get("/audit", outcome="refused"))["entries"]
    assert {each["actor"]["address"] for each in failed} == {"192.0.2.66"}
