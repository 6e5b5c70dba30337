"""Setup Assistant: a new device asks the service that it is assigned to for its profile, does what it is told to do
first, and installs it (Apple: "Automated Device Enrollment")."""

import base64
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias
from urllib.parse import urlsplit

from corral.apple.machine_info import HEADER, MachineInfo
from corral.apple.plist import PlistError, parse_dict
from corral.apple.profile import CONTENT_TYPE
from corral.simulator.asking import (
    Demand,
    MustPair,
    MustSignIn,
    MustUpdate,
    Undiscovered,
    Unwanted,
    ask_for_profile,
    media_type,
    read_demand,
)
from corral.simulator.browser import Browser, SignInFailed
from corral.simulator.device import Device
from corral.simulator.factory import Factory, machine_info, signed_machine_info
from corral.simulator.fetching import InstallationFailed
from corral.simulator.transport import Response, Unreachable

SignIn: TypeAlias = Callable[[str], Awaitable[str]]
"""From the URL that Platform SSO signs in at to the token that comes of it."""

_TAGS = re.compile(r"<style.*?</style>|<[^>]*>", re.DOTALL)
_NEVER_DONE = "the service always wants something more"
_MOST_DEMANDS = 5
"""A service that always wants something more would keep a person before a new device for ever."""


async def set_up(
    device: Device, factory: Factory, url: str, *, platform_sso: SignIn | None = None, phone: Device | None = None
) -> None:
    """Enroll by Automated Device Enrollment; raises InstallationFailed.

    With `platform_sso` the device (a Mac) offers to sign in first, and does so when it is asked to. `phone` is the one
    that a watch is paired with: it gets the watch its token from the service that manages it.
    """
    token: str | None = None
    pairing: bytes | None = None
    for _ in range(_MOST_DEMANDS):
        info = _info(device, platform_sso=platform_sso is not None and token is None)
        info = replace(info, pairing_token=pairing)
        match await ask_for_profile(device.voice, url, factory, info, device.world.trust, token):
            case bytes() as profile:
                await device.enroll(profile)
                return
            case MustSignIn(auth_url=auth_url) if platform_sso is not None and token is None:
                token = await platform_sso(auth_url)
            case MustPair(security_token) if phone is not None and pairing is None:
                pairing = await pairing_token(phone, security_token, device)
            case demand:
                _obey(device, demand)
    raise InstallationFailed(_NEVER_DONE)


async def set_up_by_web(device: Device, factory: Factory, url: str, browser: Browser) -> None:
    """The same in a web view (`configuration_web_url`), where a person signs in; raises InstallationFailed.

    The device takes the profile from no other organization's host: the last two labels must be the same.
    """
    for _ in range(_MOST_DEMANDS):
        message = base64.b64encode(signed_machine_info(factory, machine_info(device.facts))).decode()
        try:
            host, response = await browser.open(url, {HEADER: message})
        except SignInFailed as error:
            raise InstallationFailed(f"the sign-in failed: {error}") from None
        if response.status == 200 and media_type(response) == CONTENT_TYPE:
            if host.split(".")[-2:] != (urlsplit(url).hostname or "").split(".")[-2:]:
                raise InstallationFailed(f"the profile comes from {host}, which is another organization's")
            await device.enroll(response.body)
            return
        demand = read_demand(response) if response.status == 403 else None
        if demand is None:
            raise InstallationFailed(f"the web view ends with HTTP {response.status}: {_sentence(response)}")
        _obey(device, demand)
    raise InstallationFailed(_NEVER_DONE)


def _obey(device: Device, demand: Demand) -> None:
    """What a person before the device can do nothing about raises InstallationFailed."""
    match demand:
        case MustUpdate(os_version, build_version):
            if os_version == device.facts.os_version:
                raise InstallationFailed(f"the service asks for {os_version}, which the device runs already")
            update_system(device, os_version, build_version)
        case MustSignIn():
            raise InstallationFailed("the service asks for Platform SSO, which the device did not offer")
        case MustPair():
            raise InstallationFailed("the service asks for a pairing token, which only a watch can get")
        case Unwanted():
            raise InstallationFailed("the service does not know this device")
        case Undiscovered():
            raise InstallationFailed("the service answers as if an account had been looked up")


def _sentence(response: Response) -> str:
    """What a page says to the person before it, in one line."""
    return " ".join(_TAGS.sub(" ", response.body.decode("utf-8", "replace")).split())[:300]


async def pairing_token(phone: Device, security_token: str, watch: Device) -> bytes:
    """What the phone's service gives it for this watch (Apple: "Get Token"); raises InstallationFailed."""
    if phone.enrollment is None:
        raise InstallationFailed("the phone of the watch is not managed")
    named = {"SecurityToken": security_token, "PhoneUDID": phone.facts.udid, "WatchUDID": watch.facts.udid}
    message = phone.enrollment.device.message(
        MessageType="GetToken", TokenServiceType="com.apple.watch.pairing", TokenParameters=named
    )
    try:
        answer = await phone.voice.check_in(phone.enrollment, message)
        token = parse_dict(answer.body).get("TokenData") if answer.status == 200 else None
    except (Unreachable, PlistError) as error:
        raise InstallationFailed(f"the phone gets no pairing token: {error}") from None
    if not isinstance(token, bytes):
        raise InstallationFailed(f"the phone gets no pairing token: HTTP {answer.status}")
    return token


def update_system(device: Device, os_version: str, build_version: str | None = None) -> None:
    """The device installs a system, and starts again."""
    facts = replace(device.facts, os_version=os_version, build_version=build_version or device.facts.build_version)
    device.become(facts)
    device.note("system updated", True, os_version)


def _info(device: Device, *, platform_sso: bool) -> MachineInfo:
    info = machine_info(device.facts)
    return replace(info, can_request_platform_sso=True) if platform_sso and device.facts.is_mac else info
