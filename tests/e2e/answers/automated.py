"""Rows 53 to 57: Automated Device Enrollment, before there is a connection."""

import json
from dataclasses import replace

from corral.simulator.factory import machine_info
from e2e.answers.register import Stage, row
from e2e.factory import ask, post, rule

PROFILE = "application/x-apple-aspen-config"


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
