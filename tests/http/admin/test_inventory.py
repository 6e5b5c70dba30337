"""The inventory over the API: questions, one device, its history, counts and exports."""

import csv
import io
import json

from corral.apple.plist import dump
from corral.apple.report import Status
from corral.lifecycle.change import Change, Result
from inprocess import Installation


async def answer(installation: Installation, device: str, request_type: str, **told: object) -> None:
    """A device is asked, answers, and its answer is taken in."""
    keys = {"Queries": ["OSVersion", "DeviceName"]} if request_type == "DeviceInformation" else {}
    sent = await installation.post("/commands", {"devices": [device], "request_type": request_type, "keys": keys})
    installation.now += 1000
    result = Result(
        channel_id=sent["devices"][0]["channel_id"],
        command_uuid=sent["command_uuid"],
        status=Status.ACKNOWLEDGED,
        body=dump({"CommandUUID": sent["command_uuid"], "Status": "Acknowledged", **told}),  # pyright: ignore[reportArgumentType] - what a test tells fits
        received_at=installation.now,
    )
    await installation.corral.store.devices.commit(Change(result=result, at=installation.now))
    await installation.corral.services.taking_in.turn()


async def test_a_fleet_is_asked(installation: Installation) -> None:
    old = await installation.device(platform="macOS", os_version="15.2", name="=cmd|' /C calc'!A0")
    new = await installation.device(platform="macOS", os_version="15.3")
    await answer(
        installation, old, "SecurityInfo", SecurityInfo={"FDE_Enabled": False, "FDE_PersonalRecoveryKeyCMS": b"x"}
    )
    await answer(installation, new, "SecurityInfo", SecurityInfo={"FDE_Enabled": True})
    question = "platform = macOS and os_version < 15.3 and not filevault"
    found = await installation.get("/inventory/devices", query=question, columns="serial,filevault,os_version")
    assert found == {
        "columns": ["serial", "filevault", "os_version"],
        "devices": [
            {
                "device": old,
                "connection": "C1",
                "values": {"serial": "SERIAL1", "filevault": False, "os_version": "15.2"},
            }
        ],
        "next": None,
    }
    assert await installation.get("/inventory/count", query="filevault is known") == {"count": 2}
    page = await installation.get("/inventory/devices", limit=1)
    assert (len(page["devices"]), page["next"]) == (1, old)
    assert [each["device"] for each in (await installation.get("/inventory/devices", after=old))["devices"]] == [new]


async def test_one_device_is_shown_with_what_has_changed(installation: Installation) -> None:
    device = await installation.device(platform="macOS", os_version="15.2")
    empty = await installation.get(f"/devices/{device}/inventory")
    assert empty == {"device": device, "connection": None, "values": {}, "items": [], "reports": []}
    apps = [{"Identifier": "com.example.x", "ShortVersion": "1.0", "Version": "17", "Name": "X", "IsAppClip": False}]
    await answer(installation, device, "InstalledApplicationList", InstalledApplicationList=apps)
    await answer(installation, device, "DeviceInformation", QueryResponses={"OSVersion": "15.2", "DeviceName": "a"})
    await answer(installation, device, "DeviceInformation", QueryResponses={"OSVersion": "15.3"})
    shown = await installation.get("/devices/SERIAL1/inventory")
    assert (shown["device"], shown["connection"], shown["values"]["os_version"]) == (device, "C1", "15.3")
    assert shown["items"] == [
        {
            "kind": "app",
            "user": "",
            "identifier": "com.example.x",
            "label": "1.0",
            "fields": {"identifier": "com.example.x", "name": "X", "version": "1.0", "build": "17", "clip": False},
        }
    ]
    assert [each["report"] for each in shown["reports"]] == ["CheckIn", "DeviceInformation", "InstalledApplicationList"]
    history = await installation.get(f"/devices/{device}/inventory/history")
    told = [(each["name"], each["before"], each["after"]) for each in history["changes"]]
    assert told == [("name", "a", None), ("os_version", "15.2", "15.3")]
    everything = await installation.get("/inventory/changes", limit=1)
    assert everything["changes"] == history["changes"][:1]
    assert everything["next"] == history["changes"][0]["number"]
    counted = await installation.get("/inventory/items", identifier="com.example.x")
    assert counted["items"] == [{"identifier": "com.example.x", "label": "1.0", "name": "X", "devices": 1}]


async def test_an_export_is_safe_for_spreadsheets(installation: Installation) -> None:
    formulas = ["=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1+1", 'a "quoted", name', "ünïcode"]
    for name in formulas:
        await installation.device(platform="macOS", name=name)
    await installation.corral.services.taking_in.turn()
    response = await installation.api.get("/inventory/export", params={"columns": "name,device,filevault"})
    assert (response.headers["corral-total"], response.headers["content-type"].partition(";")[0]) == (
        str(len(formulas)),
        "text/csv",
    )
    head, *rows = csv.reader(io.StringIO(response.text))
    assert head == ["name", "device", "filevault"]
    assert [row[0] for row in rows] == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\uff1d1+1", *formulas[5:]]
    lines = await installation.api.get("/inventory/export", params={"format": "jsonl", "columns": "name,enrolled_at"})
    parsed = [json.loads(line) for line in lines.text.splitlines()]
    assert [each["name"] for each in parsed] == formulas
    assert parsed[0]["enrolled_at"] == "2026-09-21T14:13:20Z"


async def test_what_cannot_be_asked_is_told(installation: Installation) -> None:
    for path, query, why in (
        ("/inventory/devices", {"query": "os_version < "}, "a value is missing"),
        ("/inventory/export", {"query": "nonsense"}, "'nonsense' is no field"),
        ("/inventory/devices", {"columns": "secret"}, "'secret' is no attribute"),
        ("/inventory/items", {"kind": "thing"}, "'thing' is no kind of item"),
    ):
        response = await installation.api.get(path, params=query)
        assert response.status_code == 422
        assert why in response.json()["detail"]
    assert (await installation.api.get("/devices/D9/inventory")).status_code == 404


async def test_what_can_be_asked_is_listed(installation: Installation) -> None:
    found = await installation.get("/inventory/attributes")
    named = {each["name"]: each for each in found["attributes"]}
    assert named["filevault"]["source"] == "SecurityInfo FDE_Enabled"
    assert named["capacity"]["unit"] == "GB"
    assert "app" in {each["name"] for each in found["items"]}
