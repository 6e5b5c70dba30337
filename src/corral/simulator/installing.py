"""The installation of an enrollment profile: all of it or nothing.

Trust roots first, then the identity, then the check-in; only when the service has taken the TokenUpdate is the
new enrollment the device's (Apple: "Managing connections"; "MDM" payload for what an update may not change).
"""

import asyncio
from collections.abc import Callable
from typing import Final

from corral.apple.installed_profile import InstalledProfile, ProfileError, check_update, read_enrollment_profile
from corral.apple.plist import PlistValue
from corral.simulator.attesting import AttestationServer
from corral.simulator.behaviour import Renewal
from corral.simulator.enrollment import Channel, Enrollment, new_device_channel, new_magic
from corral.simulator.facts import Facts
from corral.simulator.fetching import Download, InstallationFailed
from corral.simulator.identity import Identity
from corral.simulator.keys import KeyPool
from corral.simulator.obtaining import obtain_identity
from corral.simulator.obtaining_acme import obtain_by_acme
from corral.simulator.speaking import Accepted, Failed, Unenrolled, Unmanaged, Verdict, Voice, judge
from corral.simulator.transport import Unreachable
from corral.simulator.trust import Trust

_DEVICE_INFORMATION: Final = 16


async def install(
    voice: Voice,
    keys: KeyPool,
    download: Download,
    trust: Trust,
    attester: AttestationServer | None,
    old: Enrollment | None,
    listen: Callable[[Channel, str], None],
    done: Callable[[str], None],
) -> Enrollment:
    """The new enrollment; raises InstallationFailed and has changed nothing then.

    `old` is what is updated. `listen` registers a channel for pushes, which the service may send as soon as it
    has the token; `done` hears of each step: "identity", "authenticate", "token-update".
    """
    profile = read_profile(download, old)
    believed = trust.and_roots(profile.trust_roots)
    identity = await _obtain(voice, keys, profile, believed, attester)
    done("identity")
    renews = old is not None and voice.behaviour.renewal is Renewal.TOKEN_UPDATE
    channel = _channel(voice, profile, old, keep_magic=renews)
    new = Enrollment(profile, download.signer, identity, believed, channel)
    if not renews:
        await _authenticate(voice, new)
        done("authenticate")
    listen(channel, profile.topic)
    awaiting = voice.behaviour.awaiting_configuration and old is None
    match await update_token(voice, new, channel, awaiting=awaiting):
        case Accepted():
            done("token-update")
            return new
        case verdict:
            raise InstallationFailed(f"the service refuses the TokenUpdate: {_why(verdict)}")


async def _obtain(
    voice: Voice, keys: KeyPool, profile: InstalledProfile, trust: Trust, attester: AttestationServer | None
) -> Identity:
    if profile.acme is not None:
        return await obtain_by_acme(voice, profile.acme, trust, attester)
    if profile.scep is not None:
        return await obtain_identity(voice, profile.scep, trust, await keys.take(profile.scep.key_size))
    raise InstallationFailed(f"the profile's identity is a {profile.identity_type}, which this device cannot get")


def read_profile(download: Download, old: Enrollment | None) -> InstalledProfile:
    """The profile, if this device would install it; raises InstallationFailed."""
    try:
        profile = read_enrollment_profile(download.content)
    except ProfileError as error:
        raise InstallationFailed(str(error)) from None
    if old is not None:
        reasons = check_update(old.profile, profile)
        if old.signer != download.signer:
            reasons.append("the update of a profile must be signed by whom the profile was signed by")
        if reasons:
            raise InstallationFailed(f"the device is enrolled, and refuses this update: {'; '.join(reasons)}")
    return profile


def token_update(enrollment: Enrollment, channel: Channel, facts: Facts, *, awaiting: bool = False) -> bytes:
    """The message that tells the service how to reach a channel."""
    keys: dict[str, PlistValue] = {
        "MessageType": "TokenUpdate",
        "Topic": enrollment.profile.topic,
        "PushMagic": channel.magic,
        "Token": channel.token,
    }
    if channel.unlock_token is not None:
        keys["UnlockToken"] = channel.unlock_token
    if channel.is_user and facts.is_mac:
        keys["NotOnConsole"] = False
    elif channel.is_user:
        keys["AwaitingConfiguration"] = channel.is_awaiting
    elif awaiting or not facts.is_mac:
        keys["AwaitingConfiguration"] = awaiting
    return channel.message(**keys)


async def update_token(voice: Voice, enrollment: Enrollment, channel: Channel, *, awaiting: bool = False) -> Verdict:
    """Tell the service how to reach a channel, again and again until it takes it or patience ends."""
    return await insist(voice, enrollment, token_update(enrollment, channel, voice.facts, awaiting=awaiting))


async def insist(voice: Voice, enrollment: Enrollment, message: bytes) -> Verdict:
    """Send a check-in message until it gets an answer that settles it, or patience ends."""
    patience = voice.behaviour.patience
    verdict: Verdict = Failed("it was not tried")
    for attempt in range(max(1, patience.attempts)):
        if attempt:
            await asyncio.sleep(patience.pause(attempt - 1))
        verdict = await say(voice, enrollment, message)
        if not isinstance(verdict, Failed):
            break
    return verdict


async def say(voice: Voice, enrollment: Enrollment, message: bytes) -> Verdict:
    """Send a check-in message once."""
    try:
        return judge(await voice.check_in(enrollment, message), voice.facts)
    except Unreachable as error:
        return Failed(str(error))


async def _authenticate(voice: Voice, new: Enrollment) -> None:
    keys = authentication(voice.facts, new.profile)
    match await say(voice, new, new.device.message(**keys)):
        case Accepted():
            pass
        case verdict:
            raise InstallationFailed(f"the service refuses the Authenticate: {_why(verdict)}")


def authentication(facts: Facts, profile: InstalledProfile) -> dict[str, PlistValue]:
    """The keys of Authenticate: right 16 allows the service to know what device it is."""
    keys: dict[str, PlistValue] = {"MessageType": "Authenticate", "Topic": profile.topic}
    if facts.is_mac:
        keys |= {"DeviceName": facts.device_name, "Model": facts.product_name, "ModelName": facts.model_name}
    if profile.enrollment_mode == "BYOD":
        keys |= {
            "OSVersion": facts.os_version,
            "BuildVersion": facts.build_version,
            "ProductName": facts.product_name,
        }
    elif (profile.access_rights or 0) & _DEVICE_INFORMATION:
        keys |= {
            "OSVersion": facts.os_version,
            "BuildVersion": facts.build_version,
            "ProductName": facts.product_name,
            "SerialNumber": facts.serial_number,
        }
        if facts.imei is not None:
            keys["IMEI"] = facts.imei
    return keys


def _channel(voice: Voice, profile: InstalledProfile, old: Enrollment | None, *, keep_magic: bool) -> Channel:
    """The push token belongs to the device and stays in an update; the magic belongs to the enrollment."""
    if old is None:
        byod = profile.enrollment_mode == "BYOD"
        return new_device_channel(voice.facts, voice.behaviour, rights=profile.access_rights, user_enrollment=byod)
    before = old.device
    magic = before.magic if keep_magic else new_magic()
    return Channel(before.names, before.token, magic, before.unlock_token)


def _why(verdict: Verdict) -> str:
    match verdict:
        case Failed(why) | Unenrolled(why):
            return why
        case Unmanaged():
            return "HTTP 410"
        case Accepted():
            return "nothing"
