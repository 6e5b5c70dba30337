"""What a scenario is played with: an operator, patience, and words for what should have happened."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from corral.simulator.device import Device
from corral.simulator.facts import Model
from corral.simulator.fetching import InstallationFailed
from corral.simulator.life_events import NothingToRestore
from corral.simulator.operator import DeviceView, Operator, OperatorFailed
from corral.simulator.users import NobodyLogsIn

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
            raise ScenarioFailed(f"the service does not know {name(device)}")
        return found

    async def reach(self, device: Device, phase: str) -> DeviceView:
        """Wait until the service shows the device in this phase."""

        async def is_there() -> bool:
            found = await self.operator.look(device.facts.udid)
            return found is not None and found.phase == phase

        await self.until(f"{name(device)} is {phase}", is_there)
        return await self.view(device)

    async def answered(self, device: Device, command: str, status: str = "Acknowledged") -> None:
        """Wait until the service has this answer; a device that no push can wake polls meanwhile."""

        async def is_answered() -> bool:
            if device.world.push is None:
                await device.poll()
            return await self.operator.command_status(device.facts.udid, command) == status

        await self.until(f"{name(device)} answers {status}", is_answered)

    async def ask(self, device: Device, request_type: str = "SecurityInfo") -> None:
        """Send it a command, and wait until it is done."""
        await self.answered(device, await self.operator.send_command(device.facts.udid, request_type))


@dataclass(frozen=True, slots=True)
class Scenario:
    """`others` is the number of further devices that it needs, not enrolled; `model` what they all must be; `page` the
    one of Apple's that says how it must go, if there is one."""

    name: str
    title: str
    run: Callable[[Play, Device, tuple[Device, ...]], Awaitable[str]]
    others: int = 0
    model: Model | None = None
    page: str = ""


async def run(scenario: Scenario, play: Play, device: Device, *others: Device) -> str:
    """Play it; the line says what was verified. Raises ScenarioFailed, and nothing else for what goes wrong."""
    if len(others) != scenario.others:
        raise ValueError(f"scenario {scenario.name} takes {scenario.others} further devices")
    try:
        return await scenario.run(play, device, others)
    except (InstallationFailed, NobodyLogsIn, NothingToRestore, OperatorFailed, ScenarioFailed) as failure:
        raise ScenarioFailed(f"{scenario.name}: {failure}") from None


async def same_life(play: Play, device: Device, before: DeviceView) -> None:
    now = await play.view(device)
    if now.phase != "connected" or now.connection != before.connection:
        raise ScenarioFailed(f"{name(device)} should go on in its connection, and is {now.phase}")


def name(device: Device) -> str:
    return f"{device.facts.device_name} (#{device.facts.number})"
