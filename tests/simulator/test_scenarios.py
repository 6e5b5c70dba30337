"""Scenarios see what goes right, and say so when it does not: played here before a service that does little."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from corral.apple.plist import PlistValue
from corral.simulator.device import Device
from corral.simulator.facts import Model
from corral.simulator.operator import DeviceView, OperatorFailed
from corral.simulator.scenarios import SCENARIOS, Play, ScenarioFailed, run

from .conftest import ORIGIN, Heard, Stage


@dataclass
class FakeOperator:
    """Runs the fake service: knows a device by what it has heard of it."""

    stage: Stage
    sent: dict[str, bytes] = field(default_factory=dict[str, bytes])
    is_blind: bool = False
    timeline: tuple[str, ...] = ()

    async def create_link(self, *, uses: int | None = 1) -> str:
        del uses
        return f"{ORIGIN}/enroll/link"

    async def send_command(
        self, device: str, request_type: str, keys: Mapping[str, PlistValue] | None = None, *, user: str = ""
    ) -> str:
        del user
        uuid = self.stage.service.queue(request_type, **(keys or {}))
        self._push(device)
        return uuid

    async def command_status(self, device: str, command: str) -> str:
        del device
        answers = [each.kind for each in self.stage.service.heard if each.keys.get("CommandUUID") == command]
        return answers[-1] if answers else ""

    async def look(self, device: str) -> DeviceView | None:
        heard = [each.kind for each in self._of(device) if each.signer is not None]
        if not heard or self.is_blind:
            return None
        started = heard.count("Authenticate")
        if heard[-1] == "CheckOut":
            return DeviceView("ended", str(started), "checked-out")
        # Before its token has come it cannot be pushed.
        is_there = "TokenUpdate" in heard[len(heard) - heard[::-1].index("Authenticate") :]
        return DeviceView("connected" if is_there else "authenticating", str(started), "")

    async def events(self, device: str) -> tuple[str, ...]:
        del device
        return self.timeline

    async def end(self, device: str, *, at_once: bool = False) -> None:
        del at_once
        self.stage.service.queue("RemoveProfile", Identifier=self.stage.service.facts.identifier)
        self._push(device)

    async def renew(self, device: str) -> str:
        uuid = self.stage.service.queue("InstallProfile", Payload=self.stage.service.profile())
        self._push(device)
        return uuid

    async def decide_takeover(self, device: str, *, accept: bool) -> None:
        raise NotImplementedError

    async def return_to_service(self, device: str) -> str:
        back = {"Enabled": True, "MDMProfileData": self.stage.service.profile()}
        return await self.send_command(device, "EraseDevice", {"ReturnToService": back})

    async def block(self, device: str) -> None:
        raise OperatorFailed(f"{device} cannot be blocked here")

    async def unblock(self, device: str) -> None:
        raise NotImplementedError

    def _of(self, device: str) -> list[Heard]:
        return [each for each in self.stage.service.heard if each.keys["UDID"] == device]

    def _push(self, device: str) -> None:
        told = [each for each in self._of(device) if each.kind == "TokenUpdate"][-1].keys
        token, magic = told["Token"], told["PushMagic"]
        assert isinstance(token, bytes)
        self.stage.push.push(token, str(magic))


@pytest.fixture
def operator(stage: Stage) -> FakeOperator:
    return FakeOperator(stage)


@pytest.fixture
def play(operator: FakeOperator) -> Play:
    return Play(operator, patience=10)


async def enrolled(stage: Stage, model: Model = Model.IPHONE) -> Device:
    device = stage.device(model, None)
    await device.enroll(stage.service.profile())
    return device


@pytest.mark.parametrize(
    "name",
    ["poll", "busy", "token-change", "restore-same-device", "return-to-service", "leave", "end-obedient"],
)
async def test_plays(stage: Stage, play: Play, name: str) -> None:
    device = await enrolled(stage)
    assert device.facts.device_name in await run(SCENARIOS[name], play, device)
    await device.settle()


async def test_enrolls(stage: Stage, play: Play) -> None:
    assert "enrolled by a link" in await run(SCENARIOS["enroll"], play, stage.device())


async def test_restores_to_another_device(stage: Stage, play: Play) -> None:
    device = await enrolled(stage)
    assert "enrolled afresh" in await run(SCENARIOS["restore-other-device"], play, device, stage.device())


async def test_a_clone_must_be_refused_and_be_on_the_timeline(stage: Stage, play: Play, operator: FakeOperator) -> None:
    device, clone = await enrolled(stage, Model.MAC), stage.device(Model.MAC, None)
    with pytest.raises(ScenarioFailed, match="should be refused"):
        await run(SCENARIOS["clone"], play, device, clone)
    stage.service.refuse("TokenUpdate", 403)
    stage.service.refuse("Idle", 403)
    with pytest.raises(ScenarioFailed, match="timeline"):
        await run(SCENARIOS["clone"], play, device, stage.device(Model.MAC, None))
    operator.timeline = ("connection.clone-refused",)
    stage.service.refuse("TokenUpdate", 403)
    stage.service.refuse("Idle", 403)
    await run(SCENARIOS["clone"], play, device, stage.device(Model.MAC, None))


async def test_a_restore_that_should_be_refused(stage: Stage, operator: FakeOperator) -> None:
    device = await enrolled(stage)
    with pytest.raises(ScenarioFailed, match="should be refused"):
        await run(SCENARIOS["restore-same-device"], Play(operator, 1, refuses_restores=True), device)


async def test_fails_in_one_line_when_it_takes_too_long(stage: Stage, operator: FakeOperator) -> None:
    device = await enrolled(stage)
    stage.service.refuse("Idle", 503, times=10)
    with pytest.raises(ScenarioFailed, match=r"^poll: .* answers Acknowledged: not within 0\.2 s$"):
        await run(SCENARIOS["poll"], Play(operator, patience=0.2), device)


async def test_fails_when_the_service_does_not_know_the_device(stage: Stage, operator: FakeOperator) -> None:
    device = await enrolled(stage)
    operator.is_blind = True
    with pytest.raises(ScenarioFailed, match="does not know"):
        await run(SCENARIOS["token-change"], Play(operator, 0.2), device)


async def test_fails_with_the_reason_of_the_operator(stage: Stage, play: Play) -> None:
    with pytest.raises(ScenarioFailed, match=r"^block: .* cannot be blocked here$"):
        await run(SCENARIOS["block"], play, await enrolled(stage))


async def test_takes_as_many_devices_as_it_needs(stage: Stage, play: Play) -> None:
    with pytest.raises(ValueError, match="1 further devices"):
        await run(SCENARIOS["clone"], play, stage.device())
