"""Every address of the API over TLS: as nobody, with tokens that are none, as each role, and as a role of one's own."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest

from corral.service.access.permission import ADMINISTRATOR, BUILT_IN, Permission
from e2e.conftest import DATABASES, over_each
from e2e.installation import Installation
from role_walk import CLOSED, closed_to, name, refused, walk

corral = pytest.fixture(params=DATABASES)(over_each)

PASSWORD = "correct horse battery"
OWN = {Permission.DEVICES_READ, Permission.DEVICES_LOCK, Permission.AUDIT_READ, Permission.WEBHOOKS_WRITE}
"""No built-in role has just these."""


@asynccontextmanager
async def speaking(corral: Installation, token: str = "") -> AsyncGenerator[httpx.AsyncClient]:
    """From the network, with what the service has told of itself."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    base = f"{corral.url}/api/v1"
    async with httpx.AsyncClient(verify=corral.tls, base_url=base, headers=headers, timeout=30) as client:
        yield client


async def told(corral: Installation, token: str) -> set[str]:
    """Where it does not get; everywhere else it is answered, and nothing fails."""
    async with speaking(corral, token) as client:
        found = await walk(client)
    odd = {each: status for each, status in found.items() if status == 401 or status >= 500}
    assert set(odd) <= {"POST /sessions", "POST /sign-ins", "GET /sign-ins/callback"}, odd
    return refused(found)


async def assert_closed(corral: Installation, token: str) -> None:
    async with speaking(corral, token) as client:
        found = await walk(client)
    assert {each: found[each] for each in map(name, CLOSED)} == dict.fromkeys(map(name, CLOSED), 401)


async def test_nobody_and_who_is_not_known_get_in_nowhere(corral: Installation) -> None:
    gone = await corral.post("/tokens", name="gone", role=ADMINISTRATOR)
    await corral.delete(f"/tokens/{gone['credential']['id']}")
    for token in ("", "corral_" + "x" * 43, gone["token"]):
        await assert_closed(corral, token)


@pytest.mark.parametrize("role", sorted(BUILT_IN))
async def test_a_token_gets_where_its_role_leads(role: str, corral: Installation) -> None:
    made = await corral.post("/tokens", name=f"walker as {role}", role=role)
    assert await told(corral, made["token"]) == closed_to(BUILT_IN[role])


async def test_a_user_gets_where_a_role_of_ones_own_leads_until_it_is_changed(corral: Installation) -> None:
    await corral.post("/roles", name="desk", permissions=sorted(OWN))
    await corral.post("/users", name="desk@example.org", role="desk", password=PASSWORD)
    async with speaking(corral) as client:
        begun = await client.post("/sessions", json={"name": "desk@example.org", "password": PASSWORD})
    token = begun.json()["token"]
    assert await told(corral, token) == closed_to(OWN)
    await corral.api.put("/roles/desk", json={"permissions": [Permission.LINKS_READ]})
    assert await told(corral, token) == closed_to({Permission.LINKS_READ})
    await corral.post("/users/desk@example.org/disable")
    await assert_closed(corral, token)
