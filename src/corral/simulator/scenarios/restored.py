"""Backups are restored, Macs are migrated, devices are wiped: what goes on as it was, and what begins anew."""

from dataclasses import replace
from typing import Final

from corral.simulator.device import Device
from corral.simulator.facts import Model
from corral.simulator.life_events import migrate_to, restore_backup, restore_to, restore_to_itself
from corral.simulator.scenarios.connected import enroll
from corral.simulator.scenarios.playing import Play, Scenario, ScenarioFailed, name, same_life
from corral.simulator.speaking import Accepted, Failed, Unenrolled
from corral.simulator.world import State

RESTORES: Final = "Managing connections"
MIGRATION: Final = "Migration Assistant"
ERASE: Final = "Erase a Device"


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


async def _restore_after_end(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    """The backup is from before the user removed the profile: the management of then comes back."""
    before = await play.view(device)
    await device.leave()
    await play.reach(device, "ended")
    match await restore_to_itself(device, new_magic=True):
        case Accepted() if not play.refuses_restores:
            pass
        case Unenrolled(why) if play.refuses_restores:
            return f"{name(device)} was restored from before its end, and told to leave ({why})"
        case verdict:
            raise ScenarioFailed(f"the restore of {name(device)} from before its end got: {verdict}")
    after = await play.reach(device, "connected")
    if after.connection == before.connection:
        raise ScenarioFailed(f"{name(device)} was restored, and goes on in a connection that had ended")
    await play.ask(device)
    return f"{name(device)} was restored from before its end, and is a new connection with a queue of its own"


async def _restore_before_renewal(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    """The backup holds the certificate that a renewal has replaced since."""
    before = await play.view(device)
    backup = device.enrollment
    if backup is None:
        raise ScenarioFailed(f"{name(device)} is not enrolled")
    await play.answered(device, await play.operator.renew(device.facts.udid))
    match await restore_backup(device, backup):
        case Accepted():
            pass
        case verdict:
            raise ScenarioFailed(f"the restore of {name(device)} from before its renewal got: {verdict}")
    await play.ask(device)
    await same_life(play, device, before)
    return f"{name(device)} was restored from before its renewal, and is believed under its former certificate"


async def _migrate_without_identity(play: Play, device: Device, others: tuple[Device, ...]) -> str:
    """The key does not come along: the new Mac has the management of another, and nothing to prove it with."""
    (other,) = others
    before = await play.view(device)
    match await migrate_to(device, other, with_identity=False):
        case Failed(why):
            pass
        case verdict:
            raise ScenarioFailed(f"the copy of {name(device)} proves nothing, and got: {verdict}")
    if await play.operator.look(other.facts.udid) is not None:
        raise ScenarioFailed(f"the service knows {name(other)}, of which nothing is proven")
    await play.ask(device)
    await same_life(play, device, before)
    await other.leave()
    await enroll(play, other, ())
    return f"the copy {name(other)} was not believed ({why}), and enrolled by itself; {name(device)} goes on"


async def _erase_by_hand(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    """Nobody has told the service: the device comes back by a link for anybody, and must not be locked out."""
    before = await play.view(device)
    device.wipe()
    await device.enroll(await play.operator.create_link(uses=1))

    async def is_in() -> bool:
        now = await play.view(device)
        return now.phase == "connected" and now.connection != before.connection

    await play.until(f"{name(device)} is let in again", is_in)
    await play.ask(device)
    return f"{name(device)} was erased by hand, and is let in as a new connection"


async def _impostor(play: Play, device: Device, others: tuple[Device, ...]) -> str:
    """Another device has a link for anybody, and says that it is this one."""
    (other,) = others
    other.become(replace(other.facts, udid=device.facts.udid))
    await other.enroll(await play.operator.create_link(uses=1))
    command = await play.operator.send_command(device.facts.udid, "SecurityInfo")
    await play.answered(device, command)
    await play.operator.decide_takeover(device.facts.udid, accept=False)

    async def is_told() -> bool:
        await other.poll()
        return other.state is State.UNENROLLED

    await play.until("the impostor is told to leave", is_told)
    await play.ask(device)
    return f"{name(device)} was not disturbed by one that claimed to be it, and that had to leave"


SCENARIOS: Final = (
    Scenario(
        "restore-same-device",
        "a backup is restored to its own device",
        _restore_same_device,
        page=RESTORES,
    ),
    Scenario("restore-after-end", "a backup from before the end comes back", _restore_after_end, page=RESTORES),
    Scenario(
        "restore-before-renewal",
        "a backup from before a renewal comes back",
        _restore_before_renewal,
        page=RESTORES,
    ),
    Scenario(
        "restore-other-device",
        "a backup comes to another device",
        _restore_other_device,
        others=1,
        page=RESTORES,
    ),
    Scenario(
        "clone", "Migration Assistant copies a Mac, its identity too", _clone, others=1, model=Model.MAC, page=MIGRATION
    ),
    Scenario(
        "migrate",
        "Migration Assistant copies a Mac without its identity",
        _migrate_without_identity,
        others=1,
        model=Model.MAC,
        page=MIGRATION,
    ),
    Scenario("return-to-service", "a device is erased, and comes back by itself", _return_to_service, page=ERASE),
    Scenario("wipe", "a device is erased, and enrolls again", _wipe, page=ERASE),
    Scenario("erase-by-hand", "a device is erased at the device, and enrolls again", _erase_by_hand),
    Scenario("impostor", "another device claims to be a connected one", _impostor, others=1),
)
