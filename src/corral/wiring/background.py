"""What runs beside the requests: pushes, sweeps, retention, renewals, synchronization, warnings."""

from corral.apns.client import PushClient
from corral.lifecycle.collecting import COLLECT
from corral.service.connections.sweeping import Sweeping
from corral.service.identities.renewing import Renewing
from corral.service.identities.warnings import IdentityWarnings
from corral.service.installation.metrics import Metrics
from corral.service.installation.retaining import Forget, Keep, Retaining
from corral.service.push.pushing import Pushing
from corral.service.services import Services
from corral.settings import Settings
from corral.store.store import Store
from corral.wiring.ground import Ground
from corral.worker import worker as running
from corral.worker.inventory import InventoryKeeper
from corral.worker.webhooks import WebhookSender
from corral.worker.worker import Worker


async def worker_of(ground: Ground, services: Services, push: PushClient, metrics: Metrics) -> Worker:
    settings, store, clock = ground.settings, ground.store, ground.clock
    pushing = Pushing(
        store.work,
        store.vault,
        store.events,
        push,
        clock,
        metrics.pushed,
        services.takeovers.unreachable,
        ground.traces,
    )
    await pushing.load_certificates()
    warnings = IdentityWarnings(store.grants, store.work, ground.transitions, clock)
    renewing = Renewing(
        store.grants,
        store.work,
        ground.transitions,
        services.operating,
        warnings,
        ground.authorities,
        ground.policy,
        clock,
        settings.renew_before,
    )
    worker = Worker(
        store.work,
        pushing,
        Sweeping(store.queue, store.work, store.acme, ground.transitions, ground.policy, clock),
        Retaining(store.retention, _keep(settings), clock, forget=_forgetting(settings, store)),
        ground.contacts,
        clock,
        running.SWEEP_EVERY,
        rounds={
            "automated-enrollment": services.ade.syncing.round,
            "renewals": renewing.round,
            "identities": warnings.round,
            "expiries": services.expiries.round,
            "inventory": services.collecting.notice,
        },
        duties={COLLECT: services.collecting.collect},
        watches={"authorities": services.rotating.refresh, "audit": services.access.audit.round},
        inventory=InventoryKeeper(services.taking_in),
        webhooks=WebhookSender(store.webhooks, services.webhooks.delivering, clock),
    )
    store.on_work(worker.wake)
    return worker


def _forgetting(settings: Settings, store: Store) -> list[Forget]:
    """What is over by its own time; of the audit trail, by the setting's."""
    found: list[Forget] = [
        store.accounts.forget_expired,
        store.access.forget_expired,
        store.webhooks.forget_orphans,
        store.idempotency.forget_expired,
        store.inventory.forget_unused,
    ]
    keep = settings.keep_audit
    if keep is not None:
        found.append(lambda now, limit: store.audit.forget(now - keep, limit))
    return found


def _keep(settings: Settings) -> Keep:
    return Keep(
        results=settings.keep_results,
        collected=settings.keep_collected,
        events=settings.keep_events,
        pushes=settings.keep_pushes,
        contact_hours=settings.keep_contacts,
        inventory=settings.keep_inventory_history,
        grants=settings.keep_grants,
    )
