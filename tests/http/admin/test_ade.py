"""Automated enrollment over the API, with the stand-in for Apple behind it."""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from corral.simulator.ade.portal import PortalServer
from corral.simulator.ade.service import AdeService
from corral.simulator.push_certificates import StandInApple
from inprocess import Installation, fresh, opened


@dataclass
class Stage:
    installation: Installation
    apple: AdeService

    async def server(self, name: str = "main") -> PortalServer:
        """A server here and in the portal, with its token."""
        made = await self.installation.post("/ade/servers", {"name": name})
        portal, file = self.apple.add_server(f"{name} at Apple", made["certificate"].encode())
        await self.installation.post(f"/ade/servers/{name}/token", {"file": base64.b64encode(file).decode()})
        return portal


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.delenv("CORRAL_DATA", raising=False)
    root = StandInApple.create(datetime.now(UTC))
    apple = AdeService(root)
    (tmp_path / "ade.pem").write_bytes(root.root_pem)
    settings, _ = fresh(tmp_path, ade_url=await apple.start(), ade_ca=tmp_path / "ade.pem")
    now = int(datetime.now(UTC).timestamp() * 1000)
    async with opened(settings, now) as installation:
        yield Stage(installation, apple)
    await apple.stop()


async def refused(stage: Stage, path: str, body: object, status: int) -> str:
    answer = await stage.installation.api.post(path, json=body)
    assert answer.status_code == status, answer.text
    detail: str = answer.json()["detail"]
    assert "\n" not in detail
    return detail


async def test_from_the_portal_to_an_assigned_device(stage: Stage) -> None:
    api = stage.installation
    portal = await stage.server()
    portal.add_device("S1", device_family="iPad")
    portal.add_device("S2")
    profile = await api.post("/ade/servers/main/profiles", {"profile": {"profile_name": "tablets"}})
    assert profile["profile"]["url"] == "https://mdm.example.org/enroll/automated"
    assert len(profile["profile"]["anchor_certs"]) == 1, "a service with its own authority is known by it"
    rules = {"rules": [{"field": "family", "pattern": "ipad", "profile": "tablets"}]}
    assert await api.post("/ade/servers/main/rules", rules) == {"reassigned": 0}
    found = await api.post("/ade/servers/main/sync", {})
    assert (found["whole"], found["seen"], found["assigned"]) == (True, 2, 1)
    devices = (await api.get("/ade/devices"))["devices"]
    assert [(each["serial_number"], each["profile"]) for each in devices] == [("S1", "tablets"), ("S2", "")]
    assert devices[0]["assignment"]["assigned_by"] == "rule 1"
    assert (await api.get("/ade/devices/S1"))["devices"][0] == devices[0]
    given = await api.post("/ade/servers/main/assign", {"devices": ["S2"], "profile": "tablets"})
    assert given["devices"][0]["assignment"]["assigned_by"] == "local administrator"
    await api.post("/ade/servers/main/unassign", {"devices": ["S1"]})
    assert portal.configuration("S1") is None
    assert portal.configuration("S2") is not None
    assert await api.post("/ade/servers/main/release", {"devices": ["S1"]}) == {"reassigned": 1}
    assert await api.post("/ade/servers/main/default", {"profile": "tablets"}) == {"reassigned": 0}
    assert (await api.get("/ade/servers"))["servers"][0]["default_profile"] == "tablets"
    locked = await api.post("/ade/servers/main/lock", {"device": "S1"})
    assert locked == {"devices": {"S1": "SUCCESS"}}
    await api.post("/ade/servers/main/discovery", {"url": "https://mdm.example.org/discover"})
    assert portal.discovery == "https://mdm.example.org/discover"


async def test_a_profile_is_defined_anew_only_as_it_was_seen(stage: Stage) -> None:
    await stage.server()
    await stage.installation.post("/ade/servers/main/profiles", {"profile": {"profile_name": "tablets"}})
    path, api = "/ade/servers/main/profiles/tablets", stage.installation.api
    first = await api.get(path)

    async def put(match: str, **fields: object) -> httpx.Response:
        return await api.put(path, json={"profile": fields}, headers={"if-match": match})

    second = await put(first.headers["etag"], department="Sales")
    assert (second.status_code, second.json()["profile"]["department"]) == (200, "Sales")
    assert second.json()["uuid"] != first.json()["uuid"]
    assert second.headers["etag"] == (await api.get(path)).headers["etag"]
    assert (await put(first.headers["etag"], department="Lost")).status_code == 412
    assert (await api.get(path)).json() == second.json()
    assert (await put("*", profile_name="others")).status_code == 422
    nobody = {"profile": {"profile_name": "nobody"}}
    assert (await api.put("/ade/servers/main/profiles/nobody", json=nobody)).status_code == 404


async def test_devices_are_listed_page_by_page_over_all_servers(stage: Stage) -> None:
    for name in ("one", "two"):
        portal = await stage.server(name)
        for number in range(3):
            portal.add_device(f"{name}-{number}")
        await stage.installation.post(f"/ade/servers/{name}/sync", {})
    first = await stage.installation.get("/ade/devices", limit=4)
    assert first["next"] == "two/two-0"
    rest = await stage.installation.get("/ade/devices", limit=4, after=first["next"])
    assert [each["serial_number"] for each in rest["devices"]] == ["two-1", "two-2"]
    assert rest["next"] is None
    assert len((await stage.installation.get("/ade/devices", server="one"))["devices"]) == 3


async def test_what_cannot_be_is_refused_with_a_reason(stage: Stage) -> None:
    portal = await stage.server()
    portal.add_device("S1")
    await stage.installation.post("/ade/servers/main/sync", {})
    assert "already" in await refused(stage, "/ade/servers", {"name": "main"}, 409)
    assert "no server other" in await refused(stage, "/ade/servers/other/sync", {}, 404)
    assert "base64" in await refused(stage, "/ade/servers/main/token", {"file": "?"}, 422)
    assert "base64" in await refused(stage, "/ade/servers/main/token", {"file": "\u00e4"}, 422)
    assert "no token for main" in await refused(stage, "/ade/servers/main/token", {"file": "AAAA"}, 422)
    wrong = {"profile": {"profile_name": "x", "is_mdm_removable": False}}
    assert "is_supervised" in await refused(stage, "/ade/servers/main/profiles", wrong, 422)
    body: dict[str, Any] = {"devices": ["S1"], "confirm": "yes"}
    assert "'Example'" in await refused(stage, "/ade/servers/main/disown", body, 409)
    portal.terms_signed = False
    assert "terms" in await refused(stage, "/ade/servers/main/sync", {}, 409)
    assert (await stage.installation.get("/ade/servers/main"))["terms_open"]
    await stage.apple.stop()
    assert "try again later" in await refused(stage, "/ade/servers/main/sync", {}, 503)


async def test_neither_key_nor_token_is_ever_shown(stage: Stage) -> None:
    portal = await stage.server()
    await stage.installation.post("/ade/servers/main/sync", {})
    for path in ("/ade/servers", "/ade/servers/main", "/events", "/status"):
        text = (await stage.installation.api.get(path)).text
        assert "PRIVATE KEY" not in text
        assert not [one for one in (portal.secrets.consumer_secret, portal.secrets.access_secret) if one in text]
