"""Single messages of a device, so that a test sees the very answer to each."""

from corral.apple.plist import PlistValue
from corral.simulator.device import Device
from corral.simulator.enrollment import Channel, Enrollment, new_device_channel
from corral.simulator.fetching import fetch_profile, open_profile
from corral.simulator.identity import Identity
from corral.simulator.installing import authentication, read_profile
from corral.simulator.obtaining import obtain_identity
from corral.simulator.transport import Response

UNRECOGNIZED = b'"com.apple.unrecognized.device"'


def enrollment_of(device: Device) -> Enrollment:
    """The one that it has, or had last."""
    found = device.enrollment or device.former
    assert found is not None, f"{device} was never enrolled"
    return found


async def check_in(device: Device, kind: str, enrollment: Enrollment | None = None, **keys: PlistValue) -> Response:
    """One check-in message on the device channel."""
    used = enrollment or enrollment_of(device)
    return await device.voice.check_in(used, used.device.message(MessageType=kind, **keys))


async def report(
    device: Device, status: str = "Idle", enrollment: Enrollment | None = None, **keys: PlistValue
) -> Response:
    """One report on the device channel."""
    used = enrollment or enrollment_of(device)
    return await device.voice.report(used, used.device.message(Status=status, **keys))


async def authenticate(device: Device, enrollment: Enrollment | None = None) -> Response:
    used = enrollment or enrollment_of(device)
    return await device.voice.check_in(used, used.device.message(**authentication(device.facts, used.profile)))


async def update_token(
    device: Device, enrollment: Enrollment | None = None, channel: Channel | None = None, **keys: PlistValue
) -> Response:
    used = enrollment or enrollment_of(device)
    speaking = channel or used.device
    told: dict[str, PlistValue] = {
        "MessageType": "TokenUpdate",
        "Topic": used.profile.topic,
        "PushMagic": speaking.magic,
        "Token": speaking.token,
    }
    return await device.voice.check_in(used, speaking.message(**told, **keys))


async def draft(device: Device, source: str | bytes) -> Enrollment:
    """An enrollment under a link (or profile) that has its identity, and has not checked in yet."""
    world = device.world
    raw = await fetch_profile(device.voice, source, world.trust) if isinstance(source, str) else source
    device.cached_profile = raw
    download = open_profile(raw)
    profile = read_profile(download, None)
    assert profile.scep is not None
    trust = world.trust.and_roots(profile.trust_roots)
    identity: Identity = await obtain_identity(
        device.voice, profile.scep, trust, await world.keys.take(profile.scep.key_size)
    )
    channel = new_device_channel(device.facts, device.behaviour, rights=profile.access_rights)
    return Enrollment(profile=profile, signer=download.signer, identity=identity, trust=trust, device=channel)


def is_document(response: Response) -> bool:
    """Whether this is the 403 that makes a device leave."""
    return response.status == 403 and UNRECOGNIZED in response.body


def is_plain_403(response: Response) -> bool:
    return response.status == 403 and response.headers["content-type"].startswith("text/plain")
