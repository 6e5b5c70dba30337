"""One decision about many devices: a verdict for each, the breaker before them, and their number where they leave."""

from typing import Any

import pytest

from corral.lifecycle.state import Phase
from corral.service.connections import deciding_for_many
from corral.store.errors import StoreUnavailable
from inprocess import Installation


def verdicts(answer: Any) -> dict[str, str]:
    return {each["device"]: each["verdict"] for each in answer["devices"]}


async def phases(installation: Installation) -> list[str]:
    return [each["connection"]["phase"] for each in (await installation.get("/devices"))["devices"]]


async def test_each_has_its_verdict(installation: Installation) -> None:
    connected = await installation.device()
    over = await installation.device(Phase.ENDED)
    asked = {"devices": ["SERIAL1", over, "nobody", "SERIAL1"]}
    would = await installation.post("/devices/end", asked | {"dry_run": True})
    assert (would["done"], verdicts(would)) == (0, {"SERIAL1": "eligible", over: "refused", "nobody": "unknown"})
    assert await phases(installation) == ["connected", "ended"]
    answer = await installation.post("/devices/end", asked)
    assert (answer["done"], verdicts(answer)) == (1, {"SERIAL1": "done", over: "refused", "nobody": "unknown"})
    counts = {name: answer[name] for name in ("asked", "done", "eligible", "refused", "unknown", "failed")}
    assert counts == {"asked": 3, "done": 1, "eligible": 0, "refused": 1, "unknown": 1, "failed": 0}
    assert "no connection" in answer["devices"][1]["problem"]
    assert "There is no device nobody" in answer["devices"][2]["problem"]
    entries = (await installation.get("/audit", operation="end_devices"))["entries"]
    assert [(each["what"], each["device_id"]) for each in entries] == [("connection.ending", connected)]


async def test_a_query_means_all_connected_devices_that_fit(installation: Installation) -> None:
    for platform in ("macOS", "iOS", "macOS"):
        await installation.device(platform=platform)
    answer = await installation.post("/devices/end", {"query": {"platform": "macOS"}})
    assert verdicts(answer) == {"D1": "done", "D3": "done"}
    nothing = await installation.api.post("/devices/end", json={"query": {"platform": "tvOS"}})
    assert nothing.status_code == 422
    assert (await installation.api.post("/devices/end", json={})).status_code == 422


async def test_many_need_their_number(installation: Installation) -> None:
    for _ in range(11):
        await installation.device()
    for verb in ("end", "block"):
        for confirm in (None, 10, 12):
            body: dict[str, Any] = {"query": {}, "confirm": confirm}
            refused = await installation.api.post(f"/devices/{verb}", json=body)
            assert refused.status_code == 409
            assert '"confirm": 11' in refused.json()["detail"]
        assert (await installation.post(f"/devices/{verb}", {"query": {}, "dry_run": True}))["done"] == 0
    assert set(await phases(installation)) == {"connected"}
    assert (await installation.post("/devices/block", {"query": {}, "confirm": 11, "reason": "lost"}))["done"] == 11
    devices = (await installation.get("/devices"))["devices"]
    assert {each["device"]["blocked_reason"] for each in devices} == {"lost"}


async def test_the_breaker_has_room_for_so_many_and_a_dry_run_knows(installation: Installation) -> None:
    limit = 25
    for _ in range(limit + 3):
        await installation.device()
    would = await installation.post("/devices/end", {"query": {}, "dry_run": True})
    answer = await installation.post("/devices/end", {"query": {}, "confirm": limit + 3})
    expected = ["eligible"] * limit + ["refused"] * 3
    assert [each["verdict"] for each in would["devices"]] == expected
    assert [each["verdict"] for each in answer["devices"]] == ["done"] * limit + ["refused"] * 3
    problems = {each["devices"][-1]["problem"] for each in (would, answer)}
    assert len(problems) == 1
    assert "told to leave within" in problems.pop()
    assert (await phases(installation)).count("connected") == 3


async def test_many_are_woken(installation: Installation) -> None:
    await installation.device()
    await installation.device(Phase.AUTHENTICATING)
    body = {"devices": ["D1", "D2"]}
    would = await installation.post("/devices/wake", body | {"dry_run": True})
    assert verdicts(would) == {"D1": "eligible", "D2": "refused"}
    assert (await installation.get("/audit", operation="wake_devices"))["entries"] == []
    assert verdicts(await installation.post("/devices/wake", body)) == {"D1": "done", "D2": "refused"}
    entries = (await installation.get("/audit", operation="wake_devices"))["entries"]
    assert [each["what"] for each in entries] == ["device.woken"]


async def test_what_cannot_be_renewed_keeps_nobody_else(installation: Installation) -> None:
    await installation.device()
    await installation.device(Phase.ENDED)
    answer = await installation.post("/devices/renew", {"devices": ["D1", "D2"]})
    assert verdicts(answer) == {"D1": "refused", "D2": "refused"}
    assert "enrollment profile" in answer["devices"][0]["problem"]
    assert "is not connected" in answer["devices"][1]["problem"]


async def test_one_device_under_two_names_is_in_nobodys_way(installation: Installation) -> None:
    """Both changes are decided on what was there before; the second is decided again."""
    for _ in range(3):
        await installation.device()
    for verb in ("end", "block"):
        answer = await installation.post(f"/devices/{verb}", {"devices": ["D1", "SERIAL1", "D2", "C2", "D3"]})
        assert (answer["asked"], answer["failed"], verdicts(answer)["D3"]) == (5, 0, "done")
        assert {verdicts(answer)[name] for name in ("D1", "D2", "SERIAL1", "C2")} == {"done"}


async def test_many_are_handed_to_the_store_together(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(7):
        await installation.device()
    commit, waiting, most = installation.corral.store.devices.commit, 0, 0

    async def count(change: Any) -> Any:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        try:
            return await commit(change)
        finally:
            waiting -= 1

    monkeypatch.setattr(installation.corral.store.devices, "commit", count)
    monkeypatch.setattr(deciding_for_many, "AT_ONCE", 5)
    assert (await installation.post("/devices/block", {"query": {}}))["done"] == 7
    assert most == 5


async def test_where_the_database_fails_the_rest_is_not_tried(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await installation.device()
    commit, commits = installation.corral.store.devices.commit, list[object]()

    async def fail_second(change: Any) -> Any:
        commits.append(change)
        if len(commits) == 2:
            raise StoreUnavailable("The database cannot answer.")
        return await commit(change)

    monkeypatch.setattr(installation.corral.store.devices, "commit", fail_second)
    monkeypatch.setattr(deciding_for_many, "AT_ONCE", 1)
    answer = await installation.post("/devices/end", {"query": {}})
    assert verdicts(answer) == {"D1": "done", "D2": "failed", "D3": "failed"}
    assert answer["devices"][2]["problem"] == "Not tried: The database cannot answer."
    assert len(commits) == 2
    assert verdicts(await installation.post("/devices/end", {"devices": ["D1", "D2", "D3"]})) == {
        "D1": "done",
        "D2": "done",
        "D3": "done",
    }


async def test_ending_many_needs_a_permission_of_its_own(installation: Installation) -> None:
    await installation.device()
    token = (await installation.post("/tokens", {"name": "operator", "role": "operator"}))["token"]
    headers = {"authorization": f"Bearer {token}"}
    for verb, status in (("end", 403), ("block", 403), ("renew", 200), ("wake", 200)):
        response = await installation.remote.post(f"/devices/{verb}", json={"devices": ["D1"]}, headers=headers)
        assert response.status_code == status
    assert (await installation.remote.post("/devices/D1/end", json={}, headers=headers)).status_code == 200


async def test_a_request_is_about_so_many_at_most(installation: Installation) -> None:
    too_many = {"devices": [str(number) for number in range(5001)]}
    assert (await installation.api.post("/devices/wake", json=too_many)).status_code == 422
