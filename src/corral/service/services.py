"""Everything that the admin side can do, as one value."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from corral.service.access.access import Access
from corral.service.accounts.sessions import Sessions
from corral.service.ade.automated import AutomatedEnrollment
from corral.service.apps.apps import Apps
from corral.service.authorities.rotating import Rotating
from corral.service.collecting.collecting import Collecting
from corral.service.collecting.refreshing import Refreshing
from corral.service.collecting.schedule import Schedules
from corral.service.commands.commanding import Commanding
from corral.service.connections.deciding_for_many import DecidingForMany
from corral.service.connections.operating import Operating
from corral.service.connections.returning import Returning
from corral.service.connections.takeovers import Takeovers
from corral.service.enrollment.admitting import Admitting
from corral.service.enrollment.enrolling import Enrolling
from corral.service.enrollment.policies import Policies
from corral.service.escrow.escrowing import Escrowing
from corral.service.escrow.filevault import FileVault
from corral.service.escrow.revealing import Revealing
from corral.service.events.feed import EventFeed
from corral.service.installation.expiries import Expiries
from corral.service.inventory.looking import Inventory
from corral.service.inventory.taking_in import TakingIn
from corral.service.profiles.profiles import Profiles
from corral.service.push.certificates import PushCertificates
from corral.service.push.waking import Waking
from corral.service.repeating import Repeating
from corral.service.webhooks.administering import Webhooks
from corral.store.directory import Directory
from corral.store.editions import EditionStore
from corral.store.events import EventStore
from corral.store.grants import GrantStore
from corral.store.queue import QueueStore
from corral.store.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    ade: AutomatedEnrollment
    enrolling: Enrolling
    admitting: Admitting
    policies: Policies
    commanding: Commanding
    schedules: Schedules
    collecting: Collecting
    refreshing: Refreshing
    profiles: Profiles
    apps: Apps
    operating: Operating
    many: DecidingForMany
    takeovers: Takeovers
    filevault: FileVault
    returning: Returning
    push_certificates: PushCertificates
    access: Access
    repeating: Repeating
    account_sessions: Sessions
    escrowing: Escrowing
    revealing: Revealing
    waking: Waking
    webhooks: Webhooks
    inventory: Inventory
    taking_in: TakingIn
    expiries: Expiries
    rotating: Rotating
    directory: Directory
    events: EventStore
    feed: EventFeed
    queue: QueueStore
    grants: GrantStore
    editions: EditionStore
    vault: Vault
    status: Callable[[], Awaitable[Mapping[str, Any]]]
    metrics: Callable[[], Awaitable[bytes]]
