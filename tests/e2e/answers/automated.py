"""Rows 53 to 57, and 59 to 61: Automated Device Enrollment, before there is a connection."""

import base64
import json
from dataclasses import replace

from corral.apple.machine_info import HEADER
from corral.simulator.device import Device
from corral.simulator.factory import machine_info, signed_machine_info
from e2e.answers.register import Stage, row
from e2e.factory import ask, made, post, rule

PROFILE = "application/x-apple-aspen-config"
WEB = "/enroll/automated/web"


@row(53)
async def an_admitted_device(stage: Stage) -> None:
    device = stage.corral.device()
    await rule(stage.corral, device, do="admit")
    answer = await ask(stage.corral, device)
    assert (answer.status, answer.headers["content-type"]) == (200, PROFILE)


@row(54)
async def a_device_that_is_to_do_something_first(stage: Stage) -> None:
    device = stage.corral.device(os_version="17.6.1")
    await rule(stage.corral, device, do="require-update", minimum="18.2")
    answer = await ask(stage.corral, device)
    assert (answer.status, answer.headers["content-type"]) == (403, "application/json")
    assert json.loads(answer.body)["code"] == "com.apple.softwareupdate.required"


@row(55)
async def a_device_that_nothing_admits(stage: Stage) -> None:
    answer = await ask(stage.corral, stage.corral.device())
    assert (answer.status, answer.headers["content-type"]) == (403, "text/plain; charset=utf-8")
    assert answer.body
    unwanted = stage.corral.device()
    await rule(stage.corral, unwanted, do="decline", unrecognized=True)
    assert json.loads((await ask(stage.corral, unwanted)).body)["code"] == "com.apple.unrecognized.device"


@row(56)
async def what_no_device_signed(stage: Stage) -> None:
    assert (await post(stage.corral, b"<plist/>")).status == 400
    device = stage.corral.device()
    nameless = replace(machine_info(device.facts), serial_number=None)
    assert (await ask(stage.corral, device, nameless)).status == 400
    assert (await post(stage.corral, b"x" * 70_000)).status == 413


@row(57)
async def the_address_for_apple_configurator(stage: Stage) -> None:
    for path in ("/MDMServiceConfig", "/MDMServiceConfig/anchors"):
        answer = await stage.corral.transport.request("GET", f"{stage.corral.url}{path}", trust=stage.corral.trust)
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")


@row(59)
async def the_web_view_of_an_admitted_device(stage: Stage) -> None:
    at = stage.accounts
    device = at.corral.device()
    await rule(at.corral, device, do="admit")
    async with at.client() as client:
        answer = await client.get(WEB, headers=_header(stage, device))
    assert answer.status_code == 302
    assert answer.headers["location"].startswith(at.provider.issuer)
    host, profile = await at.browser().open(f"{at.corral.url}{WEB}", _header(stage, device))
    assert (host, profile.status, profile.headers["content-type"]) == ("127.0.0.1", 200, PROFILE)


@row(60)
async def the_web_view_of_others(stage: Stage) -> None:
    at = stage.accounts
    stranger, old = at.corral.device(), at.corral.device(os_version="17.6.1")
    await rule(at.corral, old, do="require-update", minimum="18.2")
    async with at.client() as client:
        page = await client.get(WEB, headers=_header(stage, stranger))
        update = await client.get(WEB, headers=_header(stage, old))
    assert (page.status_code, page.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "not assigned" in page.text
    assert (update.status_code, update.json()["code"]) == (403, "com.apple.softwareupdate.required")


@row(61)
async def the_web_view_of_nobody(stage: Stage) -> None:
    async with stage.accounts.client() as client:
        for headers in ({}, {HEADER: "bm90aGluZw=="}):
            answer = await client.get(WEB, headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")


def _header(stage: Stage, device: Device) -> dict[str, str]:
    message = signed_machine_info(made(stage.accounts.corral, device), machine_info(device.facts))
    return {HEADER: base64.b64encode(message).decode()}
