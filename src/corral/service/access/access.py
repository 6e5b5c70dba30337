"""All that decides who may do what, as one value."""

from dataclasses import dataclass

from corral.lifecycle.state import Instant
from corral.service.access.audit import AuditTrail
from corral.service.access.confirming import Confirming
from corral.service.access.credentials import Credentials
from corral.service.access.limits import Limits
from corral.service.access.passwords import Passwords
from corral.service.access.roles import Roles
from corral.service.access.sessions import UserSessions
from corral.service.access.single_sign_on import SingleSignOn
from corral.service.access.users import Users
from corral.service.clock import Clock
from corral.store.access import AccessStore
from corral.store.audit import AuditStore


@dataclass(frozen=True, slots=True)
class Access:
    roles: Roles
    credentials: Credentials
    users: Users
    sessions: UserSessions
    limits: Limits
    confirming: Confirming
    audit: AuditTrail
    single_sign_on: SingleSignOn | None = None
    """None without an identity provider whose groups have roles here."""


def make_access(
    store: AccessStore, audit: AuditStore, clock: Clock, *, session_time: Instant, confirm_above: int
) -> Access:
    roles, passwords, limits = Roles(store, clock), Passwords(), Limits(clock)
    return Access(
        roles,
        Credentials(store, roles, clock),
        Users(store, roles, passwords, clock),
        UserSessions(store, roles, passwords, limits, clock, session_time),
        limits,
        Confirming(confirm_above),
        AuditTrail(audit),
    )
