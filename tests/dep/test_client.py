"""The client against the stand-in: sessions, cursors, every error, and waiting when asked to."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from corral.dep.client import DepClient, DepLine
from corral.dep.failure import (
    AccessDenied,
    CredentialsRefused,
    CursorExhausted,
    CursorExpired,
    DepError,
    Failure,
    RequestInvalid,
    TermsNotSigned,
    ThingNotFound,
    Throttled,
    Unavailable,
    Unreadable,
)
from corral.dep.profile import read_profile
from corral.simulator.ade.service import SESSION_CALLS, Fault
from dep.conftest import Stage

PROFILE = read_profile({"profile_name": "Plain", "url": "https://mdm.example.org/enroll/automated"})


async def failure(stage: Stage) -> Failure:
    with pytest.raises(DepError) as caught:
        await stage.line.account()
    return caught.value.failure


async def test_an_account_is_read(stage: Stage) -> None:
    account = await stage.line.account()
    assert (account.server_name, account.org_name, account.server_uuid) == ("first", "Example", stage.server.uuid)


async def test_a_session_is_opened_once_however_many_call(stage: Stage) -> None:
    await asyncio.gather(*(stage.line.account() for _ in range(5)))
    assert stage.service.tally["GET /session"] == 1


async def test_a_lost_session_is_replaced_and_the_call_repeated_once(stage: Stage) -> None:
    await stage.line.account()
    stage.service.expire_sessions()
    await asyncio.gather(*(stage.line.account() for _ in range(3)))
    assert stage.service.tally["GET /session"] == 2
    stage.service.fail_next(Fault(401, "UNAUTHORIZED"), times=2)
    assert isinstance(await failure(stage), CredentialsRefused)


async def test_forbidden_alone_means_a_lost_session_too(stage: Stage) -> None:
    stage.service.fail_next(Fault(403, "FORBIDDEN"))
    await stage.line.account()
    assert stage.service.tally["GET /session"] == 2


async def test_a_newer_session_in_an_answer_is_used(stage: Stage) -> None:
    for _ in range(SESSION_CALLS + 2):
        await stage.line.account()
    assert stage.service.tally["GET /session"] == 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(403, "T_C_NOT_SIGNED"), TermsNotSigned),
        (Fault(403, "ACCESS_DENIED"), AccessDenied),
        (Fault(400, "EXPIRED_CURSOR"), CursorExpired),
        (Fault(400, "INVALID_CURSOR"), CursorExpired),
        (Fault(400, "EXHAUSTED_CURSOR"), CursorExhausted),
        (Fault(400, "MALFORMED_REQUEST_BODY"), RequestInvalid),
        (Fault(404, "PROFILE_NOT_FOUND"), ThingNotFound),
        (Fault(429), Throttled),
        (Fault(500), Unavailable),
        (Fault(503), Unavailable),
        (Fault(200, "no object"), Unreadable),
        (Fault(200, '{"org_name": "\\ud800\\u0041"}'), Unreadable),
        (Fault(200, '{"org_name": NaN}'), Unreadable),
        (Fault(503, retry_after="Mon, 01 Jan 99999999999 00:00:00 GMT"), Unavailable),
        (Fault(401, "UNAUTHORIZED", path="/session"), CredentialsRefused),
        (Fault(403, "T_C_NOT_SIGNED", path="/session"), TermsNotSigned),
        (Fault(200, path="/session"), Unreadable),
    ],
    ids=str,
)
async def test_every_error_is_told_apart(stage: Stage, fault: Fault, kind: type[Failure]) -> None:
    stage.service.fail_next(fault)
    assert isinstance(await failure(stage), kind)
    stage.service.tally.clear()
    if fault.status != 429:
        await stage.line.account()  # and nothing of it is left


async def test_retry_after_keeps_the_whole_line_quiet(stage: Stage) -> None:
    now = [1000.0]
    client = DepClient(stage.service.url, trust_pem=stage.apple.root_pem, clock=lambda: now[0])
    stage.service._clock = lambda: now[0]  # pyright: ignore[reportPrivateUsage] - both live in the same made-up time
    stage.server.expires_at = datetime.fromtimestamp(5000, UTC)
    line = client.line(stage.token)
    for status in (429, 503):
        stage.service.fail_next(Fault(status, retry_after="30"))
        with pytest.raises(DepError):
            await line.account()
        calls = stage.service.tally["GET /account"]
        with pytest.raises(DepError) as caught:
            await line.account()
        assert caught.value.failure == Throttled(30.0)
        assert stage.service.tally["GET /account"] == calls
        now[0] += 31
        await line.account()
    stage.service.fail_next(Fault(429, retry_after="Thu, 01 Jan 1970 00:20:00 GMT"))
    with pytest.raises(DepError) as caught:
        await line.account()
    assert caught.value.failure == Throttled(1200.0 - now[0])
    await client.close()


async def test_a_token_that_is_replaced_in_the_portal_is_refused(stage: Stage, pair: object) -> None:
    stage.server.secrets = type(stage.server.secrets)("CK_other", "b", "c", "d")
    assert isinstance(await failure(stage), CredentialsRefused)


async def test_a_clock_that_is_wrong_is_named(stage: Stage) -> None:
    client = DepClient(stage.service.url, trust_pem=stage.apple.root_pem, clock=lambda: 1000.0)
    with pytest.raises(DepError, match=r"timestamp_refused.*clock"):
        await client.line(stage.token).account()
    await client.close()


async def test_a_service_that_is_not_there_is_unavailable(stage: Stage) -> None:
    await stage.service.stop()
    client = DepClient(stage.service.url, trust_pem=stage.apple.root_pem)
    with pytest.raises(DepError) as caught:
        await client.line(stage.token).account()
    assert isinstance(caught.value.failure, Unavailable)
    await client.close()


async def test_a_service_under_another_authority_is_not_believed(stage: Stage) -> None:
    client = DepClient(stage.service.url)
    with pytest.raises(DepError) as caught:
        await client.line(stage.token).account()
    assert isinstance(caught.value.failure, Unavailable)
    assert stage.service.tally["GET /session"] == 0
    await client.close()


async def fetched(line: DepLine) -> tuple[list[str], str]:
    serials, cursor = list[str](), None
    while True:
        page = await line.fetch(cursor)
        serials += [each.serial_number for each in page.devices]
        cursor = page.cursor
        if not page.more_to_follow:
            return serials, cursor


async def test_devices_are_fetched_in_pages_and_then_synced(stage: Stage) -> None:
    for number in range(7):
        stage.server.add_device(f"S{number}")
    serials, cursor = await fetched(stage.line)
    assert serials == [f"S{number}" for number in range(7)]
    with pytest.raises(DepError) as caught:
        await stage.line.fetch(cursor)
    assert caught.value.failure == CursorExhausted()
    page = await stage.line.sync(cursor)
    assert (page.devices, page.cursor, page.more_to_follow) == ((), cursor, False)
    stage.server.add_device("NEW", asset_tag="42")
    stage.server.remove_device("S3")
    page = await stage.line.sync(cursor)
    assert [(each.serial_number, each.op_type) for each in page.devices] == [("NEW", "added"), ("S3", "deleted")]
    assert '"asset_tag":"42"' in page.devices[0].document
    stage.server.cursors[page.cursor].made_at -= timedelta(days=8)
    with pytest.raises(DepError) as caught:
        await stage.line.sync(page.cursor)
    assert isinstance(caught.value.failure, CursorExpired)


async def test_a_profile_is_defined_assigned_pushed_and_taken_away(stage: Stage) -> None:
    stage.server.add_device("S1")
    defined = await stage.line.define_profile(PROFILE)
    assert (await stage.line.profile(defined.profile_uuid))["profile_name"] == "Plain"
    assert (await stage.line.assign(defined.profile_uuid, ["S1", "S2"])).devices == {
        "S1": "SUCCESS",
        "S2": "NOT_ACCESSIBLE",
    }
    assert stage.service.configuration("S1") == PROFILE.document()
    assert stage.service.configuration("S2") is None
    known, unknown = await stage.line.details(["S1", "S2"])
    assert (known.profile_status, known.profile_uuid) == ("pushed", defined.profile_uuid)
    assert unknown.response_status == "NOT_FOUND"
    assert (await stage.line.unassign(["S1"])).devices == {"S1": "SUCCESS"}
    assert stage.service.configuration("S1") is None
    stage.server.outcomes["S1"] = ["THROTTLED"]
    again = await stage.line.assign(defined.profile_uuid, ["S1"])
    assert (again.devices, again.retry_after_seconds) == ({"S1": "THROTTLED"}, 1)
    with pytest.raises(DepError) as caught:
        await stage.line.assign("NOBODY", ["S1"])
    assert isinstance(caught.value.failure, ThingNotFound)


async def test_devices_are_locked_and_disowned(stage: Stage) -> None:
    stage.server.add_device("S1")
    assert await stage.line.activation_lock("S1", "escrow") == "SUCCESS"
    assert stage.server.locked == {"S1": "escrow"}
    assert (await stage.line.disown(["S1"])).devices == {"S1": "SUCCESS"}
    assert stage.server.disowned == {"S1"}


async def test_a_discovery_url_is_registered_and_forgotten(stage: Stage) -> None:
    await stage.line.register_discovery("https://mdm.example.org/.well-known/com.apple.remotemanagement")
    assert await stage.line.discovery() == stage.server.discovery
    await stage.line.forget_discovery()
    with pytest.raises(DepError):
        await stage.line.discovery()
    assert isinstance(await stage.line.beta_tokens(), dict)
