"""Backups are restored, Macs are migrated, devices are wiped: what goes on as it was, and what begins anew."""

from typing import Final

from corral.simulator.device import Device
from corral.simulator.facts import Model
from corral.simulator.life_events import migrate_to, restore_to, restore_to_itself
from corral.simulator.scenarios.connected import enroll
from corral.simulator.scenarios.playing import Play, Scenario, ScenarioFailed, name, same_life
from corral.simulator.speaking import Accepted, Failed, Unenrolled
from corral.simulator.world import State


async def _restore_same_device(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    before = await play.view(device)
    match await restore_to_itself(device, new_magic=True):
        case Accepted() if not play.refuses_restores:
            await play.ask(device)
            await same_life(play, device, before)
            return f"{name(device)} was restored from its own backup and stays connected"
        case Unenrolled(why) if play.refuses_restores:
            await play.reach(device, "ended")
            return f"{name(device)} was restored from its own backup and told to leave ({why})"
        case verdict:
            wanted = "refused" if play.refuses_restores else "accepted"
            raise ScenarioFailed(f"the restore of {name(device)} should be {wanted}, and got: {verdict}")


async def _restore_other_device(play: Play, device: Device, others: tuple[Device, ...]) -> str:
    (other,) = others
    before = await play.view(device)
    restore_to(device, other)
    if await play.operator.look(other.facts.udid) is not None:
        raise ScenarioFailed(f"the service knows {name(other)} before it has sent anything")
    await enroll(play, other, ())
    await play.ask(device)
    await same_life(play, device, before)
    return f"the backup of {name(device)} on {name(other)} said nothing; it enrolled afresh, both are connected"


async def _clone(play: Play, device: Device, others: tuple[Device, ...]) -> str:
    (other,) = others
    before = await play.view(device)
    match await migrate_to(device, other):
        case Failed(why):
            pass
        case verdict:
            raise ScenarioFailed(f"the clone of {name(device)} should be refused and stay enrolled: {verdict}")
    if not isinstance(await other.poll(), Failed):
        raise ScenarioFailed(f"the clone of {name(device)} should be refused when it polls, too")
    if "connection.clone-refused" not in await play.operator.events(device.facts.udid):
        raise ScenarioFailed(f"the timeline of {name(device)} does not show its clone")
    await play.ask(device)
    await same_life(play, device, before)
    return f"the clone {name(other)} was refused ({why}); the owner {name(device)} was not disturbed"


async def _wipe(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    before = await play.view(device)
    command = await play.operator.send_command(device.facts.udid, "EraseDevice")
    await play.answered(device, command)

    async def is_erased() -> bool:
        return device.state is State.ERASED

    await play.until(f"{name(device)} erases itself", is_erased)
    await enroll(play, device, ())
    after = await play.view(device)
    if after.connection == before.connection:
        raise ScenarioFailed(f"{name(device)} was erased, and goes on in its old connection")
    await play.ask(device)
    return f"{name(device)} was erased, enrolled again and is a new connection"


async def _return_to_service(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    """Apple: "Erase a Device", ReturnToService: nobody touches the device."""
    before = await play.view(device)
    device.contents.locks.is_locked = True
    command = await play.operator.return_to_service(device.facts.udid)
    await play.answered(device, command)

    async def is_back() -> bool:
        now = await play.view(device)
        return now.phase == "connected" and now.connection != before.connection

    await play.until(f"{name(device)} comes back", is_back)
    if device.contents.locks.is_locked:
        raise ScenarioFailed(f"{name(device)} has not been erased")
    await play.ask(device)
    return f"{name(device)} was erased, and came back by itself as a new connection"


SCENARIOS: Final = (
    Scenario("restore-same-device", "a backup is restored to the device that it is of", _restore_same_device),
    Scenario("restore-other-device", "a backup is restored to another device", _restore_other_device, others=1),
    Scenario("clone", "Migration Assistant copies a Mac, its identity too", _clone, others=1, model=Model.MAC),
    Scenario("return-to-service", "a device is erased, and comes back by itself", _return_to_service),
    Scenario("wipe", "a device is erased, and enrolls again", _wipe),
)
