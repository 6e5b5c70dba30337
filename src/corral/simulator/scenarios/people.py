"""Users of a device come and go, and each is managed by himself."""

from typing import Final

from corral.simulator.behaviour import User
from corral.simulator.device import Device
from corral.simulator.facts import Model
from corral.simulator.scenarios.playing import Play, Scenario, ScenarioFailed, name, same_life
from corral.simulator.speaking import Accepted
from corral.simulator.users import log_in, log_out

USERS: Final = "Managing devices and users in macOS"
LOGINS: Final = "Enabling network and mobile user logins"


async def _user_login(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    """Apple: "Managing devices and users in macOS": the login is held until everything is there."""
    ada = User("ada", "Ada Lovelace", "0B5A9C0E-9F3B-4B64-8C6E-0C6E3F6D1AD4")
    await _enter(device, ada)
    log_out(device, ada)
    names = ("ProfileList", "CertificateList")
    sent = [await play.operator.send_command(device.facts.udid, each, user=ada.guid) for each in names]
    await _enter(device, ada)
    for command in sent:
        if await play.operator.command_status(device.facts.udid, command) != "Acknowledged":
            raise ScenarioFailed(f"{name(device)} let {ada.short_name} in before all commands were done")
    return f"{name(device)} held the login of {ada.short_name} until {len(sent)} commands were done"


async def _shared_ipad(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    """Apple: "Enabling network and mobile user logins": all users say the same UserID, and are told apart by name."""
    before = await play.view(device)
    ann, bob = User("ann@example.com", "Ann"), User("bob@example.com", "Bob")
    for user in (ann, bob):
        await _enter(device, user)
        log_out(device, user)
    for_bob = await play.operator.send_command(device.facts.udid, "ProfileList", user=bob.short_name)
    await _enter(device, ann)
    if await play.operator.command_status(device.facts.udid, for_bob):
        raise ScenarioFailed(f"{ann.short_name} got a command that was meant for {bob.short_name}")
    log_out(device, ann)
    await _enter(device, bob)
    await play.answered(device, for_bob)
    await same_life(play, device, before)
    return f"{ann.short_name} and {bob.short_name} took turns on {name(device)}, each with a queue of his own"


async def _enter(device: Device, user: User) -> None:
    verdict = await log_in(device, user)
    if not isinstance(verdict, Accepted):
        raise ScenarioFailed(f"{user.short_name} should be managed on {name(device)}, and got: {verdict}")


SCENARIOS: Final = (
    Scenario(
        "user-login", "a user logs in to a Mac that waits for his settings", _user_login, model=Model.MAC, page=USERS
    ),
    Scenario("shared-ipad", "two users take turns on a Shared iPad", _shared_ipad, model=Model.IPAD, page=LOGINS),
)
