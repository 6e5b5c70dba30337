"""Rows 11 to 27: check-in."""

import json
from dataclasses import replace

from corral.apple.plist import parse_dict
from corral.simulator.behaviour import User
from corral.simulator.device import Device
from corral.simulator.enrollment import new_magic, new_token, new_user_channel
from corral.simulator.facts import Model
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

ADA = User("ada", "Ada Lovelace", "0B5A9C0E-9F3B-4B64-8C6E-0C6E3F6D1A01")


def is_empty(answer: Response) -> bool:
    return (answer.status, answer.body) == (200, b"")


@row(11)
async def an_authenticate(stage: Stage) -> None:
    at, device = stage.corral, stage.corral.device()
    fresh = await draft(device, await at.link())
    assert is_empty(await authenticate(device, fresh))
    assert is_empty(await authenticate(device, fresh))
    assert is_empty(await update_token(device, fresh))
    assert is_empty(await authenticate(device, fresh))
    assert is_empty(await update_token(device, fresh))
    renewing = await at.enrolled()
    await at.post(f"/devices/{renewing.facts.udid}/renew")
    await renewing.poll()
    assert "connection.renewal-authenticated" in await at.kinds(renewing)


@row(12)
async def an_authenticate_that_nothing_admits(stage: Stage) -> None:
    at, device = stage.corral, stage.corral.device()
    made = await at.post("/links", serial_number="C02ANOTHER0")
    assert is_plain_403(await authenticate(device, await draft(device, made["url"])))
    withdrawn = await at.post("/links")
    fresh = await draft(device, withdrawn["url"])
    await at.delete(f"/links/{withdrawn['link']['id']}")
    assert is_plain_403(await authenticate(device, fresh))
    withdrawn = await at.post("/links")
    fresh = await draft(device, withdrawn["url"])
    assert (await authenticate(device, fresh)).status == 200
    await at.delete(f"/links/{withdrawn['link']['id']}")
    assert is_plain_403(await update_token(device, fresh))
    assert is_plain_403(await update_token(device, fresh))


@row(13)
async def a_token_update(stage: Stage) -> None:
    device = stage.corral.device()
    fresh = await draft(device, await stage.corral.link())
    assert (await authenticate(device, fresh)).status == 200
    assert is_empty(await update_token(device, fresh))
    assert is_empty(await update_token(device, fresh))


@row(14)
async def a_token_update_after_the_end(stage: Stage) -> None:
    device = await stage.corral.enrolled()
    await device.leave()
    assert is_empty(await update_token(device))
    assert (await stage.corral.life(device))["origin"] == "restored"


@row(15)
async def a_restore_that_is_refused(stage: Stage) -> None:
    at = stage.refusing
    if (await at.get("/breaker"))["open"]:
        await at.post("/breaker/close")
    over = await at.enrolled()
    await over.leave()
    assert is_document(await update_token(over))
    old = await at.enrolled(os_version="16.7.10")
    await old.leave()
    assert (await update_token(old)).status == 401
    living = await at.enrolled()
    enrollment = enrollment_of(living)
    enrollment.device.magic = new_magic()
    assert (await update_token(living)).status == 200, "the magic alone proves nothing"
    enrollment.device.magic, enrollment.device.token = new_magic(), new_token()
    assert is_document(await update_token(living))


@row(16)
async def a_check_out(stage: Stage) -> None:
    device = await stage.corral.enrolled()
    assert is_empty(await check_in(device, "CheckOut", Topic=enrollment_of(device).profile.topic))
    assert is_empty(await check_in(device, "CheckOut"))


@row(17)
async def a_bootstrap_token_given(stage: Stage) -> None:
    device = await stage.corral.enrolled(Model.MAC, "15.2")
    assert is_empty(await check_in(device, "SetBootstrapToken", BootstrapToken=b"first"))
    assert is_empty(await check_in(device, "SetBootstrapToken"))


@row(18)
async def a_bootstrap_token_asked_for(stage: Stage) -> None:
    device = await stage.corral.enrolled(Model.MAC, "15.2")
    answer = await check_in(device, "GetBootstrapToken")
    assert (answer.status, parse_dict(answer.body)) == (200, {})
    await check_in(device, "SetBootstrapToken", BootstrapToken=b"second")
    answer = await check_in(device, "GetBootstrapToken")
    assert answer.headers["content-type"] == "application/xml; charset=UTF-8"
    assert parse_dict(answer.body) == {"BootstrapToken": b"second"}


@row(19)
async def a_token_of_a_service(stage: Stage) -> None:
    device = await stage.corral.enrolled()
    answer = await check_in(device, "GetToken", TokenServiceType="com.apple.maid")
    assert answer.status == 400
    assert b"com.apple.maid" in answer.body
    assert (await check_in(device, "GetToken", TokenServiceType="com.apple.watch.pairing")).status == 400


@row(20)
async def declarations(stage: Stage) -> None:
    device = await stage.corral.enrolled()
    tokens = await check_in(device, "DeclarativeManagement", Endpoint="tokens")
    items = await check_in(device, "DeclarativeManagement", Endpoint="declaration-items")
    for answer in (tokens, items):
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    shown = json.loads(items.body)
    assert shown["Declarations"] == {"Activations": [], "Assets": [], "Configurations": [], "Management": []}
    assert json.loads(tokens.body)["SyncTokens"]["DeclarationsToken"] == shown["DeclarationsToken"]


@row(21)
async def one_declaration(stage: Stage) -> None:
    device = await stage.corral.enrolled()
    for endpoint in ("declaration/configuration/com.example.one", "declaration/x", "declaration/a/b/c"):
        assert (await check_in(device, "DeclarativeManagement", Endpoint=endpoint)).status == 404


@row(22)
async def a_status_report(stage: Stage) -> None:
    device = await stage.corral.enrolled()
    for data in (b'{"StatusItems": {}}', b"no JSON", b""):
        assert is_empty(await check_in(device, "DeclarativeManagement", Endpoint="status", Data=data))


@row(23)
async def return_to_service(stage: Stage) -> None:
    answer = await check_in(await stage.corral.enrolled(), "ReturnToService")
    assert (answer.status, parse_dict(answer.body)) == (200, {"ReturnToService": {"Enabled": False}})


@row(24)
async def a_network_user(stage: Stage) -> None:
    assert (await _user_says(stage.corral, "UserAuthenticate")).status == 410
    asked = await _user_says(stage.refusing, "UserAuthenticate")
    assert (asked.status, parse_dict(asked.body)) == (200, {"DigestChallenge": ""})
    replied = await _user_says(stage.refusing, "UserAuthenticate", DigestResponse="Digest username=x")
    assert (replied.status, parse_dict(replied.body)) == (200, {"AuthToken": ""})


@row(25)
async def a_user_who_is_not_managed(stage: Stage) -> None:
    mac = await _mac(stage.narrow)
    assert (await update_token(mac, channel=new_user_channel(mac.facts, ADA))).status == 410
    assert (await update_token(mac)).status == 200
    mac = await _mac(stage.accounts.corral)
    user = new_user_channel(mac.facts, ADA)
    assert (await update_token(mac, channel=user)).status == 200
    user.show("forged")
    assert (await update_token(mac, channel=user)).status == 410


@row(26)
async def a_user_without_a_device(stage: Stage) -> None:
    mac = await _mac(stage.corral)
    enrollment = enrollment_of(mac)
    await mac.leave()
    answer = await update_token(mac, enrollment, new_user_channel(mac.facts, ADA))
    assert answer.status == 400
    assert b"not enrolled" in answer.body


@row(27)
async def an_unknown_message(stage: Stage) -> None:
    device = await stage.corral.enrolled()
    enrollment = enrollment_of(device)
    wrong = (
        enrollment.device.message(MessageType="Surrender"),
        enrollment.device.message(MessageType="TokenUpdate", Topic="x", Token=b"no magic"),
        enrollment.device.message(MessageType=["Authenticate"]),
        enrollment.device.message(Status="Idle"),
        b"",
        b"\xff\xfe garbage",
        b"<plist><dict><key>MessageType</key>",
    )
    for body in wrong:
        answer = await device.voice.check_in(enrollment, body)
        assert answer.status == 400
        assert answer.body.startswith(b"Check-in message not understood: ")
        assert answer.body.count(b"\n") == 1
    nobody = replace(enrollment, device=enrollment.device.renamed(""))
    assert (await check_in(device, "CheckOut", nobody)).status == 400


@row(46)
async def a_service_after_the_end(stage: Stage) -> None:
    at = stage.corral
    over, renewed = await at.enrolled(), await at.enrolled()
    await over.leave()
    before = enrollment_of(renewed)
    await at.post(f"/devices/{renewed.facts.udid}/renew")
    await renewed.poll()
    for device, used in ((over, enrollment_of(over)), (renewed, before)):
        assert (await check_in(device, "GetBootstrapToken", used)).status == 400
        assert (await check_in(device, "SetBootstrapToken", used, BootstrapToken=b"x")).status == 400
        assert (await check_in(device, "GetToken", used, TokenServiceType="com.apple.maid")).status == 400
        assert (await check_in(device, "DeclarativeManagement", used, Endpoint="tokens")).status == 400
        assert (await check_in(device, "ReturnToService", used)).status == 400
    assert is_empty(await report(renewed, enrollment=before))


@row(47)
async def a_way_around_the_end(stage: Stage) -> None:
    at = stage.corral
    device = await at.enrolled()
    older = enrollment_of(device)
    await device.leave()
    await device.enroll(await at.link())
    await at.post(f"/devices/{device.facts.udid}/end", deadline_in=0)
    assert is_plain_403(await update_token(device, older))


@row(48)
async def a_check_in_under_an_expired_certificate(stage: Stage) -> None:
    device = await stage.later.enrolled(Model.MAC, "15.2")
    await stage.later.restart(days_ahead=800)
    assert (await check_in(device, "GetBootstrapToken")).status == 400
    assert (await check_in(device, "DeclarativeManagement", Endpoint="tokens")).status == 400
    assert is_empty(await check_in(device, "SetBootstrapToken", BootstrapToken=b"x"))
    assert is_empty(await authenticate(device))
    assert is_empty(await update_token(device))
    assert is_empty(await check_in(device, "CheckOut"))


async def _mac(at: Installation) -> Device:
    return await at.enrolled(Model.MAC, "15.2")


async def _user_says(at: Installation, kind: str, **keys: str) -> Response:
    mac = await _mac(at)
    return await mac.voice.check_in(
        enrollment_of(mac), new_user_channel(mac.facts, ADA).message(MessageType=kind, **keys)
    )
