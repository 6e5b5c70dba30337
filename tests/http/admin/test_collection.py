"""The inventory is asked for over the API, now and by a schedule."""

from typing import Any

import pytest

from corral.apple.platform import Platform
from corral.lifecycle.state import Phase
from inprocess import Installation


async def put(installation: Installation, *rules: dict[str, Any]) -> Any:
    return installation.read(await installation.api.put("/inventory/schedule", json={"rules": list(rules)}))


async def test_a_device_is_asked_now(installation: Installation) -> None:
    device = await installation.device(platform=Platform.MACOS, os_version="15.2")
    asked = await installation.post(
        f"/devices/{device}/inventory/refresh", {"reports": ["SecurityInfo", "Restrictions"]}
    )
    assert asked == {
        "device": device,
        "asked": ["SecurityInfo"],
        "waiting": [],
        "not_taken": ["Restrictions"],
        "problem": "",
    }
    again = await installation.post(f"/devices/{device}/inventory/refresh", {})
    assert "SecurityInfo" in again["waiting"]
    assert {"DeviceInformation", "UserList"} <= {*again["asked"]}
    queued = (await installation.get("/commands", device=device))["commands"]
    assert [each["request_type"] for each in queued].count("SecurityInfo") == 1
    assert {each["priority"] for each in queued} == {-100}


async def test_many_are_asked_each_with_its_word(installation: Installation) -> None:
    mac = await installation.device(platform=Platform.MACOS, os_version="15.2")
    gone = await installation.device(Phase.ENDED)
    body = {"devices": [gone, "nobody"], "query": {"platform": "macOS"}, "reports": ["UserList"]}
    found = await installation.post("/inventory/refresh", body)
    assert found["asked"] == 1
    assert {each["device"]: (each["asked"], bool(each["problem"])) for each in found["devices"]} == {
        mac: (["UserList"], False),
        gone: ([], True),
        "nobody": ([], True),
    }


async def test_what_cannot_be_asked_is_refused(installation: Installation) -> None:
    assert (await installation.api.post("/devices/nobody/inventory/refresh", json={})).status_code == 404
    wrong = {"devices": ["D1"], "reports": ["EraseDevice"]}
    assert (await installation.api.post("/inventory/refresh", json=wrong)).status_code == 422
    assert (await installation.api.post("/inventory/refresh", json={})).status_code == 422


async def test_the_schedule_is_shown_and_replaced(installation: Installation) -> None:
    usual = (await installation.get("/inventory/schedule"))["rules"]
    assert usual[0] == {"reports": ["DeviceInformation", "SecurityInfo"], "every": "1d"}
    rule = {"reports": ["SecurityInfo"], "every": "6h", "platform": ["macOS"]}
    assert await put(installation, rule) == {"rules": [rule]}
    assert (await installation.get("/inventory/schedule"))["rules"] == [rule]
    phone = await installation.device(platform=Platform.IOS, os_version="18.2")
    asked = await installation.post(f"/devices/{phone}/inventory/refresh", {})
    assert "DeviceInformation" in asked["asked"], "whoever wants it now gets what is usual"


@pytest.mark.parametrize(
    "rule",
    [
        {"reports": ["SecurityInfo"], "every": "1m"},
        {"reports": ["SecurityInfo"], "every": "often"},
        {"reports": ["EraseDevice"], "every": "1d"},
        {"reports": [], "every": "1d"},
        {"reports": ["SecurityInfo"], "every": "1d", "platform": ["Windows"]},
        {"reports": ["SecurityInfo"], "every": "1d", "of": "macOS"},
    ],
)
async def test_a_schedule_that_cannot_be_gone_by_changes_nothing(installation: Installation, rule: Any) -> None:
    before = await installation.get("/inventory/schedule")
    response = await installation.api.put("/inventory/schedule", json={"rules": [rule]})
    assert response.status_code == 422
    assert "\n" not in response.json()["detail"]
    assert await installation.get("/inventory/schedule") == before
