"""Rows 1 to 10: who asks, and who is told to leave."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from corral.pki.authority import create_authority, issue_identity
from corral.simulator.device import Device
from corral.simulator.identity import Identity
from corral.simulator.transport import Response
from e2e.answers.register import Stage, row
from e2e.installation import Installation
from e2e.messages import (
    authenticate,
    check_in,
    draft,
    enrollment_of,
    is_document,
    is_plain_403,
    report,
    update_token,
)

OLD_SYSTEM = "16.7.10"
"""The last one that does not know com.apple.unrecognized.device."""


async def bare(at: Installation, method: str, path: str, body: bytes = b"") -> Response:
    return await at.transport.request(method, f"{at.url}{path}", body=body, trust=at.trust)


@row(1)
async def a_browser(stage: Stage) -> None:
    for path in ("/mdm", "/checkin"):
        answer = await bare(stage.corral, "GET", path)
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.body.count(b"\n") == 1


@row(2)
async def another_method(stage: Stage) -> None:
    for path in ("/mdm", "/checkin"):
        for method in ("DELETE", "PATCH", "OPTIONS", "TRACE"):
            answer = await bare(stage.corral, method, path)
            assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, PUT, POST")


@row(3)
async def no_signature(stage: Stage) -> None:
    device = await stage.corral.enrolled()
    enrollment = enrollment_of(device)
    idle = enrollment.device.idle
    now = datetime.now(UTC)
    other = enrollment.identity.prove(device.behaviour.signature, idle + b" ", now, signs_time=True)
    for path in ("/mdm", "/checkin"):
        for headers in ((), (("Mdm-Signature", "bm90aGluZw=="),), (*other, *other), other):
            answer = await stage.corral.transport.request(
                "PUT", f"{stage.corral.url}{path}", headers=headers, body=idle, trust=stage.corral.trust
            )
            assert answer.status == 400
            assert answer.body.startswith(b"Not identified: ")
            assert answer.body.count(b"\n") == 1


@row(4)
async def an_unknown_authority(stage: Stage) -> None:
    device = await stage.corral.enrolled()
    key = await device.world.keys.take()
    now = datetime.now(UTC)
    authority = await asyncio.to_thread(create_authority, "Nobody", now, key=key)
    forged = issue_identity(
        authority,
        key.public_key(),
        common_name="Device",
        connection=(await stage.corral.life(device))["id"],
        not_before=now - timedelta(days=1),
        not_after=now + timedelta(days=1),
    )
    device.enrollment = replace(enrollment_of(device), identity=Identity(forged, key))
    for answer in (await report(device), await check_in(device, "GetBootstrapToken"), await authenticate(device)):
        assert answer.status == 400
        assert b"authority" in answer.body


@row(5)
async def bound_to_nothing(stage: Stage) -> None:
    device = stage.corral.device()
    fresh = await draft(device, await stage.corral.link())
    assert (await report(device, enrollment=fresh)).status == 400
    assert (await update_token(device, fresh)).status == 400
    assert (await check_in(device, "CheckOut", fresh)).status == 400
    assert (await check_in(device, "SetBootstrapToken", fresh, BootstrapToken=b"x")).status == 400
    assert (await authenticate(device, fresh)).status == 200


@row(6)
async def bound_to_another(stage: Stage) -> None:
    owner, thief = await stage.corral.enrolled(), stage.corral.device()
    stolen = enrollment_of(owner).on(thief.facts.udid)
    for answer in (
        await report(thief, enrollment=stolen),
        await authenticate(thief, stolen),
        await update_token(thief, stolen),
        await check_in(thief, "CheckOut", stolen),
    ):
        assert is_plain_403(answer)
    assert (await report(owner)).status == 200


@row(7)
async def replaced_by_another_key(stage: Stage) -> None:
    device, link = stage.corral.device(), await stage.corral.link()
    first = await draft(device, link)
    assert (await authenticate(device, first)).status == 200
    assert device.cached_profile is not None
    second = await draft(device, device.cached_profile)
    assert is_plain_403(await authenticate(device, first))
    assert (await authenticate(device, second)).status == 200
    assert is_plain_403(await update_token(device, first))


@row(8)
async def told_to_leave(stage: Stage) -> None:
    at = stage.corral
    for system, leaves in ((OLD_SYSTEM, _is_bare_401), ("18.2", is_document)):
        blocked = await at.enrolled(os_version=system)
        await at.post(f"/devices/{blocked.facts.udid}/block")
        assert leaves(await report(blocked))
        assert leaves(await check_in(blocked, "GetBootstrapToken"))
        assert (await check_in(blocked, "CheckOut")).status == 200
        late = await at.enrolled(os_version=system)
        await at.post(f"/devices/{late.facts.udid}/end", deadline_in=0)
        assert leaves(await report(late))
        assert leaves(await report(late)), "ended by a person: until it obeys"


@row(9)
async def a_poll_with_the_breaker_open(stage: Stage) -> None:
    polling, _ = await _two_blocked(stage.refusing)
    answer = await report(polling)
    assert (answer.status, answer.body) == (200, b"")


@row(10)
async def a_check_in_with_the_breaker_open(stage: Stage) -> None:
    _, checking = await _two_blocked(stage.refusing)
    answer = await update_token(checking)
    assert answer.status == 503
    assert answer.headers["retry-after"] == "30"


async def _two_blocked(at: Installation) -> tuple[Device, Device]:
    """Devices that would be told to leave if the breaker let them; the limit of `refusing` is used up here."""
    devices = [await at.enrolled() for _ in range(2)]
    for device in devices:
        await at.post(f"/devices/{device.facts.udid}/block")
    while not (await at.get("/breaker"))["open"]:
        spent = await at.enrolled()
        await at.post(f"/devices/{spent.facts.udid}/block")
        await report(spent)
    return devices[0], devices[1]


def _is_bare_401(answer: Response) -> bool:
    return answer.status == 401 and "www-authenticate" not in answer.headers
