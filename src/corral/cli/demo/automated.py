"""The demo's part about Automated Device Enrollment: a portal, a server with its token, and devices just bought."""

from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from corral.cli.api_operator import ApiOperator
from corral.cli.reach.api import segment
from corral.simulator.ade.activating import activate
from corral.simulator.ade.portal import PortalServer
from corral.simulator.ade.service import AdeService
from corral.simulator.device import Device
from corral.simulator.factory import Factory
from corral.simulator.fetching import InstallationFailed
from corral.simulator.push_certificates import StandInApple
from corral.simulator.scenarios import Play, ScenarioFailed

SERVER = "demo"
PROFILE: dict[str, Any] = {
    "profile_name": "standard",
    "is_supervised": True,
    "is_mdm_removable": False,
    "await_device_configured": True,
    "skip_setup_items": ["AppleID", "Siri", "ScreenTime"],
}


async def connect(operator: ApiOperator, apple: AdeService) -> PortalServer:
    """What an administrator does once: a key here, a server in the portal, its token, a profile for all devices."""
    made = await operator.call("POST", "/ade/servers", {"name": SERVER})
    portal, token = apple.add_server("Corral Demo", made["certificate"].encode())
    path = f"/ade/servers/{segment(SERVER)}"
    await operator.call("POST", f"{path}/token", {"file": b64encode(token).decode()})
    await operator.call("POST", f"{path}/profiles", {"profile": PROFILE})
    await operator.call("POST", f"{path}/default", {"profile": PROFILE["profile_name"]})
    return portal


async def unbox(operator: ApiOperator, root: StandInApple, apple: AdeService, devices: Sequence[Device]) -> str:
    """Devices are bought, assigned, switched on, and enroll without anybody's help."""
    portal = await connect(operator, apple)
    for device in devices:
        portal.add_device(device.facts.serial_number)
    found = await operator.call("POST", f"/ade/servers/{segment(SERVER)}/sync", {})
    if found["assigned"] != len(devices):
        raise ScenarioFailed(f"of {len(devices)} devices {found['assigned']} got a profile")
    now = datetime.now(UTC)
    for device in devices:
        try:
            await activate(device, Factory.make(root.devices, device.facts.udid, now), apple)
        except InstallationFailed as failure:
            raise ScenarioFailed(f"a new device could not enroll: {failure}") from None
        await Play(operator).reach(device, "connected")
        await device.settle()
    return f"{len(devices)} devices bought, assigned by Apple, supervised, and configured without a link"
