"""Which devices the organization has assigned to this service, in Apple's own books."""

import json
from dataclasses import dataclass
from typing import Protocol

from corral.store.ade import AdeDevice, AdeStore

WEB_PATH = "/enroll/automated/web"
"""Where a `configuration_web_url` leads to this service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """`source` names what the device was found in, as `assignment:<server>`. `must_sign_in`: the profile that Apple
    gives it leads to the web view of this service, where its person signs in."""

    serial_number: str
    source: str
    must_sign_in: bool = False


class Assignments(Protocol):
    async def find(self, serial_number: str) -> Assignment | None: ...


class ListedAssignments:
    """By what Apple listed last under one of our servers; without a profile of ours nobody wants it to enroll."""

    def __init__(self, ade: AdeStore, web_url: str) -> None:
        """`web_url` is WEB_PATH of this service."""
        self._ade = ade
        self._web_url = web_url

    async def find(self, serial_number: str) -> Assignment | None:
        for listed in await self._ade.find(serial_number):
            if listed.device.deleted_at is None and listed.device.profile_uuid:
                return Assignment(
                    serial_number=serial_number,
                    source=f"assignment:{listed.device.server}",
                    must_sign_in=await self._must_sign_in(listed.device),
                )
        return None

    async def _must_sign_in(self, device: AdeDevice) -> bool:
        for profile in await self._ade.profiles(device.server):
            if profile.uuid == device.profile_uuid:
                return json.loads(profile.document).get("configuration_web_url") == self._web_url
        return False
