"""Connections end: by the user, by an operator, and against the will of a device."""

from dataclasses import replace
from typing import Final

from corral.simulator.behaviour import Removal
from corral.simulator.device import Device
from corral.simulator.fetching import InstallationFailed
from corral.simulator.scenarios.playing import Play, Scenario, ScenarioFailed, name
from corral.simulator.world import State


async def _block(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    await play.operator.block(device.facts.udid)

    async def is_told() -> bool:
        await device.poll()
        return device.state is State.UNENROLLED

    await play.until(f"{name(device)} is told to leave", is_told)
    why = device.why
    link = await play.operator.create_link(uses=1)
    try:
        await device.enroll(link)
    except InstallationFailed:
        pass
    else:
        raise ScenarioFailed(f"{name(device)} is blocked, and could enroll")
    await play.operator.unblock(device.facts.udid)
    await device.enroll(link)
    await play.reach(device, "connected")
    return f"{name(device)} was blocked and told to leave ({why}), and could enroll only when it was unblocked"


async def _leave(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    await device.leave()
    view = await play.reach(device, "ended")
    if view.end_reason != "checked-out":
        raise ScenarioFailed(f"{name(device)} checked out, and ended as {view.end_reason}")
    return f"the user of {name(device)} removed the profile, and it checked out"


async def _end_obedient(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    await play.operator.end(device.facts.udid)

    async def is_gone() -> bool:
        if device.world.push is None:
            await device.poll()
        return device.state is State.LEFT

    await play.until(f"{name(device)} removes its profile", is_gone)
    view = await play.reach(device, "ended")
    return f"{name(device)} was told RemoveProfile, checked out and is gone ({view.proof or view.end_reason})"


async def _end_stubborn(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    device.behave(replace(device.behaviour, removal=Removal.ANSWER_ERROR, ignored_unenrollments=1))
    device.ignored = 0
    await play.operator.end(device.facts.udid, at_once=True)

    async def obeys() -> bool:
        await device.poll()
        return device.state is State.UNENROLLED

    await play.until(f"{name(device)} obeys", obeys)
    if not device.ignored:
        raise ScenarioFailed(f"{name(device)} obeyed before it had been refused once")
    await play.reach(device, "ended")
    return f"{name(device)} would not remove its profile, and was refused until it obeyed ({device.why})"


SCENARIOS: Final = (
    Scenario("block", "a blocked device must leave, and cannot come back", _block),
    Scenario("leave", "a user removes the profile", _leave),
    Scenario("end-obedient", "a connection is ended, and the device obeys", _end_obedient),
    Scenario("end-stubborn", "a connection is ended, and the device does not obey at first", _end_stubborn),
)
