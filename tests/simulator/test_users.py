"""Users log in and out as Apple's devices let them, and what a service hears of it."""

import pytest

from corral.apple.plist import dump
from corral.simulator.behaviour import User
from corral.simulator.facts import Model
from corral.simulator.speaking import Accepted, Failed, Unmanaged
from corral.simulator.users import NobodyLogsIn, create_account, log_in, log_out, respond

from .conftest import Stage

NET = User("net", "Network User", "0B5A9C0E-9F3B-4B64-8C6E-0C6E3F6D1A02", password="secret")
ADA = User("ada@example.com", "Ada")
PLIST = "application/xml"


async def test_a_user_who_logs_in_is_held_until_the_service_has_nothing_more(stage: Stage) -> None:
    mac = await stage.enrolled(Model.MAC, "15.2")
    stage.service.queue("ProfileList")
    assert await log_in(mac, User("ada", "Ada")) == Accepted()
    assert stage.service.kinds() == ["TokenUpdate", "Idle", "Acknowledged"]
    assert stage.service.heard[0].keys["NotOnConsole"] is False
    assert stage.service.heard[1].keys["NeedSyncResponse"] is True
    channel = mac.channel(f"{stage.service.heard[0].keys['UserID']}ada")
    assert channel is not None
    await mac.poll(channel.user_id)
    assert "NeedSyncResponse" not in stage.service.heard[-1].keys, "he is in"


async def test_before_there_is_an_account_everything_gets_not_now_and_comes_again_at_the_login(stage: Stage) -> None:
    mac = await stage.enrolled(Model.MAC, "15.2")
    ada = User("ada", "Ada")
    stage.service.queue("ProfileList")
    assert await create_account(mac, ada) == Accepted()
    assert stage.service.kinds() == ["TokenUpdate", "Idle", "NotNow"]
    assert stage.service.heard[1].keys["UserConfiguration"] is True
    stage.service.heard.clear()
    assert await log_in(mac, ada) == Accepted()
    assert stage.service.kinds() == ["TokenUpdate", "Idle", "Acknowledged"]
    assert mac.enrollment is not None
    assert len(mac.enrollment.users) == 1


async def test_a_network_user_proves_the_password_and_shows_the_token_from_then_on(stage: Stage) -> None:
    mac = await stage.enrolled(Model.MAC, "15.2")
    challenge = 'Digest nonce="n-1",realm="school"'
    for reply in ({"DigestChallenge": challenge}, {"AuthToken": "T"}):
        stage.service.refuse("UserAuthenticate", 200, dump(dict(reply)), PLIST)
    assert await log_in(mac, NET) == Accepted()
    first, second, *others = stage.service.heard
    assert "DigestResponse" not in first.keys
    assert second.keys["DigestResponse"] == respond(challenge, NET)
    assert "secret" not in str(second.keys)
    assert [each.keys.get("AuthToken") for each in others] == ["T", "T"]


async def test_without_a_challenge_there_is_nothing_to_prove(stage: Stage) -> None:
    mac = await stage.enrolled(Model.MAC, "15.2")
    stage.service.refuse("UserAuthenticate", 200, dump({"DigestChallenge": ""}), PLIST)
    assert await log_in(mac, NET) == Accepted()
    assert stage.service.kinds() == ["UserAuthenticate", "TokenUpdate", "Idle"]
    assert "AuthToken" not in stage.service.heard[-1].keys


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ([(410, b"")], Unmanaged()),
        ([(200, dump({"DigestChallenge": "Digest x"})), (200, dump({"AuthToken": ""}))], Unmanaged()),
        ([(200, dump({}))], Failed("UserAuthenticate was answered without a DigestChallenge")),
        ([(200, dump({"DigestChallenge": "x"})), (200, dump({}))], Failed),
        ([(200, b"no plist")], Failed),
    ],
)
async def test_who_is_not_taken_is_silent(stage: Stage, answers: list[tuple[int, bytes]], verdict: object) -> None:
    mac = await stage.enrolled(Model.MAC, "15.2")
    for status, body in answers:
        stage.service.refuse("UserAuthenticate", status, body, PLIST)
    told = await log_in(mac, NET)
    assert isinstance(told, verdict) if isinstance(verdict, type) else told == verdict
    assert set(stage.service.kinds()) == {"UserAuthenticate"}
    assert mac.enrollment is not None
    assert mac.enrollment.users == ()


async def test_users_of_a_shared_ipad_come_and_go(stage: Stage) -> None:
    ipad = await stage.enrolled(Model.IPAD, "18.2", supervised=True)
    assert await log_in(ipad, ADA) == Accepted()
    told = stage.service.of("TokenUpdate")[-1].keys
    assert (told["UserID"], told["UserShortName"]) == ("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", ADA.short_name)
    assert told["AwaitingConfiguration"] is False
    assert ipad.enrollment is not None
    (channel,) = ipad.enrollment.users
    log_out(ipad, ADA)
    assert ipad.enrollment.users == ()
    assert not stage.push.push(channel.token, channel.magic)
    log_out(ipad, ADA)


async def test_a_user_in_setup_assistant_waits_for_user_configured(stage: Stage) -> None:
    ipad = await stage.enrolled(Model.IPAD, "18.2", supervised=True)
    eve = User("eve@example.com", "Eve", awaits_configuration=True)
    stage.service.queue("UserConfigured")
    stage.service.queue("UserConfigured")
    assert await log_in(ipad, eve) == Accepted()
    assert stage.service.heard[0].keys["AwaitingConfiguration"] is True
    assert stage.service.kinds() == ["TokenUpdate", "Idle", "Acknowledged", "Error"], "one is enough"
    assert ipad.enrollment is not None
    assert not ipad.enrollment.users[0].is_awaiting


async def test_nobody_logs_in_where_there_are_no_users(stage: Stage) -> None:
    with pytest.raises(NobodyLogsIn, match="no users"):
        await log_in(await stage.enrolled(Model.APPLE_TV, None), ADA)
    with pytest.raises(NobodyLogsIn, match="not enrolled"):
        await log_in(stage.device(Model.MAC, None), ADA)
