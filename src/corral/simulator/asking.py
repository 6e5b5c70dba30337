"""How a device asks for its enrollment profile with what it signs about itself, and what it makes of a refusal.

Apple: "Device Management", the "ErrorCode..." objects: a document with a code that the device knows and all that must
be in it is obeyed; anything else is a plain refusal.
"""

import json
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast
from urllib.parse import urlsplit

from corral.apple.machine_info import MachineInfo
from corral.apple.platform import version
from corral.apple.plist import PlistError, parse
from corral.apple.profile import CONTENT_TYPE
from corral.simulator.factory import Factory, signed_machine_info
from corral.simulator.fetching import InstallationFailed
from corral.simulator.speaking import Voice
from corral.simulator.transport import Response, Unreachable
from corral.simulator.trust import Trust

SIGNED_TYPE: Final = "application/pkcs7-signature"


@dataclass(frozen=True, slots=True)
class MustUpdate:
    os_version: str
    build_version: str | None = None


@dataclass(frozen=True, slots=True)
class MustSignIn:
    """Platform SSO: the profile and package to install, and where to sign in."""

    profile_url: str
    auth_url: str
    manifest_url: str


@dataclass(frozen=True, slots=True)
class MustPair:
    security_token: str


@dataclass(frozen=True, slots=True)
class Unwanted:
    """The service does not know the device (com.apple.unrecognized.device)."""


@dataclass(frozen=True, slots=True)
class Undiscovered:
    """com.apple.well-known.failed."""


Demand: TypeAlias = MustUpdate | MustSignIn | MustPair | Unwanted | Undiscovered


async def ask_for_profile(
    voice: Voice, url: str, factory: Factory, info: MachineInfo, trust: Trust, token: str | None = None
) -> bytes | Demand:
    """The profile, or what the service wants first; raises InstallationFailed, which says what it answered."""
    headers = [("Content-Type", SIGNED_TYPE), ("User-Agent", "DeviceManagementClient/1.0")]
    if token is not None:
        headers.append(("Authorization", f"Bearer {token}"))
    try:
        response = await voice.transport.request(
            "POST", url, headers=tuple(headers), body=signed_machine_info(factory, info), trust=trust
        )
    except Unreachable as error:
        raise InstallationFailed(f"the profile cannot be had: {error}") from None
    if response.status == 200:
        if media_type(response) != CONTENT_TYPE:
            raise InstallationFailed(f"the answer is {media_type(response) or 'of no type'!r}, not {CONTENT_TYPE}")
        return response.body
    if response.status == 403:
        demand = read_demand(response)
        if demand is not None:
            return demand
    reason = response.body[:300].decode("utf-8", "replace").strip()
    raise InstallationFailed(f"the service refuses: HTTP {response.status} {reason}")


def media_type(response: Response) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def read_demand(response: Response) -> Demand | None:
    """What an enrollment error asks for; None where a device would find nothing in it that it can obey."""
    try:
        match media_type(response):
            case "application/json":
                document: object = json.loads(response.body)
            case "application/xml" | "text/xml":
                document = parse(response.body)
            case _:
                return None
        return _demand(document)
    except (PlistError, ValueError, RecursionError):
        return None


def _demand(document: object) -> Demand | None:
    """Raises ValueError for a version or URL that is none."""
    match document:
        case {"code": "com.apple.softwareupdate.required", "details": {"OSVersion": str(wanted)}}:
            version(wanted)
            details = cast(dict[str, dict[str, Any]], document)["details"]
            match details.get("BuildVersion"), details.get("RequireBetaProgram"):
                case (None | str()) as build, (None | {"Description": str(), "Token": str()}):
                    return MustUpdate(wanted, build)
                case _:
                    return None
        case {"code": "com.apple.unrecognized.device"}:
            return Unwanted()
        case {"code": "com.apple.well-known.failed"}:
            return Undiscovered()
        case {
            "code": "com.apple.watch.pairing.token.missing",
            "details": {"security-token": str(token)},
        } if token and token == token.lower():
            return MustPair(token)
        case {
            "code": "com.apple.psso.required",
            "details": {"ProfileURL": str(profile), "AuthURL": str(auth), "Package": {"ManifestURL": str(manifest)}},
        }:
            if any(urlsplit(url).scheme != "https" for url in (profile, auth, manifest)):
                return None
            return MustSignIn(profile, auth, manifest)
        case _:
            return None
