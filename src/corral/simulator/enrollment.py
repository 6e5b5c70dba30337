"""What a device keeps of an enrollment: the installed profile, its identity, and its channels."""

import asyncio
import secrets
import uuid
from dataclasses import dataclass, field, replace
from enum import StrEnum

from corral.apple.installed_profile import InstalledProfile
from corral.apple.platform import Platform
from corral.apple.plist import PlistValue, dump
from corral.simulator.behaviour import Behaviour, User
from corral.simulator.facts import Facts, Model
from corral.simulator.identity import Identity
from corral.simulator.trust import Trust

SHARED_IPAD_USER = "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"


class Held(StrEnum):
    """What a user of a Mac is held by until a poll is answered with an empty body; the value is the key that polls
    say it by (Apple: "Managing devices and users in macOS")."""

    LOGIN_WINDOW = "NeedSyncResponse"
    SETUP_ASSISTANT = "UserConfiguration"
    """There is no account yet: whatever is commanded gets NotNow."""


@dataclass(slots=True, eq=False)
class Channel:
    """The device channel or one user's. `names` are the identifier keys of its messages (Apple: "Check-in"), with the
    AuthToken of a network user.

    `token`, `magic` and `unlock_token` are what the service was last told, or will be next. `unsent` is a result
    that no 2xx has answered yet; `silent` that the service does not manage this user (410). `session` is the poll
    under way, `again` that another is due after it, `deferred` that it said NotNow; `is_awaiting` that a user of a
    Shared iPad waits for UserConfigured. Equal only to itself.
    """

    names: dict[str, str]
    token: bytes = field(repr=False)
    magic: str = field(repr=False)
    unlock_token: bytes | None = field(default=None, repr=False)
    idle: bytes = field(init=False, repr=False)
    last_status: str = ""
    unsent: bytes | None = field(default=None, repr=False)
    silent: bool = False
    declarations_token: str = ""
    declarations: dict[str, str] = field(default_factory=dict[str, str])
    session: asyncio.Future[None] | None = field(default=None, repr=False)
    again: bool = False
    deferred: bool = False
    is_awaiting: bool = False
    held: Held | None = None

    def __post_init__(self) -> None:
        self.idle = self.message(Status="Idle")

    def poll(self) -> bytes:
        """The message that asks for a command."""
        return self.idle if self.held is None else self.message(Status="Idle", **{self.held.value: True})

    def show(self, auth_token: str) -> None:
        """Send this token with every message from now on."""
        self.names = {**self.names, "AuthToken": auth_token}
        self.idle = self.message(Status="Idle")

    @property
    def is_user(self) -> bool:
        return "UserID" in self.names or "EnrollmentUserID" in self.names

    def message(self, **keys: PlistValue) -> bytes:
        """A message of this channel as it goes over the wire."""
        return dump({**keys, **self.names})

    @property
    def user_id(self) -> str:
        """Who it is among the channels of a device: empty for the device itself."""
        if not self.is_user:
            return ""
        return self.names.get("UserID", self.names.get("EnrollmentUserID", "")) + self.names["UserShortName"]

    def take_over(self, other: "Channel") -> None:
        """The push token, magic and unlock token of another."""
        self.token, self.magic, self.unlock_token = other.token, other.magic, other.unlock_token

    def renamed(self, udid: str) -> "Channel":
        """The same on another device."""
        return Channel({**self.names, "UDID": udid}, self.token, self.magic, self.unlock_token)

    def with_new_token(self, *, magic: bool, unlock_token: bool) -> "Channel":
        """The same after the operating system has given out a new push token."""
        return Channel(
            self.names,
            new_token(),
            new_magic() if magic else self.magic,
            secrets.token_bytes(512) if unlock_token and self.unlock_token else self.unlock_token,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Enrollment:
    """An installed enrollment profile, and who signed it (DER)."""

    profile: InstalledProfile
    signer: bytes | None = field(repr=False)
    identity: Identity
    trust: Trust
    device: Channel
    users: tuple[Channel, ...] = ()

    @property
    def channels(self) -> tuple[Channel, ...]:
        return (self.device, *self.users)

    def on(self, udid: str) -> "Enrollment":
        """A copy on another device: what Migration Assistant makes of it."""
        return replace(self, device=self.device.renamed(udid), users=tuple(user.renamed(udid) for user in self.users))


def new_device_channel(
    facts: Facts, behaviour: Behaviour, *, rights: int | None, user_enrollment: bool = False
) -> Channel:
    """A user enrollment has an identifier of its own, another at each enrollment, and nothing to unlock with.
    iOS escrows its unlock token where the service may lock (right 4); a Mac has none (Apple: "TokenUpdate").
    """
    if user_enrollment:
        return Channel({"EnrollmentID": str(uuid.uuid4()).upper()}, new_token(), new_magic())
    escrows = behaviour.unlock_token and facts.platform in (Platform.IOS, Platform.VISIONOS) and (rights or 0) & 4
    return Channel({"UDID": facts.udid}, new_token(), new_magic(), secrets.token_bytes(512) if escrows else None)


def new_user_channel(facts: Facts, user: User, enrollment_id: str | None = None) -> Channel:
    """`enrollment_id` is that of a user enrollment, whose users tell nothing of the device either."""
    own = user.guid or str(uuid.uuid5(uuid.NAMESPACE_OID, f"{facts.udid} {user.short_name}")).upper()
    if enrollment_id is not None:
        own = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{enrollment_id} {user.short_name}")).upper()
        people = {"UserShortName": user.short_name, "UserLongName": user.long_name}
        names = {"EnrollmentID": enrollment_id, "EnrollmentUserID": own, **people}
        return Channel(names, new_token(), new_magic())
    guid = SHARED_IPAD_USER if facts.model is Model.IPAD else own
    names = {"UDID": facts.udid, "UserID": guid, "UserShortName": user.short_name, "UserLongName": user.long_name}
    return Channel(names, new_token(), new_magic())


def new_token() -> bytes:
    return secrets.token_bytes(32)


def new_magic() -> str:
    return str(uuid.uuid4()).upper()
