"""Setup Assistant: a new device asks the service that it is assigned to for its profile, does what it is told to do
first, and installs it (Apple: "Automated Device Enrollment")."""

from dataclasses import replace

from corral.apple.machine_info import MachineInfo
from corral.simulator.asking import MustPair, MustSignIn, MustUpdate, Undiscovered, Unwanted, ask_for_profile
from corral.simulator.device import Device
from corral.simulator.factory import Factory, machine_info
from corral.simulator.fetching import InstallationFailed

_MOST_DEMANDS = 5
"""A service that always wants something more would keep a person before a new device for ever."""


async def set_up(device: Device, factory: Factory, url: str, *, platform_sso: bool = False) -> None:
    """Enroll by Automated Device Enrollment; raises InstallationFailed.

    With `platform_sso` the device (a Mac) offers to sign in first, and does so when it is asked to.
    """
    token: str | None = None
    for _ in range(_MOST_DEMANDS):
        info = _info(device, platform_sso=platform_sso and token is None)
        match await ask_for_profile(device.voice, url, factory, info, device.world.trust, token):
            case bytes() as profile:
                await device.enroll(profile)
                return
            case MustUpdate(os_version, build_version):
                if os_version == device.facts.os_version:
                    raise InstallationFailed(f"the service asks for {os_version}, which the device runs already")
                update_system(device, os_version, build_version)
            case MustSignIn():
                if not platform_sso or token is not None:
                    raise InstallationFailed("the service asks for Platform SSO, which the device did not offer")
                token = "signed-in"  # noqa: S105 - of an identity provider that nobody asks here
            case MustPair():
                raise InstallationFailed("the service asks for a pairing token, which only a watch can get")
            case Unwanted():
                raise InstallationFailed("the service does not know this device")
            case Undiscovered():
                raise InstallationFailed("the service answers as if an account had been looked up")
    raise InstallationFailed("the service always wants something more")


def update_system(device: Device, os_version: str, build_version: str | None = None) -> None:
    """The device installs a system, and starts again."""
    facts = replace(device.facts, os_version=os_version, build_version=build_version or device.facts.build_version)
    device.facts = device.voice.facts = facts
    device.note("system updated", True, os_version)


def _info(device: Device, *, platform_sso: bool) -> MachineInfo:
    info = machine_info(device.facts)
    return replace(info, can_request_platform_sso=True) if platform_sso and device.facts.is_mac else info
