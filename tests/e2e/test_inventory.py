"""The inventory of a simulated fleet: asked for, exported, and what an update of the system changes of it."""

import asyncio
import csv
import io
import subprocess
import sys
from typing import Any

import pytest

from corral.simulator.device import Device
from corral.simulator.facts import Model
from corral.simulator.installed_apps import App
from corral.simulator.life_events import install_app, turn_filevault
from e2e.conftest import DATABASES, over_each
from e2e.installation import Installation, until

each = pytest.fixture(params=DATABASES)(over_each)

QUERIES = ["OSVersion", "BuildVersion", "DeviceName", "ModelName", "ProductName", "SerialNumber", "IsSupervised"]
REPORTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("DeviceInformation", {"Queries": QUERIES}),
    ("SecurityInfo", {}),
    ("InstalledApplicationList", {}),
    ("ProfileList", {}),
    ("CertificateList", {}),
)


async def report(corral: Installation, *devices: Device) -> None:
    """Everybody tells everything, and it is taken in soon after."""
    names = [device.facts.udid for device in devices]
    for request_type, keys in REPORTS:
        await corral.post("/commands", devices=names, request_type=request_type, keys=keys)
    for device in devices:
        await device.poll()

    async def taken_in() -> bool:
        return b"corral_inventory_waiting 0.0" in (await corral.api.get("/metrics")).content

    await until(taken_in)


async def fitting(corral: Installation, question: str) -> set[str]:
    page = await corral.get("/inventory/devices", query=question, limit=500)
    return {each["device"] for each in page["devices"]}


async def test_a_fleet_is_asked_and_an_update_is_history(each: Installation) -> None:
    corral = each
    macs = [await corral.enrolled(Model.MAC, "15.2") for _ in range(3)]
    phone = await corral.enrolled(Model.IPHONE)
    ids = [device.facts.udid for device in macs]
    turn_filevault(macs[0], True)
    for device in macs[1:]:
        turn_filevault(device, False)
    install_app(macs[1], App("com.example.e2e", "E2E", "1.0", 1))
    install_app(phone, App("com.example.e2e", "E2E", "2.0", 1))
    await report(corral, *macs, phone)

    mine = f"device in ({', '.join([*ids, phone.facts.udid])})"
    assert await fitting(corral, f"platform = macOS and os_version < 15.3 and not filevault and {mine}") == set(ids[1:])
    assert await fitting(corral, f"has app com.example.e2e and {mine}") == {ids[1], phone.facts.udid}
    assert await fitting(corral, f"app.identifier = com.example.e2e and app.version < 2 and {mine}") == {ids[1]}
    assert await fitting(corral, f"has certificate and has profile (managed or identifier is known) and {mine}")
    counted = (await corral.get("/inventory/items", identifier="com.example.e2e"))["items"]
    assert {each["label"] for each in counted} == {"1.0", "2.0"}

    macs[2].update_system()
    await report(corral, macs[2])
    history = (await corral.get(f"/devices/{ids[2]}/inventory/history"))["changes"]
    told = {each["name"]: (each["before"], each["after"]) for each in history}
    assert told["os_version"] == ("15.2", macs[2].facts.os_version)
    assert ids[2] not in await fitting(corral, f"os_version = 15.2 and {mine}")

    answer = await corral.api.get("/inventory/export", params={"query": mine, "columns": "device,os_version,filevault"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["corral-total"] == "4"
    assert {row["device"]: row["filevault"] for row in rows} == {
        ids[0]: "yes",
        ids[1]: "no",
        ids[2]: "no",
        phone.facts.udid: "",
    }

    sent = await corral.post(
        "/commands", query={"where": f"filevault and {mine}"}, request_type="SecurityInfo", dry_run=True
    )
    assert [each["device"] for each in sent["devices"]] == [ids[0]]


async def test_the_command_line_asks_the_same(corral: Installation) -> None:
    mac = await corral.enrolled(Model.MAC, "15.2")
    await report(corral, mac)
    data, name = str(corral.data), mac.facts.udid

    async def run(*words: str) -> str:
        command = [sys.executable, "-m", "corral", "inventory", *words, "--data", data]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert name in await run("query", f"device = {name} and os_version = 15.2", "--columns", "device,os_version")
    assert (await run("count", f"device = {name}")).strip() == "1"
    assert "SecurityInfo" in await run("show", name)
    assert "Nothing has changed" in await run("history", name)
    assert (await run("export", f"device = {name}", "--columns", "device,platform")).splitlines() == [
        "device,platform",
        f"{name},macOS",
    ]
    out = corral.data.parent / "fleet.jsonl"
    said = await run("export", f"device = {name}", "--format", "jsonl", "--out", str(out))
    assert "1 devices" in said
    assert name in out.read_text()
    assert "filevault" in await run("attributes")
    assert "identifier" in await run("apps", "--limit", "3")
