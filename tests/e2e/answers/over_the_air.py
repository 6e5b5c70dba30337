"""Rows 62 to 66: over-the-air enrollment, before there is a connection."""

from corral.apple.machine_info import write_machine_info
from corral.apple.plist import parse_dict
from corral.simulator.device import Device
from corral.simulator.fetching import open_profile
from corral.simulator.over_the_air import First, certified, sign
from corral.simulator.transport import Response
from e2e.answers.register import Stage, row
from e2e.factory import begin, made, post, rule

PROFILE = "application/x-apple-aspen-config"


@row(62)
async def the_first_profile(stage: Stage) -> None:
    at = stage.corral
    url = f"{await at.link()}/over-the-air"
    answer = await at.transport.request("GET", url, trust=at.trust)
    assert (answer.status, answer.headers["content-type"]) == (200, PROFILE)
    assert parse_dict(open_profile(answer.body).content)["PayloadType"] == "Profile Service"


@row(63)
async def the_second_profile(stage: Stage) -> None:
    device = stage.corral.device()
    answer = await _asked(stage, device, await begin(stage.corral, device))
    assert (answer.status, answer.headers["content-type"]) == (200, PROFILE)
    assert b"com.apple.mdm" not in open_profile(answer.body).content


@row(64)
async def the_last_profile(stage: Stage) -> None:
    device = stage.corral.device()
    first = await begin(stage.corral, device)
    identity = await certified(device, (await _asked(stage, device, first)).body)
    assert identity is not None
    message = sign(identity, write_machine_info(first.attributes(device)))
    answer = await post(stage.corral, message, first.url.removeprefix(stage.corral.url))
    assert (answer.status, answer.headers["content-type"]) == (200, PROFILE)
    assert b"EncryptedPayloadContent" in open_profile(answer.body).content


@row(65)
async def a_device_that_is_refused(stage: Stage) -> None:
    at = stage.corral
    unwanted, other = at.device(), at.device()
    await rule(at, unwanted, do="decline", message="Not this one.")
    assert (await _asked(stage, unwanted, await begin(at, unwanted))).body == b"Not this one.\n"
    answer = await _asked(stage, other, await begin(at, other, serial_number="C0ANOTHER"))
    assert (answer.status, answer.headers["content-type"]) == (403, "text/plain; charset=utf-8")


@row(66)
async def what_nobody_signed_for_this(stage: Stage) -> None:
    at = stage.corral
    device = at.device()
    first, other = await begin(at, device), await begin(at, device)
    path = first.url.removeprefix(at.url)
    foreign = made(at, device).sign(write_machine_info(other.attributes(device)))
    for body in (b"", b"no message", foreign):
        assert (await post(at, body, path)).status == 400
    assert (await post(at, b"x" * 70_000, path)).status == 413


async def _asked(stage: Stage, device: Device, first: First) -> Response:
    message = made(stage.corral, device).sign(write_machine_info(first.attributes(device)))
    return await post(stage.corral, message, first.url.removeprefix(stage.corral.url))
