"""A device against a service that it does not know: what it sends, and what it does not put up with."""

from corral.simulator.facts import Model
from corral.simulator.world import State

from .conftest import ORIGIN, Stage


async def test_enrolls_by_a_link_and_answers_a_command(stage: Stage) -> None:
    device = stage.device()
    await device.enroll(f"{ORIGIN}/enroll/link")
    assert device.state is State.ENROLLED
    assert stage.service.kinds() == ["Authenticate", "TokenUpdate"]
    stage.service.queue("DeviceInformation", Queries=["UDID", "OSVersion"])
    assert device.enrollment is not None
    channel = device.enrollment.device
    assert stage.push.push(channel.token, channel.magic)
    await device.settle()
    assert stage.service.kinds()[2:] == ["Idle", "Acknowledged"]
    assert stage.service.heard[-1].keys["QueryResponses"] == {"UDID": device.facts.udid, "OSVersion": "18.2"}


async def test_a_mac_enrolls(stage: Stage) -> None:
    device = await stage.enrolled(Model.MAC, "15.2")
    assert device.state is State.ENROLLED
