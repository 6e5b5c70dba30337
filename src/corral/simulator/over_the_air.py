"""Over-the-air enrollment: a first profile has the device post who it is, signed, and it installs what comes back."""

from urllib.parse import urlsplit

from corral.apple.machine_info import write_machine_info
from corral.apple.plist import PlistError, parse_dict
from corral.simulator.asking import SIGNED_TYPE, media_type
from corral.simulator.device import Device
from corral.simulator.factory import Factory, machine_info
from corral.simulator.fetching import CONTENT_TYPE, InstallationFailed, fetch_profile, open_profile
from corral.simulator.transport import Unreachable


async def enroll_over_the_air(device: Device, factory: Factory, link: str) -> None:
    """Open such a link, and install what comes of it; raises InstallationFailed."""
    first = open_profile(await fetch_profile(device.voice, link, device.world.trust))
    url = read_first(first.content)
    body = factory.sign(write_machine_info(machine_info(device.facts, in_setup_assistant=False)))
    try:
        response = await device.voice.transport.request(
            "POST", url, headers=(("Content-Type", SIGNED_TYPE),), body=body, trust=device.world.trust
        )
    except Unreachable as error:
        raise InstallationFailed(f"the profile cannot be had: {error}") from None
    if response.status != 200 or media_type(response) != CONTENT_TYPE:
        reason = response.body[:300].decode("utf-8", "replace").strip()
        raise InstallationFailed(f"the profile cannot be had: HTTP {response.status} {reason}")
    await device.enroll(response.body)


def read_first(content: bytes) -> str:
    """Where the first profile has the device post to; raises InstallationFailed for what is no Profile Service."""
    try:
        match parse_dict(content):
            case {
                "PayloadType": "Profile Service",
                "PayloadVersion": 1,
                "PayloadIdentifier": str(),
                "PayloadUUID": str(),
                "PayloadContent": {"URL": str(url), "DeviceAttributes": list()},
            } if urlsplit(url).scheme == "https":
                return url
            case _:
                raise InstallationFailed("the profile is not one of a profile service")
    except (PlistError, ValueError) as error:
        raise InstallationFailed(f"the profile cannot be read: {error}") from None
