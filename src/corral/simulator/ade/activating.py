"""A new device is switched on: it asks Apple who manages it, and enrolls there as its profile says."""

from base64 import b64decode
from dataclasses import replace

from corral.simulator.ade.service import AdeService
from corral.simulator.browser import Browser
from corral.simulator.device import Device
from corral.simulator.factory import Factory
from corral.simulator.fetching import InstallationFailed
from corral.simulator.setup_assistant import set_up, set_up_by_web
from corral.simulator.trust import Trust


async def activate(device: Device, factory: Factory, apple: AdeService, browser: Browser | None = None) -> None:
    """Raises InstallationFailed where nobody manages the device, or its enrollment fails.

    `browser` is the web view, and the person before it, for a profile that has somebody sign in.

    Of a profile with anchor certificates the device believes these alone, whatever it was told before.
    """
    profile = apple.configuration(device.facts.serial_number)
    if profile is None:
        raise InstallationFailed("Apple says that nobody manages this device")
    if profile.get("anchor_certs"):
        anchors = tuple(b64decode(each) for each in profile["anchor_certs"])
        device.world = replace(device.world, trust=Trust(anchors, system=False))
    device.behave(
        replace(
            device.behaviour,
            awaiting_configuration=profile.get("await_device_configured") is True,
            supervised=profile.get("is_supervised") is True,
        )
    )
    if profile.get("configuration_web_url"):
        if browser is None:
            raise InstallationFailed("somebody has to sign in, and nobody is there")
        await set_up_by_web(device, factory, str(profile["configuration_web_url"]), browser)
        return
    await set_up(device, factory, str(profile["url"]))
