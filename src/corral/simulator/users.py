"""Users of a device log in and out: each has a channel of his own while he is there.

Source: Apple, "Managing devices and users in macOS", "Enabling network and mobile user logins", "User Configured".
"""

import hashlib
import re
from dataclasses import replace
from typing import Final

from corral.apple.plist import PlistError, PlistValue, parse_dict
from corral.simulator.behaviour import User
from corral.simulator.device import Device
from corral.simulator.enrollment import Channel, Enrollment, Held, new_user_channel
from corral.simulator.facts import Model
from corral.simulator.installing import update_token
from corral.simulator.speaking import Accepted, Failed, Unmanaged, Verdict, judge
from corral.simulator.transport import Unreachable

_PART: Final = re.compile(r'(\w+)="([^"]*)"')


class NobodyLogsIn(Exception):
    """The device is not enrolled, or is none that has users."""


async def log_in(device: Device, user: User) -> Verdict:
    """The user logs in: Accepted once the login is no longer held, Unmanaged if the service will not have him."""
    channel = _begin(device, user)
    if user.password:
        verdict = await _prove(device, channel, user)
        if not isinstance(verdict, Accepted):
            device.note("user not managed", True, user.short_name)
            return verdict
    return await _enter(device, channel, Held.LOGIN_WINDOW if device.facts.is_mac else None)


async def create_account(device: Device, user: User) -> Verdict:
    """Setup Assistant of a Mac asks for the rules of passwords before the account is made, and obeys nothing yet."""
    return await _enter(device, _begin(device, user), Held.SETUP_ASSISTANT)


def log_out(device: Device, user: User) -> None:
    """The user has gone: nothing is sent, and no push wakes his channel."""
    enrollment = _enrollment(device)
    gone = _find(enrollment, _begin(device, user))
    if gone is None:
        return
    if device.world.push is not None:
        device.world.push.unregister(gone.token)
    left = tuple(channel for channel in enrollment.users if channel is not gone)
    device.enrollment = replace(enrollment, users=left)


def respond(challenge: str, user: User) -> str:
    """What a Mac makes of a DigestChallenge and a password (RFC 2617 3.2.2, without a quality of protection)."""
    said = dict(_PART.findall(challenge))
    realm, nonce = said.get("realm", ""), said.get("nonce", "")
    proof = _md5(f"{_md5(f'{user.short_name}:{realm}:{user.password}')}:{nonce}:{_md5('PUT:/')}")
    return f'Digest username="{user.short_name}", realm="{realm}", nonce="{nonce}", uri="/", response="{proof}"'


def _begin(device: Device, user: User) -> Channel:
    enrollment = _enrollment(device)
    if device.facts.model not in (Model.MAC, Model.IPAD):
        raise NobodyLogsIn(f"{device.facts.udid} is a {device.facts.model}, which has no users")
    channel = new_user_channel(device.facts, user, enrollment.device.names.get("EnrollmentID"))
    channel.is_awaiting = user.awaits_configuration and device.facts.model is Model.IPAD
    return channel


async def _enter(device: Device, channel: Channel, held: Held | None) -> Verdict:
    """Tell of the channel, and poll on it as soon as the service has taken it."""
    enrollment = _enrollment(device)
    known = _find(enrollment, channel)
    others = tuple(each for each in enrollment.users if each is not known)
    device.enrollment = enrollment = replace(enrollment, users=(*others, channel))
    if known is not None and device.world.push is not None:
        device.world.push.unregister(known.token)
    channel.held = held
    device.listen(channel, enrollment.profile.topic)
    verdict = await update_token(device.voice, enrollment, channel)
    device.obey(channel, verdict)
    return await device.poll(channel.user_id) if isinstance(verdict, Accepted) else verdict


async def _prove(device: Device, channel: Channel, user: User) -> Verdict:
    """UserAuthenticate in its two steps; the channel shows the token from then on."""
    asked = await _ask(device, channel)
    if not isinstance(asked, dict):
        return asked
    challenge = asked.get("DigestChallenge")
    if not isinstance(challenge, str):
        return Failed("UserAuthenticate was answered without a DigestChallenge")
    if not challenge:
        return Accepted()
    answered = await _ask(device, channel, DigestResponse=respond(challenge, user))
    if not isinstance(answered, dict):
        return answered
    token = answered.get("AuthToken")
    if not isinstance(token, str):
        return Failed("the response to a challenge was answered without an AuthToken")
    if not token:
        return Unmanaged()
    channel.show(token)
    return Accepted()


async def _ask(device: Device, channel: Channel, **keys: PlistValue) -> dict[str, PlistValue] | Verdict:
    message = channel.message(MessageType="UserAuthenticate", **keys)
    try:
        response = await device.voice.check_in(_enrollment(device), message)
        verdict = judge(response, device.facts)
        return parse_dict(response.body) if isinstance(verdict, Accepted) else verdict
    except (Unreachable, PlistError) as problem:
        return Failed(str(problem))


def _find(enrollment: Enrollment, channel: Channel) -> Channel | None:
    return next((each for each in enrollment.users if each.user_id == channel.user_id), None)


def _enrollment(device: Device) -> Enrollment:
    if device.enrollment is None:
        raise NobodyLogsIn(f"{device.facts.udid} is not enrolled")
    return device.enrollment


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
