"""Who may administer: tokens, users, and the roles that people have made. Secrets are kept as hashes only."""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, Protocol

from corral.lifecycle.change import Event
from corral.lifecycle.state import DAY, Instant

ENDED_KEPT: Final = 90 * DAY
"""So long a token is listed after it has expired or was revoked: programs make many of them. The audit trail knows of
it for longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A bearer token of the admin API, as it is listed: its hash, never itself.

    It may do what its `role` may, or else its own `permissions`; that of a user's session what the user may.
    """

    id: str
    name: str
    digest: bytes = field(repr=False)
    created_at: Instant
    created_by: str = ""
    expires_at: Instant | None = None
    revoked_at: Instant | None = None
    role: str = ""
    permissions: tuple[str, ...] = ()
    user_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """`name` in small letters. `password` is an Argon2id hash, empty where there is none; `subject` is what an
    identity provider calls the person, after its issuer."""

    id: str
    name: str
    role: str
    password: str = field(default="", repr=False)
    subject: str = ""
    created_at: Instant
    created_by: str = ""
    disabled_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A set of permissions with a name; those that the program itself brings are not stored."""

    name: str
    permissions: tuple[str, ...]
    created_at: Instant
    created_by: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A credential with whose it is, and the stored role of either, if it is a stored one."""

    credential: Credential
    user: User | None
    role: Role | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessChange:
    """What is put, whole, by its key; and what is taken away. All of it, with its events, or nothing."""

    at: Instant
    role: Role | None = None
    role_is_new: bool = False
    """It must not be there yet; else it must."""
    drop_role: str = ""
    user: User | None = None
    user_was: User | None = None
    """What it must still be; without it the user is new."""
    needs_role: str = ""
    """A stored role that must be there: a name that somebody has without one would be whatever is made of it later."""
    credential: Credential | None = None
    revoke: str = ""
    """The id of a credential."""
    end_sessions_of: str = ""
    """The id of a user."""
    events: tuple[Event, ...] = ()


RANKS = (
    "SELECT 2 AS lasts FROM user_account WHERE role = 'administrator' AND disabled_at IS NULL"
    " AND (password <> '' OR subject <> '') UNION ALL SELECT CASE WHEN expires_at IS NULL THEN 2 ELSE 1 END"
    " FROM credential WHERE role = 'administrator' AND revoked_at IS NULL"
)
"""The administrators there are, to either back-end: 2 who stays one until somebody decides otherwise, 1 a token that
ends by itself. Who has no way to sign in is none."""


class Outcome(Enum):
    DONE = auto()
    MISSING = auto()
    """What is to be changed or taken away is not there (any more)."""
    STALE = auto()
    """The user is not what was read any more."""
    TAKEN = auto()
    """There is one of this name."""
    IN_USE = auto()
    """Somebody has the role that is to go."""
    LAST = auto()
    """Nobody would be left who lasts as an administrator as what there was did: see RANKS."""


class AccessRefused(Exception):
    """Ends a change in a back-end, so that nothing of it stays."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.name)
        self.outcome = outcome


class AccessStore(Protocol):
    async def find(self, digest: bytes) -> Held | None: ...

    async def credentials(self) -> tuple[Credential, ...]:
        """Newest first, sessions of users too."""
        ...

    async def users(self) -> tuple[User, ...]:
        """By name."""
        ...

    async def user(self, name: str) -> User | None:
        """By name or id."""
        ...

    async def user_of(self, subject: str) -> User | None: ...

    async def roles(self) -> tuple[Role, ...]:
        """By name."""
        ...

    async def commit(self, change: AccessChange) -> Outcome: ...

    async def forget_expired(self, now: Instant, limit: int) -> int:
        """Delete sessions of users that are over, and tokens that have ended ENDED_KEPT ago."""
        ...
