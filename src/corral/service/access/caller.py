"""Who asks, and what they may do."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from corral.service.access.permission import EVERYTHING, Permission
from corral.service.errors import Forbidden


class CallerKind(StrEnum):
    LOCAL = "local"
    """Whoever owns the installation's Unix socket."""
    TOKEN = "token"  # noqa: S105 - a kind
    USER = "user"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """`id` is that of the token or user. Has only what it was given: a new permission is nobody's but administrators'.

    `session` is the id of the token of a user's session.
    """

    kind: CallerKind
    id: str = ""
    name: str
    role: str = ""
    permissions: frozenset[Permission] = field(default_factory=frozenset[Permission], repr=False)
    session: str = ""

    def require(self, permission: Permission) -> None:
        """Raises Forbidden."""
        if permission not in self.permissions:
            raise Forbidden(f"This needs the permission {permission}, which {self.name} does not have.")

    def may_give(self, permissions: Iterable[Permission]) -> None:
        """Nobody hands on, or takes from somebody, what they do not have themselves. Raises Forbidden."""
        beyond = sorted(set(permissions) - self.permissions)
        if beyond:
            raise Forbidden(f"{self.name} does not have {', '.join(beyond)}, so this is for others to decide.")


NOBODY = Caller(kind=CallerKind.NOBODY, name="nobody")
LOCAL_ADMINISTRATOR = Caller(
    kind=CallerKind.LOCAL, name="local administrator", role="administrator", permissions=EVERYTHING
)
