"""Automated Device Enrollment as it is remembered: servers, what Apple says of devices, and which profile each gets.

What Apple says (AdeDevice) and what we want (Assignment) are rows of their own: a synchronization never undoes what a
person asked for meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class AdeServer:
    """One device management server of an organization's portal; `token` is the document of dep/token.py."""

    name: str
    created_at: Instant
    certificate_pem: bytes
    key_pem: bytes = field(repr=False)
    token: bytes | None = field(default=None, repr=False)
    token_expires_at: Instant | None = None
    server_uuid: str = ""
    server_name: str = ""
    org_id: str = ""
    org_name: str = ""
    admin_id: str = ""
    default_profile: str = ""
    """Name of the profile of devices that no rule is about, or empty: they get none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncState:
    """How far a server's devices are known. `problem` is empty while all goes well."""

    server: str
    cursor: str = ""
    cursor_at: Instant | None = None
    fetched_at: Instant | None = None
    """When all devices were last fetched, which finds what changes alone cannot tell."""
    synced_at: Instant | None = None
    tried_at: Instant | None = None
    failures: int = 0
    problem: str = ""
    terms_open: bool = False
    """Apple's terms have to be accepted in the portal before anything works again."""
    warned_days: int = 0
    """The last step (60, 30, 7, 1 days) at which the end of its token was warned of; 0: none yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdeDevice:
    """A device as Apple listed it last. Apple's times are Apple's text; `document` is all that Apple said, as JSON."""

    server: str
    serial_number: str
    seen_at: Instant
    """When Apple last listed it; a whole fetch that does not list it any more ends with it deleted."""
    model: str = ""
    description: str = ""
    color: str = ""
    asset_tag: str = ""
    device_family: str = ""
    os: str = ""
    profile_status: str = "empty"
    profile_uuid: str = ""
    profile_assign_time: str = ""
    profile_push_time: str = ""
    device_assigned_date: str = ""
    op_date: str = ""
    document: str = field(default="{}", repr=False)
    deleted_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The profile that a device shall have: `profile` is its name here, or empty to take it away.

    `due_at` says when Apple is told (again); None: Apple has taken it, or it is given up until something changes.
    """

    server: str
    serial_number: str
    profile: str
    assigned_by: str
    by_person: bool
    """Rules and defaults leave alone what a person has said."""
    assigned_at: Instant
    due_at: Instant | None = None
    attempts: int = 0
    outcome: str = ""
    """Apple's last word: SUCCESS, NOT_ACCESSIBLE, FAILED, THROTTLED."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdeProfile:
    """A profile that was defined at Apple. Apple's never change: another definition under the name has another UUID."""

    server: str
    name: str
    uuid: str
    document: str
    defined_at: Instant
    defined_by: str


class RuleField(StrEnum):
    """What of a device a rule looks at."""

    SERIAL = "serial"
    MODEL = "model"
    FAMILY = "family"
    OS = "os"
    ASSET_TAG = "asset-tag"
    DESCRIPTION = "description"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdeRule:
    """Devices whose `field` matches `pattern` (with `*` and `?`, in any case) get `profile`; the first rule counts."""

    server: str
    position: int
    field: RuleField
    pattern: str
    profile: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A device, and what was decided about it."""

    device: AdeDevice
    assignment: Assignment | None


class AdeStore(Protocol):
    async def servers(self) -> tuple[AdeServer, ...]:
        """By name."""
        ...

    async def server(self, name: str) -> AdeServer | None: ...

    async def put_server(self, server: AdeServer, events: tuple[Event, ...] = ()) -> None: ...

    async def remove_server(self, name: str, events: tuple[Event, ...] = ()) -> None:
        """With its devices, profiles and rules here; nothing changes at Apple."""
        ...

    async def state(self, server: str) -> SyncState: ...

    async def put_state(self, state: SyncState) -> None: ...

    async def take(self, devices: Sequence[AdeDevice], state: SyncState | None) -> None:
        """Devices of a page and the cursor after it, in one commit: neither is ever ahead of the other."""
        ...

    async def end_fetch(self, server: str, began_at: Instant, now: Instant) -> tuple[str, ...]:
        """Devices that were not seen since then are deleted; their serial numbers."""
        ...

    async def devices(
        self, server: str | None, limit: int, after: tuple[str, str] = ("", ""), *, deleted: bool = False
    ) -> tuple[Listed, ...]:
        """By server and serial number, behind `after`; with `deleted` those that Apple lists no more as well."""
        ...

    async def some(self, server: str, serials: Sequence[str]) -> tuple[Listed, ...]: ...

    async def find(self, serial: str) -> tuple[Listed, ...]:
        """That serial number under every server, deleted ones too."""
        ...

    async def assign(self, assignments: Sequence[Assignment], events: tuple[Event, ...] = ()) -> None: ...

    async def settle(self, assignments: Sequence[Assignment]) -> None:
        """Write due time, attempts and outcome, where profile and time of the assignment are still the same."""
        ...

    async def due(self, server: str, now: Instant, limit: int) -> tuple[Assignment, ...]:
        """Assignments of devices that are there, oldest due time first."""
        ...

    async def next_due(self, server: str) -> Instant | None: ...

    async def profiles(self, server: str) -> tuple[AdeProfile, ...]:
        """By name."""
        ...

    async def put_profile(self, profile: AdeProfile, events: tuple[Event, ...] = ()) -> None: ...

    async def remove_profile(self, server: str, name: str, events: tuple[Event, ...] = ()) -> None: ...

    async def rules(self, server: str) -> tuple[AdeRule, ...]:
        """In their order."""
        ...

    async def put_rules(self, server: str, rules: Sequence[AdeRule], events: tuple[Event, ...] = ()) -> None:
        """All of a server's rules, in place of those that were."""
        ...
