"""Which devices the organization has assigned to this service, in Apple's own books."""

from dataclasses import dataclass
from typing import Protocol

from corral.store.ade import AdeStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """`source` names what the device was found in, as `assignment:<server>`."""

    serial_number: str
    source: str


class Assignments(Protocol):
    async def find(self, serial_number: str) -> Assignment | None: ...


class ListedAssignments:
    """By what Apple listed last under one of our servers; without a profile of ours nobody wants it to enroll."""

    def __init__(self, ade: AdeStore) -> None:
        self._ade = ade

    async def find(self, serial_number: str) -> Assignment | None:
        for listed in await self._ade.find(serial_number):
            if listed.device.deleted_at is None and listed.device.profile_uuid:
                return Assignment(serial_number=serial_number, source=f"assignment:{listed.device.server}")
        return None
