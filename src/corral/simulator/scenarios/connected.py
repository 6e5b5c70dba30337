"""A device enrolls, is woken, is busy, and renews its identity."""

from collections.abc import Mapping
from typing import Final

from corral.simulator.behaviour import Busy
from corral.simulator.device import Device
from corral.simulator.life_events import change_push_token
from corral.simulator.scenarios.playing import Play, Scenario, ScenarioFailed, name, same_life
from corral.simulator.speaking import Accepted


async def enroll(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    await device.enroll(await play.operator.create_link(uses=1))
    await play.reach(device, "connected")
    return f"{name(device)} enrolled by a link: signed profile, SCEP, Authenticate, TokenUpdate"


async def _poll(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    keys: Mapping[str, list[str]] = {"Queries": ["DeviceName", "OSVersion", "SerialNumber"]}
    command = await play.operator.send_command(device.facts.udid, "DeviceInformation", keys)
    await play.answered(device, command)
    woken = "polled" if device.world.push is None else "was woken by a push"
    return f"{name(device)} {woken} and answered DeviceInformation"


async def _busy(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    # Until it was seen: a push that comes twice would make it answer before anybody has looked.
    device.busy = Busy(sessions=1000, pause=1.0)
    command = await play.operator.send_command(device.facts.udid, "SecurityInfo")
    await play.answered(device, command, "NotNow")
    device.busy = Busy(sessions=1, pause=1.0)
    await play.answered(device, command)
    return f"{name(device)} said NotNow, and did the command when it had time"


async def _token_change(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    before = await play.view(device)
    match await change_push_token(device):
        case Accepted():
            pass
        case verdict:
            raise ScenarioFailed(f"the service did not take the new push token of {name(device)}: {verdict}")
    await play.ask(device)
    await same_life(play, device, before)
    return f"{name(device)} changed its push token and is reached by the new one"


async def _renew(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    before = await play.view(device)
    old = device.enrollment
    if old is None:
        raise ScenarioFailed(f"{name(device)} is not enrolled")
    device.go_offline()
    waiting = await play.operator.send_command(device.facts.udid, "SecurityInfo")
    renewal = await play.operator.renew(device.facts.udid)
    device.go_online()
    await device.poll()
    await play.answered(device, renewal)
    await play.answered(device, waiting)
    await same_life(play, device, before)
    new = device.enrollment
    if new is None or new.identity.certificate == old.identity.certificate:
        raise ScenarioFailed(f"{name(device)} has the certificate that it had")
    return f"{name(device)} renewed its identity certificate and kept its queue"


SCENARIOS: Final = (
    Scenario("enroll", "a device enrolls by a link", enroll),
    Scenario("poll", "a push wakes a device, and it answers", _poll),
    Scenario("busy", "a busy device says NotNow, and answers later", _busy),
    Scenario("token-change", "a device gets a new push token", _token_change),
    Scenario("renew", "a device renews its identity certificate", _renew),
)
