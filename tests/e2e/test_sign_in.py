"""Administrators sign in with the organization's identity provider, over real processes."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from corral.simulator.identity_provider import Someone
from e2e.account_place import ANN, BOB, PASSWORD, Place, place
from e2e.conftest import DATABASES, each_template
from e2e.installation import Template

EVE = "eve@evil.example"


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=DATABASES)
async def at(
    request: pytest.FixtureRequest, template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Place]:
    groups, folder = "admins=administrator,staff=operator", tmp_path_factory.mktemp("place")
    with each_template(request.param, template, folder / "template") as own:
        async with place(own, folder, CORRAL_ADMIN_GROUPS=groups) as made:
            made.provider.redirect_uris.add(f"{made.corral.url}/api/v1/sign-ins/callback")
            yield made


async def through_the_provider(at: Place, url: str, login: str = ANN) -> str:
    """What the browser shows in the end."""
    _, answer = await at.browser(login).open(url, {})
    return answer.body.decode()


def code_of(page: str) -> str:
    found = re.search(r"user-select:all\">([^<]+)</code>", page)
    assert found, page
    return unescape(found[1])


async def sign_in(at: Place, client: httpx.AsyncClient, login: str = ANN) -> httpx.Response:
    begun = (await client.post("/api/v1/sign-ins")).json()
    code = code_of(await through_the_provider(at, begun["url"], login))
    return await client.post("/api/v1/sessions", json={"sign_in": begun["sign_in"], "code": code})


async def me(client: httpx.AsyncClient, session: httpx.Response) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {session.json()['token']}"}
    return (await client.get("/api/v1/sessions/current", headers=headers)).json()


async def test_groups_are_roles_and_count_anew_at_each_sign_in(at: Place) -> None:
    async with at.client() as client:
        session = await sign_in(at, client)
        assert session.status_code == 201, session.text
        caller = await me(client, session)
        assert (caller["kind"], caller["name"], caller["role"]) == ("user", ANN, "operator")
        claims = {"email": ANN, "email_verified": True, "groups": ["staff", "admins"]}
        at.provider.people[ANN] = Someone(PASSWORD, claims)
        assert (await me(client, await sign_in(at, client)))["role"] == "administrator"
        at.provider.people[ANN] = Someone(PASSWORD, claims | {"groups": ["guests"]})
        begun = (await client.post("/api/v1/sign-ins")).json()
        _, page = await at.browser().open(begun["url"], {})
        assert page.status == 401
        assert b"none of the groups" in page.body


async def test_only_who_began_can_use_the_code_and_only_once(at: Place) -> None:
    at.provider.people[ANN] = Someone(PASSWORD, {"email": ANN, "groups": ["staff"]})
    async with at.client() as client:
        begun = (await client.post("/api/v1/sign-ins")).json()
        other = (await client.post("/api/v1/sign-ins")).json()
        code = code_of(await through_the_provider(at, begun["url"]))
        for secret in (other["sign_in"], "guessed", ""):
            answer = await client.post("/api/v1/sessions", json={"sign_in": secret, "code": code})
            assert answer.status_code == 401
        good = {"sign_in": begun["sign_in"], "code": code}
        assert (await client.post("/api/v1/sessions", json=good)).status_code == 201
        again = await client.post("/api/v1/sessions", json=good)
        assert again.status_code == 401
        assert "used already" in again.json()["detail"]


async def test_a_way_back_is_good_once_and_only_if_it_was_begun_here(at: Place) -> None:
    async with at.client() as client:
        begun = (await client.post("/api/v1/sign-ins")).json()
        browser = at.browser(BOB)
        await browser.open(begun["url"], {})
        back = next(each for each in browser.visited if "/sign-ins/callback" in each)
        assert (await client.get(back)).status_code == 401
        for path in ("?state=x&code=y", "?error=access_denied&state=x", "?state=&code="):
            assert (await client.get(f"/api/v1/sign-ins/callback{path}")).status_code == 401
        assert (await client.get("/api/v1/sign-ins/callback?nonsense=1")).status_code == 422


async def test_a_disabled_user_does_not_come_in_by_the_provider(at: Place) -> None:
    async with at.client() as client:
        session = await sign_in(at, client, BOB)
        await at.corral.api.post(f"/users/{BOB}/disable")
        headers = {"authorization": f"Bearer {session.json()['token']}"}
        assert (await client.get("/api/v1/sessions/current", headers=headers)).status_code == 401
        begun = (await client.post("/api/v1/sign-ins")).json()
        assert b"disabled" in (await at.browser(BOB).open(begun["url"], {}))[1].body


async def test_a_user_with_a_password_is_not_taken_over(at: Place) -> None:
    body = {"name": EVE, "role": "administrator", "password": "correct horse battery"}
    assert (await at.corral.api.post("/users", json=body)).status_code == 201
    async with at.client() as client:
        begun = (await client.post("/api/v1/sign-ins")).json()
        _, page = await at.browser(EVE).open(begun["url"], {})
        assert page.status == 401
        assert b"signs in with a password" in page.body


async def test_the_command_line_signs_in_and_out(at: Place, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text((await at.corral.get("/authority"))["certificate"])
    environment = os.environ | {"XDG_CONFIG_HOME": str(tmp_path / "config")}

    async def corral(*words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "corral", *words, env=environment, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )

    login = await corral("login", at.corral.url, "--sso", "--ca", str(ca))
    assert login.stdin is not None
    assert login.stderr is not None
    said = await login.stderr.readuntil(b"\n\n") + await login.stderr.readuntil(b"\n\n")
    (url,) = re.findall(r"https://\S+", said.decode())
    login.stdin.write(code_of(await through_the_provider(at, url)).encode() + b"\n")
    out, err = await login.communicate()
    assert login.returncode == 0, err
    assert f"as {ANN}".encode() in out
    assert (await (await corral("whoami")).communicate())[0].startswith(f"{ANN} (user, operator)".encode())
    listed = (await at.corral.get("/sessions"))["sessions"]
    assert (await (await corral("logout")).communicate())[0] == b"Logged out.\n"
    assert len((await at.corral.get("/sessions"))["sessions"]) == len(listed) - 1
