"""Which reports a device is asked for, and when: on a schedule, spread over the fleet, together, and again soon after a
command that changes what they tell.

A report is the answer to a command that only asks. The turns of a device are fixed points in time, made of its id: so a
fleet that has enrolled on one day is not asked at once, and what is due daily and weekly falls together.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from corral.lifecycle.state import DAY, HOUR, MINUTE, DeliveryState, Instant

COLLECT: Final = "collect"
"""The kind of work that looks at a connection's reports; its key is the connection's id."""

COLLECTOR: Final = "inventory"
"""Who has asked, in lists of commands, where nobody has but the schedule."""
PRIORITY: Final = -100
"""Of its commands: after all that people have queued."""

REPORTS: Final = (
    "DeviceInformation",
    "SecurityInfo",
    "InstalledApplicationList",
    "ManagedApplicationList",
    "ProfileList",
    "CertificateList",
    "UserList",
    "AvailableOSUpdates",
    "OSUpdateStatus",
    "ProvisioningProfileList",
    "Restrictions",
)
"""What can be collected."""

LEAST: Final = 15 * MINUTE
"""Nothing is asked for more often."""
GRID: Final = 5 * MINUTE
"""Turns fall on these: all devices of one are asked by the same commands."""
PATIENCE: Final = 7 * DAY
"""How long a command that asks stays open at the least: a device that is away gathers no more than one of each."""

_APPS: Final = (("ManagedApplicationList", MINUTE), ("InstalledApplicationList", 10 * MINUTE))
_PROFILES: Final = (("ProfileList", 0), ("CertificateList", MINUTE), ("Restrictions", 0))
_SYSTEM: Final = (("OSUpdateStatus", 10 * MINUTE), ("DeviceInformation", HOUR), ("AvailableOSUpdates", HOUR))

STIRS: Final[Mapping[str, tuple[tuple[str, Instant], ...]]] = {
    "ApplyRedemptionCode": _APPS,
    "ClearPasscode": (("SecurityInfo", 0),),
    "DeleteUser": (("UserList", MINUTE),),
    "DisableLostMode": (("DeviceInformation", 0),),
    "EnableLostMode": (("DeviceInformation", 0),),
    "InstallApplication": _APPS,
    "InstallEnterpriseApplication": _APPS,
    "InstallProfile": _PROFILES,
    "InstallProvisioningProfile": (("ProvisioningProfileList", 0),),
    "RemoveApplication": _APPS,
    "RemoveProfile": _PROFILES,
    "RemoveProvisioningProfile": (("ProvisioningProfileList", 0),),
    "RotateFileVaultKey": (("SecurityInfo", 0),),
    "ScheduleOSUpdate": _SYSTEM,
    "SetFirmwarePassword": (("SecurityInfo", 0),),
    "SetRecoveryLock": (("SecurityInfo", 0),),
    "Settings": (("DeviceInformation", 0),),
}
"""The reports that a command changes, once it was acknowledged, and after how long."""

SOON: Final = MINUTE
_LATER: Final = HOUR
"""Whether a command that changes a report was done is looked at so soon, then after as long again as it has taken by
then, up to an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """How it stands with one report of a channel: the command that has asked for it last, and the last one that
    changes what it tells. A `state` None: that command is not in the queue (any more)."""

    channel_id: str
    report: str
    asked_at: Instant | None = None
    state: DeliveryState | None = None
    answered_at: Instant | None = None
    stirred_at: Instant | None = None
    stirring: str = ""
    stirring_state: DeliveryState | None = None
    stirring_done_at: Instant | None = None

    @property
    def is_open(self) -> bool:
        return self.state is DeliveryState.OPEN

    @property
    def stale_at(self) -> Instant | None:
        """When the last answer has become one of before: the change was made, and has had its time to show."""
        if self.stirring_state is not DeliveryState.ACKNOWLEDGED or self.stirring_done_at is None:
            return None
        delay = dict(STIRS.get(self.stirring, ())).get(self.report)
        if delay is None:
            return None
        told_at = self.answered_at if self.state is DeliveryState.ACKNOWLEDGED else self.asked_at
        shows_at = self.stirring_done_at + delay
        return shows_at if (told_at or 0) < shows_at else None


@dataclass(frozen=True, slots=True)
class Plan:
    """The reports to ask for now, and when to look again."""

    due: tuple[str, ...]
    again: Instant


def plan(inquiries: Mapping[str, Inquiry], schedule: Mapping[str, Instant], device_id: str, now: Instant) -> Plan:
    """`schedule` has the reports of this device with the time between two of each."""
    due: list[str] = []
    looks = [now + DAY]
    for report, every in schedule.items():
        inquiry = inquiries.get(report)
        if inquiry is None or (inquiry.asked_at is None and not inquiry.is_open):
            due.append(report)
            continue
        at = _due_at(inquiry, every, device_id, now)
        if at <= now:
            due.append(report)
        else:
            looks.append(at)
        if inquiry.stirring_state is DeliveryState.OPEN and inquiry.stirred_at is not None:
            looks.append(now + min(max(now - inquiry.stirred_at, SOON), _LATER))
    looks += [next_turn(schedule[report], device_id, now + schedule[report] // 4) for report in due]
    return Plan(tuple(due), min(looks))


def _due_at(inquiry: Inquiry, every: Instant, device_id: str, now: Instant) -> Instant:
    if inquiry.is_open:
        return next_turn(every, device_id, now)
    # A turn that comes soon after is passed over: the report is as good as new.
    turn = next_turn(every, device_id, (inquiry.asked_at or 0) + every // 4)
    return turn if inquiry.stale_at is None else min(turn, inquiry.stale_at)


def next_turn(every: Instant, device_id: str, after: Instant) -> Instant:
    """The first turn of a device after this time, of those that come `every` so often."""
    offset = _number(device_id) % every // GRID * GRID
    return after - (after - offset) % every + every


@lru_cache(16_384)
def _number(device_id: str) -> int:
    """The same for a device each time, and any for different ones."""
    return int.from_bytes(hashlib.sha256(device_id.encode()).digest()[:8])


def expires_at(every: Instant, asked_at: Instant) -> Instant:
    """When a command that asks for a report is given up."""
    return asked_at + max(every, PATIENCE)
