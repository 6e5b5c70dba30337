"""What can happen between devices and a service, each played through and verified from both ends.

A scenario is given enrolled devices (but `enroll`), says in one line what it has seen, or raises ScenarioFailed.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from corral.simulator.behaviour import Busy, Removal
from corral.simulator.device import Device
from corral.simulator.facts import Model
from corral.simulator.fetching import InstallationFailed
from corral.simulator.life_events import change_push_token, migrate_to, restore_to, restore_to_itself
from corral.simulator.operator import DeviceView, Operator, OperatorFailed
from corral.simulator.speaking import Accepted, Failed, Unenrolled
from corral.simulator.world import State

_LOOK_AGAIN: Final = 0.05


class ScenarioFailed(Exception):
    """What should have happened did not; one line says what."""


@dataclass(frozen=True, slots=True)
class Play:
    """`patience` is how long (seconds) anything may take; `refuses_restores` is the service's policy."""

    operator: Operator
    patience: float = 30.0
    refuses_restores: bool = False

    async def until(self, what: str, condition: Callable[[], Awaitable[bool]]) -> None:
        """Wait until it is so."""
        ends = time.monotonic() + self.patience
        while not await condition():
            if time.monotonic() > ends:
                raise ScenarioFailed(f"{what}: not within {self.patience:g} s")
            await asyncio.sleep(_LOOK_AGAIN)

    async def view(self, device: Device) -> DeviceView:
        found = await self.operator.look(device.facts.udid)
        if found is None:
            raise ScenarioFailed(f"the service does not know {_name(device)}")
        return found

    async def reach(self, device: Device, phase: str) -> DeviceView:
        """Wait until the service shows the device in this phase."""

        async def is_there() -> bool:
            found = await self.operator.look(device.facts.udid)
            return found is not None and found.phase == phase

        await self.until(f"{_name(device)} is {phase}", is_there)
        return await self.view(device)

    async def answered(self, device: Device, command: str, status: str = "Acknowledged") -> None:
        """Wait until the service has this answer; a device that no push can wake polls meanwhile."""

        async def is_answered() -> bool:
            if device.world.push is None:
                await device.poll()
            return await self.operator.command_status(device.facts.udid, command) == status

        await self.until(f"{_name(device)} answers {status}", is_answered)

    async def ask(self, device: Device, request_type: str = "SecurityInfo") -> None:
        """Send it a command, and wait until it is done."""
        await self.answered(device, await self.operator.send_command(device.facts.udid, request_type))


@dataclass(frozen=True, slots=True)
class Scenario:
    """`others` is the number of further devices that it needs, not enrolled; `model` what they all must be."""

    name: str
    title: str
    run: Callable[[Play, Device, tuple[Device, ...]], Awaitable[str]]
    others: int = 0
    model: Model | None = None


async def run(scenario: Scenario, play: Play, device: Device, *others: Device) -> str:
    """Play it; the line says what was verified. Raises ScenarioFailed, and nothing else for what goes wrong."""
    if len(others) != scenario.others:
        raise ValueError(f"scenario {scenario.name} takes {scenario.others} further devices")
    try:
        return await scenario.run(play, device, others)
    except (InstallationFailed, OperatorFailed, ScenarioFailed) as failure:
        raise ScenarioFailed(f"{scenario.name}: {failure}") from None


async def _enroll(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    await device.enroll(await play.operator.create_link(uses=1))
    await play.reach(device, "connected")
    return f"{_name(device)} enrolled by a link: signed profile, SCEP, Authenticate, TokenUpdate"


async def _poll(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    keys: Mapping[str, list[str]] = {"Queries": ["DeviceName", "OSVersion", "SerialNumber"]}
    command = await play.operator.send_command(device.facts.udid, "DeviceInformation", keys)
    await play.answered(device, command)
    woken = "polled" if device.world.push is None else "was woken by a push"
    return f"{_name(device)} {woken} and answered DeviceInformation"


async def _busy(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    device.busy = Busy(sessions=1, pause=1.0)
    command = await play.operator.send_command(device.facts.udid, "SecurityInfo")
    await play.answered(device, command, "NotNow")
    await play.answered(device, command)
    return f"{_name(device)} said NotNow, and did the command when it had time"


async def _token_change(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    before = await play.view(device)
    match await change_push_token(device):
        case Accepted():
            pass
        case verdict:
            raise ScenarioFailed(f"the service did not take the new push token of {_name(device)}: {verdict}")
    await play.ask(device)
    await _same_life(play, device, before)
    return f"{_name(device)} changed its push token and is reached by the new one"


async def _restore_same_device(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    before = await play.view(device)
    match await restore_to_itself(device, new_magic=True):
        case Accepted() if not play.refuses_restores:
            await play.ask(device)
            await _same_life(play, device, before)
            return f"{_name(device)} was restored from its own backup and stays connected"
        case Unenrolled(why) if play.refuses_restores:
            await play.reach(device, "ended")
            return f"{_name(device)} was restored from its own backup and told to leave ({why})"
        case verdict:
            wanted = "refused" if play.refuses_restores else "accepted"
            raise ScenarioFailed(f"the restore of {_name(device)} should be {wanted}, and got: {verdict}")


async def _restore_other_device(play: Play, device: Device, others: tuple[Device, ...]) -> str:
    (other,) = others
    before = await play.view(device)
    restore_to(device, other)
    if await play.operator.look(other.facts.udid) is not None:
        raise ScenarioFailed(f"the service knows {_name(other)} before it has sent anything")
    await _enroll(play, other, ())
    await play.ask(device)
    await _same_life(play, device, before)
    return f"the backup of {_name(device)} on {_name(other)} said nothing; it enrolled afresh, both are connected"


async def _clone(play: Play, device: Device, others: tuple[Device, ...]) -> str:
    (other,) = others
    before = await play.view(device)
    match await migrate_to(device, other):
        case Failed(why):
            pass
        case verdict:
            raise ScenarioFailed(f"the clone of {_name(device)} should be refused and stay enrolled: {verdict}")
    if not isinstance(await other.poll(), Failed):
        raise ScenarioFailed(f"the clone of {_name(device)} should be refused when it polls, too")
    if "connection.clone-refused" not in await play.operator.events(device.facts.udid):
        raise ScenarioFailed(f"the timeline of {_name(device)} does not show its clone")
    await play.ask(device)
    await _same_life(play, device, before)
    return f"the clone {_name(other)} was refused ({why}); the owner {_name(device)} was not disturbed"


async def _end_obedient(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    await play.operator.end(device.facts.udid)

    async def is_gone() -> bool:
        if device.world.push is None:
            await device.poll()
        return device.state is State.LEFT

    await play.until(f"{_name(device)} removes its profile", is_gone)
    view = await play.reach(device, "ended")
    return f"{_name(device)} was told RemoveProfile, checked out and is gone ({view.proof or view.end_reason})"


async def _end_stubborn(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    device.behave(replace(device.behaviour, removal=Removal.ANSWER_ERROR, ignored_unenrollments=1))
    device.ignored = 0
    await play.operator.end(device.facts.udid, at_once=True)

    async def obeys() -> bool:
        await device.poll()
        return device.state is State.UNENROLLED

    await play.until(f"{_name(device)} obeys", obeys)
    if not device.ignored:
        raise ScenarioFailed(f"{_name(device)} obeyed before it had been refused once")
    await play.reach(device, "ended")
    return f"{_name(device)} would not remove its profile, and was refused until it obeyed ({device.why})"


async def _renew(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    before = await play.view(device)
    old = device.enrollment
    if old is None:
        raise ScenarioFailed(f"{_name(device)} is not enrolled")
    device.go_offline()
    waiting = await play.operator.send_command(device.facts.udid, "SecurityInfo")
    renewal = await play.operator.renew(device.facts.udid)
    device.go_online()
    await device.poll()
    await play.answered(device, renewal)
    await play.answered(device, waiting)
    await _same_life(play, device, before)
    new = device.enrollment
    if new is None or new.identity.certificate == old.identity.certificate:
        raise ScenarioFailed(f"{_name(device)} has the certificate that it had")
    return f"{_name(device)} renewed its identity certificate and kept its queue"


async def _leave(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    await device.leave()
    view = await play.reach(device, "ended")
    if view.end_reason != "checked-out":
        raise ScenarioFailed(f"{_name(device)} checked out, and ended as {view.end_reason}")
    return f"the user of {_name(device)} removed the profile, and it checked out"


async def _wipe(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    before = await play.view(device)
    command = await play.operator.send_command(device.facts.udid, "EraseDevice")
    await play.answered(device, command)

    async def is_erased() -> bool:
        return device.state is State.ERASED

    await play.until(f"{_name(device)} erases itself", is_erased)
    await _enroll(play, device, ())
    after = await play.view(device)
    if after.connection == before.connection:
        raise ScenarioFailed(f"{_name(device)} was erased, and goes on in its old connection")
    await play.ask(device)
    return f"{_name(device)} was erased, enrolled again and is a new connection"


async def _block(play: Play, device: Device, _: tuple[Device, ...]) -> str:
    await play.operator.block(device.facts.udid)
    match await device.poll():
        case Unenrolled(why):
            pass
        case verdict:
            raise ScenarioFailed(f"{_name(device)} is blocked, and got: {verdict}")
    link = await play.operator.create_link(uses=1)
    try:
        await device.enroll(link)
    except InstallationFailed:
        pass
    else:
        raise ScenarioFailed(f"{_name(device)} is blocked, and could enroll")
    await play.operator.unblock(device.facts.udid)
    await device.enroll(link)
    await play.reach(device, "connected")
    return f"{_name(device)} was blocked and told to leave ({why}), and could enroll only when it was unblocked"


async def _same_life(play: Play, device: Device, before: DeviceView) -> None:
    now = await play.view(device)
    if now.phase != "connected" or now.connection != before.connection:
        raise ScenarioFailed(f"{_name(device)} should go on in its connection, and is {now.phase}")


def _name(device: Device) -> str:
    return f"{device.facts.device_name} (#{device.facts.number})"


_ALL: Final = (
    Scenario("enroll", "a device enrolls by a link", _enroll),
    Scenario("poll", "a push wakes a device, and it answers", _poll),
    Scenario("busy", "a busy device says NotNow, and answers later", _busy),
    Scenario("token-change", "a device gets a new push token", _token_change),
    Scenario("restore-same-device", "a backup is restored to the device that it is of", _restore_same_device),
    Scenario("restore-other-device", "a backup is restored to another device", _restore_other_device, others=1),
    Scenario("clone", "Migration Assistant copies a Mac, its identity too", _clone, others=1, model=Model.MAC),
    Scenario("renew", "a device renews its identity certificate", _renew),
    Scenario("wipe", "a device is erased, and enrolls again", _wipe),
    Scenario("block", "a blocked device must leave, and cannot come back", _block),
    Scenario("leave", "a user removes the profile", _leave),
    Scenario("end-obedient", "a connection is ended, and the device obeys", _end_obedient),
    Scenario("end-stubborn", "a connection is ended, and the device does not obey at first", _end_stubborn),
)
SCENARIOS: Final[Mapping[str, Scenario]] = {scenario.name: scenario for scenario in _ALL}
