"""People at a device: who is managed, who proves a password, who is held until everything is there.

Apple: "Managing devices and users in macOS", "Enabling network and mobile user logins", "User Configured".
"""

import hashlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from corral.apple.plist import parse_dict
from corral.simulator.behaviour import User
from corral.simulator.device import Device
from corral.simulator.facts import Model
from corral.simulator.speaking import Accepted, Unmanaged
from corral.simulator.users import create_account, log_in, log_out
from e2e.conftest import DATABASES, Start, over_each
from e2e.installation import Installation, Template, installation, until
from e2e.messages import enrollment_of, update_token

corral = pytest.fixture(params=DATABASES)(over_each)

NET = User("net", "Network User", "0B5A9C0E-9F3B-4B64-8C6E-0C6E3F6D1A02", password="open sesame")
EVE = User("eve@example.com", "Eve", awaits_configuration=True)
BOB = User("bob@example.com", "Bob")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def school(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Installation]:
    """Network users prove their passwords here; setup commands have a second."""
    folder: Path = tmp_path_factory.mktemp("school")
    users = folder / "users"
    ha1 = hashlib.md5(b"net:school:open sesame", usedforsecurity=False).hexdigest()
    users.write_text(f"net:school:{ha1}\n")
    digest = {"CORRAL_USER_AUTHENTICATION": "digest", "CORRAL_USER_FILE": str(users), "CORRAL_SETUP_TIME": "1s"}
    async with installation(template, folder, digest) as made:
        yield made


async def done(at: Installation, uuid: str) -> None:
    async def is_done() -> bool:
        return (await at.outcome(uuid))["delivery"]["state"] == "acknowledged"

    await until(is_done)


async def users_of(at: Installation, device: Device) -> dict[str, Any]:
    channels = (await at.get(f"/devices/{device.facts.udid}"))["channels"]
    return {each["short_name"]: each for each in channels if each["user_id"]}


async def test_a_network_user_who_proves_the_password_is_managed(school: Installation) -> None:
    mac = await school.enrolled(Model.MAC, "15.2", quiet=False)
    assert await log_in(mac, NET) == Accepted()
    await done(school, await school.send(mac, "ProfileList", user=NET.guid))
    assert "user.authenticated" in await school.kinds(mac)
    assert (await users_of(school, mac))["net"]["kind"] == "user"
    assert mac.complaints == []


async def test_a_network_user_with_a_wrong_password_is_not_and_the_device_is_not_disturbed(
    school: Installation,
) -> None:
    mac = await school.enrolled(Model.MAC, "15.2", quiet=False)
    assert await log_in(mac, replace(NET, password="guessed")) == Unmanaged()
    assert await users_of(school, mac) == {}
    assert "user.refused" in await school.kinds(mac)
    await done(school, await school.send(mac, "ProfileList"))
    assert "open sesame" not in school.log()


async def test_the_token_of_one_user_is_no_good_for_another(school: Installation) -> None:
    mac = await school.enrolled(Model.MAC, "15.2")
    assert await log_in(mac, NET) == Accepted()
    net = enrollment_of(mac).users[0]
    other = replace(net, names={**net.names, "UserID": "0B5A9C0E-9F3B-4B64-8C6E-0C6E3F6D1A03", "UserShortName": "eve"})
    assert (await update_token(mac, channel=other)).status == 410
    assert (await update_token(mac, channel=net)).status == 200
    assert set(await users_of(school, mac)) == {"net"}


async def test_by_default_network_users_are_not_managed_and_ask_again_at_the_next_login(corral: Installation) -> None:
    mac = await corral.enrolled(Model.MAC, "15.2")
    for _ in range(2):
        assert await log_in(mac, NET) == Unmanaged()
    assert await users_of(corral, mac) == {}
    assert (await corral.life(mac))["phase"] == "connected"


async def test_with_an_empty_challenge_network_users_are_managed_without_a_password(start: Start) -> None:
    at = await start({"CORRAL_USER_AUTHENTICATION": "empty-challenge"})
    mac = await at.enrolled(Model.MAC, "15.2", quiet=False)
    assert await log_in(mac, replace(NET, password="nobody asks")) == Accepted()
    await done(at, await at.send(mac, "ProfileList", user=NET.guid))
    assert set(await users_of(at, mac)) == {"net"}


async def test_a_held_login_gets_everything_in_one_session(corral: Installation) -> None:
    mac = await corral.enrolled(Model.MAC, "15.2")
    ada = User("ada", "Ada", "0B5A9C0E-9F3B-4B64-8C6E-0C6E3F6D1A04")
    assert await log_in(mac, ada) == Accepted()
    log_out(mac, ada)
    queued = [await corral.send(mac, name, user=ada.guid) for name in ("ProfileList", "CertificateList")]
    assert await log_in(mac, ada) == Accepted()
    for uuid in queued:
        assert (await corral.outcome(uuid))["delivery"]["state"] == "acknowledged", "before the login went on"
    assert mac.complaints == []


async def test_what_setup_assistant_has_put_off_comes_with_the_first_login(corral: Installation) -> None:
    mac = await corral.enrolled(Model.MAC, "15.2")
    ada = User("ada", "Ada", "0B5A9C0E-9F3B-4B64-8C6E-0C6E3F6D1A05")
    assert await create_account(mac, ada) == Accepted()
    queued = [await corral.send(mac, name, user=ada.guid) for name in ("ProfileList", "CertificateList")]
    assert await create_account(mac, ada) == Accepted()
    for uuid in queued:
        shown = (await corral.outcome(uuid))["delivery"]
        assert (shown["state"], shown["not_now_count"]) == ("open", 1)
    assert await log_in(mac, ada) == Accepted()
    for uuid in queued:
        assert (await corral.outcome(uuid))["delivery"]["state"] == "acknowledged"
    assert mac.complaints == [], "no command came twice in a session"


async def test_users_of_a_shared_ipad_take_turns_and_each_has_a_queue_of_his_own(corral: Installation) -> None:
    ipad = await corral.enrolled(Model.IPAD, "18.2", quiet=False, supervised=True)
    ann = User("ann@example.com", "Ann")
    for user in (ann, BOB):
        assert await log_in(ipad, user) == Accepted()
        log_out(ipad, user)
    for_bob = await corral.send(ipad, "ProfileList", user=BOB.short_name)
    assert await log_in(ipad, ann) == Accepted()
    await ipad.settle()
    assert (await corral.outcome(for_bob))["delivery"]["state"] == "open", "Ann gets nothing that is Bob's"
    log_out(ipad, ann)
    assert await log_in(ipad, BOB) == Accepted()
    await done(corral, for_bob)
    shown = await users_of(corral, ipad)
    assert {name: each["kind"] for name, each in shown.items()} == dict.fromkeys(
        (ann.short_name, BOB.short_name), "shared_ipad_user"
    )
    assert len(await corral.lives(ipad)) == 1


async def test_a_user_in_setup_assistant_goes_on_when_the_commands_of_his_setup_are_through(
    school: Installation,
) -> None:
    ipad = await school.enrolled(Model.IPAD, "18.2", quiet=False, supervised=True)
    assert await log_in(ipad, EVE) == Accepted()
    first = await school.send(ipad, "ProfileList", user=EVE.short_name)
    eve = enrollment_of(ipad).users[0]
    assert eve.is_awaiting
    await until(lambda: not eve.is_awaiting)
    await ipad.settle()
    assert (await school.outcome(first))["delivery"]["state"] == "acknowledged"
    kinds = await school.kinds(ipad)
    assert kinds.index("configuration.awaited") < kinds.index("configuration.done")
    assert ipad.complaints == []


async def test_a_user_who_still_waits_is_released_again(school: Installation) -> None:
    """UserConfigured failed once: it is queued again, and what it waits for is shown."""
    ipad = await school.enrolled(Model.IPAD, "18.2", supervised=True)
    eve = replace(EVE, short_name="eva@example.com")
    assert await log_in(ipad, eve) == Accepted()
    channel = enrollment_of(ipad).users[0]
    answers: list[bytes] = []

    async def offered() -> bool:
        answers.append((await ipad.voice.report(enrollment_of(ipad), channel.idle)).body)
        return bool(answers[-1])

    await until(offered)
    uuid = str(parse_dict(answers[-1])["CommandUUID"])
    failed = channel.message(Status="Error", CommandUUID=uuid)
    assert (await ipad.voice.report(enrollment_of(ipad), failed)).status == 200
    assert "configuration.failed" in await school.kinds(ipad)
    shown = (await users_of(school, ipad))["eva@example.com"]
    assert shown["awaiting_configuration_since"] is not None
