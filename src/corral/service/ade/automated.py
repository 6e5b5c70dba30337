"""All of automated enrollment, as one value."""

from dataclasses import dataclass

from corral.dep.client import DepClient
from corral.lifecycle.state import Instant
from corral.service.ade.assigning import Assigning
from corral.service.ade.profiles import Profiles, Where
from corral.service.ade.servers import Servers
from corral.service.ade.syncing import Syncing
from corral.service.clock import Clock
from corral.store.ade import AdeStore
from corral.store.store import Store


@dataclass(frozen=True, slots=True)
class AutomatedEnrollment:
    store: AdeStore
    servers: Servers
    assigning: Assigning
    profiles: Profiles
    syncing: Syncing


def automated_enrollment(
    store: Store, client: DepClient, where: Where, clock: Clock, sync_every: Instant
) -> AutomatedEnrollment:
    servers = Servers(store.ade, store.events, client, clock)
    assigning = Assigning(store.ade, store.events, servers, clock)
    return AutomatedEnrollment(
        store=store.ade,
        servers=servers,
        assigning=assigning,
        profiles=Profiles(store.ade, servers, assigning, where, clock),
        syncing=Syncing(store.ade, store.work, store.events, servers, assigning, clock, sync_every),
    )
