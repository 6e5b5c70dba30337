"""Rows 28 to 36: the command channel, and what can happen anywhere."""

import asyncio

import apsw

from corral.apple.plist import parse_dict
from corral.simulator.device import Device
from corral.simulator.transport import Response
from corral.store.sqlite.connecting import typed
from e2e.answers.register import Stage, row
from e2e.installation import Installation, until
from e2e.messages import authenticate, check_in, draft, enrollment_of, report, update_token
from e2e.wire import connect, raw


def is_nothing(answer: Response) -> bool:
    return (answer.status, answer.body) == (200, b"")


BROKEN = b"Name\0 with &#0; and \xff"


@row(28)
async def a_command_is_next(stage: Stage) -> None:
    device = await stage.corral.enrolled()
    first = await stage.corral.send(device, "ProfileList")
    second = await stage.corral.send(device, "CertificateList")
    answer = await report(device)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/xml; charset=UTF-8")
    assert parse_dict(answer.body)["CommandUUID"] == first
    answer = await report(device, "Acknowledged", CommandUUID=first)
    assert parse_dict(answer.body) == {"CommandUUID": second, "Command": {"RequestType": "CertificateList"}}


@row(29)
async def nothing_is_next(stage: Stage) -> None:
    device = await stage.corral.enrolled()
    for answer in (
        await report(device),
        await report(device, "Acknowledged", CommandUUID="never sent"),
        await report(device, "NotNow", CommandUUID="never sent"),
        await report(device, "Error", CommandUUID="never sent", ErrorChain=[]),
    ):
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["content-length"] == "0"


@row(30)
async def a_report_after_the_end(stage: Stage) -> None:
    device = await stage.corral.enrolled()
    queued = await stage.corral.send(device, "ProfileList")
    enrollment = enrollment_of(device)
    await device.leave()
    for answer in (
        await report(device, enrollment=enrollment),
        await report(device, "Acknowledged", enrollment, CommandUUID=queued),
    ):
        assert (answer.status, answer.body) == (200, b"")


@row(31)
async def an_expired_certificate(stage: Stage) -> None:
    at = stage.later
    device = await at.enrolled()
    await at.send(device, "ProfileList")
    await at.restart(days_ahead=366)
    assert is_nothing(await report(device))
    asked = await at.post(f"/devices/{device.facts.udid}/renew")
    answer = await report(device)
    assert parse_dict(answer.body)["CommandUUID"] == asked["command_uuid"]
    assert is_nothing(await report(device, "Error", CommandUUID=asked["command_uuid"], ErrorChain=[]))
    await at.post(f"/devices/{device.facts.udid}/end")
    command = parse_dict((await report(device)).body)["Command"]
    assert command == {"RequestType": "RemoveProfile", "Identifier": enrollment_of(device).profile.identifier}


@row(32)
async def a_report_that_cannot_be_read(stage: Stage) -> None:
    device = await stage.corral.enrolled()
    sent = await stage.corral.send(device, "ProfileList")
    enrollment = enrollment_of(device)
    body = enrollment.device.message(Status="Acknowledged", CommandUUID=sent, Name="NAME").replace(b"NAME", BROKEN)
    answer = await device.voice.report(enrollment, body)
    assert (answer.status, answer.body) == (200, b"")
    kept = await stage.corral.outcome(sent)
    assert kept["result"]["unreadable"] is True
    raw = await stage.corral.api.get(f"/commands/{sent}/result", params={"device": device.facts.udid})
    assert raw.content == body


@row(33)
async def a_report_of_nobody(stage: Stage) -> None:
    device = await stage.corral.enrolled()
    enrollment = enrollment_of(device)
    for body in (
        b"",
        b"bplist00" + b"\xff" * 40,
        enrollment.device.message(),
        enrollment.device.message(Status="Surrendered"),
        enrollment.device.message(Status="Acknowledged"),
        enrollment.device.idle.replace(b"UDID", b"UUID"),
    ):
        answer = await device.voice.report(enrollment, body)
        assert answer.status == 400
        assert answer.body.startswith(b"Report not understood: ")


@row(34)
async def a_body_that_is_too_large(stage: Stage) -> None:
    device = await stage.narrow.enrolled()
    for path in ("/mdm", "/checkin"):
        answer = await _put(stage.narrow, path, bytes(64 * 1024 + 1))
        assert answer.status == 413
    answer = await report(device, "Acknowledged", CommandUUID="x", Filler="x" * 60_000)
    assert answer.status == 200
    assert (await _put(stage.corral, "/scep?operation=PKIOperation", bytes(64 * 1024 + 1), "POST")).status == 413


@row(35)
async def headers_that_are_too_large(stage: Stage) -> None:
    long = b"X-Filler: " + b"x" * 70_000 + b"\r\n\r\n"
    for request in (
        b"PUT /mdm HTTP/1.1\r\nHost: x\r\n" + long,
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PUT /mdm HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(70)) + b"\r\n",
    ):
        # What is not read any more may take the answer away with it when the connection closes.
        assert (await raw(stage.corral, request)).status in (0, 400)
    for request in (b"no HTTP at all\r\n\r\n", b"\x16\x03\x01\x00\x05hello\r\n\r\n"):
        assert (await raw(stage.corral, request)).status == 400


@row(36)
async def overload(stage: Stage) -> None:
    device = await stage.narrow.enrolled()
    reader, writer = await connect(stage.narrow)
    writer.write(b"PUT /mdm HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
    await writer.drain()
    await asyncio.sleep(0.1)
    for answer in (await report(device), await check_in(device, "GetBootstrapToken")):
        assert answer.status == 503
        assert answer.headers["retry-after"] == "30"
    writer.close()
    await reader.read()
    await until(lambda: _is_taken(device))
    database = apsw.Connection(str(stage.narrow.data / "corral.db"))
    typed(database).execute("BEGIN IMMEDIATE")
    assert (await report(device)).status == 200, "a poll only reads"
    locked_out = await update_token(device)
    assert (locked_out.status, locked_out.headers["retry-after"]) == (503, "30")
    typed(database).execute("ROLLBACK")
    database.close()
    assert (await update_token(device)).status == 200


@row(49)
async def a_report_under_a_replaced_certificate(stage: Stage) -> None:
    device = await stage.corral.enrolled()
    before = enrollment_of(device)
    await stage.corral.post(f"/devices/{device.facts.udid}/renew")
    await device.poll()
    await stage.corral.send(device, "ProfileList")
    assert is_nothing(await report(device, enrollment=before))
    assert is_nothing(await report(device, "Acknowledged", before, CommandUUID="x"))


@row(50)
async def health(stage: Stage) -> None:
    """What `/readyz` says without a database is in test_app.py."""
    for path in ("/livez", "/readyz"):
        answer = await stage.corral.transport.request("GET", stage.corral.url + path, trust=stage.corral.trust)
        assert (answer.status, answer.body) == (200, b"ok\n")


@row(51)
async def a_body_that_dawdles(stage: Stage) -> None:
    reader, writer = await connect(stage.narrow)
    writer.write(b"PUT /mdm HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
    await asyncio.sleep(10.3)
    device = stage.narrow.device()
    fresh = await draft(device, await stage.narrow.link())
    assert (await authenticate(device, fresh)).status == 200
    cut_off = await reader.read()
    assert cut_off.startswith(b"HTTP/1.1 408 ")
    writer.close()


@row(52)
async def another_address(stage: Stage) -> None:
    for path in ("/", "/mdm/", "/MDM", "/enroll", "/favicon.ico"):
        for method in ("GET", "PUT"):
            assert (await _put(stage.corral, path, b"", method)).status == 404


async def _put(at: Installation, path: str, body: bytes, method: str = "PUT") -> Response:
    return await at.transport.request(method, f"{at.url}{path}", body=body, trust=at.trust)


async def _is_taken(device: Device) -> bool:
    """Whether there is room for its poll: it takes the service a moment to notice that somebody hung up."""
    answer = await report(device)
    assert answer.status in (200, 503)
    return answer.status == 200
