"""Over-the-air enrollment: a first profile has the device post who it is, signed; a second one may give it an identity
to sign the same with once more; what comes then is installed (Apple: "Over-the-Air Profile Delivery Concepts")."""

from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from corral.apple.installed_profile import ProfileError, read_identity_profile
from corral.apple.machine_info import MachineInfo, write_machine_info
from corral.apple.plist import PlistError, parse_dict
from corral.pki import cms
from corral.simulator.asking import SIGNED_TYPE, media_type
from corral.simulator.device import Device
from corral.simulator.factory import Factory, machine_info
from corral.simulator.fetching import CONTENT_TYPE, InstallationFailed, fetch_profile, open_profile
from corral.simulator.identity import Identity
from corral.simulator.obtaining import obtain_identity
from corral.simulator.transport import Unreachable


@dataclass(frozen=True, slots=True)
class First:
    """What the profile of phase 1 has the device do: post its attributes there, with the challenge among them."""

    url: str
    challenge: str | None = field(repr=False)

    def attributes(self, device: Device) -> MachineInfo:
        return replace(machine_info(device.facts, in_setup_assistant=False), challenge=self.challenge)


async def enroll_over_the_air(device: Device, factory: Factory, link: str) -> None:
    """Open such a link, and install what comes of it; raises InstallationFailed."""
    first = read_first(open_profile(await fetch_profile(device.voice, link, device.world.trust)).content)
    attributes = write_machine_info(first.attributes(device))
    profile = await ask(device, first, factory.sign(attributes))
    identity = await certified(device, profile)
    if identity is not None:
        profile = await ask(device, first, sign(identity, attributes))
    await device.enroll(profile, identity)


async def ask(device: Device, first: First, message: bytes) -> bytes:
    """The profile for what the device posts; raises InstallationFailed."""
    try:
        response = await device.voice.transport.request(
            "POST", first.url, headers=(("Content-Type", SIGNED_TYPE),), body=message, trust=device.world.trust
        )
    except Unreachable as error:
        raise InstallationFailed(f"the profile cannot be had: {error}") from None
    if response.status != 200 or media_type(response) != CONTENT_TYPE:
        reason = response.body[:300].decode("utf-8", "replace").strip()
        raise InstallationFailed(f"the profile cannot be had: HTTP {response.status} {reason}")
    return response.body


async def certified(device: Device, profile: bytes) -> Identity | None:
    """The identity that a profile of phase 2 has the device get; None if it is already the last one.

    Raises InstallationFailed.
    """
    try:
        found = read_identity_profile(open_profile(profile).content)
    except ProfileError as error:
        raise InstallationFailed(str(error)) from None
    if found is None:
        return None
    wanted, roots = found
    key = await device.world.keys.take(wanted.key_size)
    return await obtain_identity(device.voice, wanted, device.world.trust.and_roots(roots), key)


def sign(identity: Identity, content: bytes) -> bytes:
    return cms.sign(content, identity.parsed, identity.key, indefinite=True)


def read_first(content: bytes) -> First:
    """What the first profile has the device do; raises InstallationFailed for what is no Profile Service."""
    try:
        match parse_dict(content):
            case {
                "PayloadType": "Profile Service",
                "PayloadVersion": 1,
                "PayloadIdentifier": str(),
                "PayloadUUID": str(),
                "PayloadContent": {"URL": str(url), "DeviceAttributes": list(), **more},
            } if urlsplit(url).scheme == "https":
                challenge = more.get("Challenge")
                return First(url, challenge if isinstance(challenge, str) else None)
            case _:
                raise InstallationFailed("the profile is not one of a profile service")
    except (PlistError, ValueError) as error:
        raise InstallationFailed(f"the profile cannot be read: {error}") from None
