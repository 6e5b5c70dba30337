"""The whole route table, walked as nobody, as each role, and with each permission alone."""

import asyncio
import base64
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from corral.http.admin.endpoint import Endpoint
from corral.http.admin.routes import ENDPOINTS
from corral.lifecycle.vocabulary import OF_RIGHTS
from corral.service.access.permission import BUILT_IN, Freely, Permission
from inprocess import Installation
from role_walk import CLOSED, closed_to, name, refused, walk


@asynccontextmanager
async def speaking(installation: Installation, **may: Any) -> AsyncGenerator[httpx.AsyncClient]:
    made = await installation.post("/tokens", {"name": "walker", **may})
    headers = {"authorization": f"Bearer {made['token']}"}
    transport = httpx.ASGITransport(installation.corral.admin_app)
    async with httpx.AsyncClient(transport=transport, base_url="https://x/api/v1", headers=headers) as client:
        yield client


def test_there_is_no_endpoint_without_a_need() -> None:
    async def serve() -> None: ...

    with pytest.raises(TypeError):
        Endpoint("GET", "/x", serve, "No permission")  # pyright: ignore[reportCallIssue, reportArgumentType] - that is the point
    assert all(isinstance(each.needs, Permission | Freely) for each in ENDPOINTS)


async def test_nobody_gets_in_anywhere(installation: Installation) -> None:
    for each in CLOSED:
        response = await installation.remote.request(each.method, re.sub(r"{\w+}", "x", each.path))
        assert response.status_code == 401, name(each)


@pytest.mark.parametrize("role", sorted(BUILT_IN))
async def test_each_role_gets_where_its_permissions_lead_and_nowhere_else(
    role: str, installation: Installation
) -> None:
    async with speaking(installation, role=role) as client:
        found = await walk(client)
    assert refused(found) == closed_to(BUILT_IN[role])
    assert not any(status >= 500 or status == 401 for each, status in found.items() if "session" not in each)


async def test_each_permission_alone_opens_its_own_addresses(installation: Installation) -> None:
    async def opened_by(permission: Permission) -> set[str]:
        async with speaking(installation, permissions=[permission]) as client:
            found = await walk(client)
        return {each for each, status in found.items() if status != 403}

    # All at once: each of the thousands of refusals is a row of the audit trail, and so they share commits.
    opened = await asyncio.gather(*map(opened_by, Permission))
    for permission, addresses in zip(Permission, opened, strict=True):
        assert addresses == {name(each) for each in ENDPOINTS if each.needs in (permission, *Freely)}, permission


async def test_a_role_of_ones_own_opens_what_it_lists(installation: Installation) -> None:
    await installation.post("/roles", {"name": "desk", "permissions": ["devices:read", "devices:lock"]})
    async with speaking(installation, role="desk") as client:
        assert (await client.get("/devices")).status_code == 200
        response = await client.get("/links")
        assert response.status_code == 403
        assert "links:read" in response.json()["detail"]
        Installation.read(await installation.api.put("/roles/desk", json={"permissions": ["links:read"]}))
        assert (await client.get("/devices")).status_code == 403
        assert (await client.get("/links")).status_code == 200


async def test_every_permission_is_needed_somewhere() -> None:
    """Those that no address names are those of single commands."""
    named = {each.needs for each in ENDPOINTS}
    assert set(Permission) - named <= {Permission.DEVICES_ERASE, Permission.DEVICES_LOCK, Permission.DEVICES_UNLOCK}


async def test_who_may_make_tokens_cannot_make_themselves_more(installation: Installation) -> None:
    async with speaking(installation, permissions=["access:write", "access:read", "links:read"]) as client:
        for body in ({"role": "administrator"}, {"role": "viewer"}, {"permissions": ["links:write"]}):
            response = await client.post("/tokens", json={"name": "more", **body})
            assert response.status_code == 403, body
        assert (await client.post("/tokens", json={"name": "x", "permissions": ["links:read"]})).status_code == 201
        assert (await client.post("/roles", json={"name": "r", "permissions": ["links:write"]})).status_code == 403
        first = next(each for each in (await installation.get("/tokens"))["tokens"] if each["role"] == "administrator")
        assert (await client.delete(f"/tokens/{first['id']}")).status_code == 403


async def test_the_last_administrator_cannot_be_removed_not_even_from_here(installation: Installation) -> None:
    first = next(each for each in (await installation.get("/tokens"))["tokens"] if each["role"] == "administrator")
    response = await installation.api.delete(f"/tokens/{first['id']}")
    assert response.status_code == 409
    assert "corral token create" in response.json()["detail"]


async def test_erasing_needs_its_own_permission_and_many_their_number(installation: Installation) -> None:
    devices = [await installation.device() for _ in range(11)]
    body: dict[str, Any] = {"devices": devices, "request_type": "EraseDevice", "force": True}
    async with speaking(installation, role="operator") as client:
        response = await client.post("/commands", json=body)
        assert response.status_code == 403
        assert "devices:erase" in response.json()["detail"]
    async with speaking(installation, role="administrator") as client:
        response = await client.post("/commands", json=body)
        assert response.status_code == 409
        assert '"confirm": 11' in response.json()["detail"]
        assert (await client.get("/commands")).json()["commands"] == []
        assert (await client.post("/commands", json=body | {"confirm": 11})).json()["queued"] == 11


async def test_who_may_not_look_for_devices_does_not_find_them_by_a_command(installation: Installation) -> None:
    device = await installation.device()
    asked = {"request_type": "ProfileList", "dry_run": True}
    may = ["commands:send"]
    queries: tuple[dict[str, str], ...] = ({}, {"search": "D"}, {"where": "os_version < 99"})
    async with speaking(installation, permissions=may) as client:
        assert (await client.post("/commands", json=asked | {"devices": [device]})).status_code == 200
        for query in queries:
            assert (await client.post("/commands", json=asked | {"query": query})).status_code == 403, query
    async with speaking(installation, permissions=[*may, "devices:read"]) as client:
        found = [(await client.post("/commands", json=asked | {"query": each})).status_code for each in queries]
        assert found == [200, 200, 403]
    async with speaking(installation, permissions=[*may, "devices:read", "inventory:read"]) as client:
        assert (await client.post("/commands", json=asked | {"query": queries[2]})).status_code != 403


async def test_whose_rights_are_whose_is_not_heard_of_among_other_events(installation: Installation) -> None:
    await installation.post("/links", {})
    await installation.post("/users", {"name": "ann", "role": "viewer"})
    for may, heard in ((["events:read"], False), (["events:read", "access:read"], True)):
        async with speaking(installation, permissions=may) as client:
            kinds = {each["type"] for each in (await client.get("/events")).json()["events"]}
            assert "link.created" in kinds
            assert ({"user.added", "token.created"} <= kinds) is heard
            assert (kinds.isdisjoint(OF_RIGHTS)) is not heard


async def test_a_dangerous_command_is_not_hidden_behind_another_of_its_keys(installation: Installation) -> None:
    device = await installation.device()
    types = "<key>RequestType</key><string>EraseDevice</string><key>RequestType</key><string>ProfileList</string>"
    raw = f"<plist><dict><key>CommandUUID</key><string>C</string><key>Command</key><dict>{types}</dict></dict></plist>"
    body = {"devices": [device], "plist": base64.b64encode(raw.encode()).decode(), "force": True}
    async with speaking(installation, role="operator") as client:
        assert (await client.post("/commands", json=body)).status_code == 422
        assert (await client.get("/commands")).json()["commands"] == []


async def test_openapi_tells_which_permission_each_operation_needs(installation: Installation) -> None:
    document = await installation.get("/openapi.json")
    for each in ENDPOINTS:
        operation = document["paths"][each.path][each.method.lower()]
        if isinstance(each.needs, Permission):
            assert operation["x-permission"] == each.needs
            assert operation["security"] == [{"token": [each.needs]}]
        else:
            assert "x-permission" not in operation
