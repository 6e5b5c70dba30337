"""What the admin API stands on."""

import base64
from functools import partial
from itertools import chain

from corral.apns.client import PushClient
from corral.dep.client import DepClient
from corral.pki import cms
from corral.service.accounts.sessions import Sessions
from corral.service.ade.assignments import WEB_PATH
from corral.service.ade.automated import automated_enrollment
from corral.service.ade.profiles import Where
from corral.service.apps.apps import Apps
from corral.service.authorities.authorities import Authorities
from corral.service.authorities.rotating import Rotating
from corral.service.collecting.collecting import Collecting
from corral.service.collecting.refreshing import Refreshing
from corral.service.collecting.schedule import Schedules
from corral.service.commands.commanding import Commanding
from corral.service.commands.targeting import Targeting
from corral.service.connections.deciding_for_many import DecidingForMany
from corral.service.connections.operating import Operating
from corral.service.connections.returning import Returning
from corral.service.connections.takeovers import Takeovers
from corral.service.escrow.escrowing import Escrowing
from corral.service.escrow.filevault import FileVault
from corral.service.escrow.revealing import Revealing
from corral.service.events.feed import EventFeed
from corral.service.installation.expiries import Expiries
from corral.service.installation.metrics import Exposition, Metrics
from corral.service.installation.status import Status
from corral.service.inventory.looking import Inventory
from corral.service.inventory.taking_in import TakingIn
from corral.service.profiles.profiles import make_profiles
from corral.service.push.certificates import PushCertificates
from corral.service.push.waking import Waking
from corral.service.repeating import Repeating
from corral.service.services import Services
from corral.service.webhooks.administering import Webhooks
from corral.service.webhooks.delivering import Delivering
from corral.wiring import named_files
from corral.wiring.access import access_of
from corral.wiring.ground import Ground
from corral.wiring.outside import outgoing_of


def services_of(ground: Ground, dep: DepClient, push: PushClient, metrics: Metrics) -> Services:
    settings, store, clock = ground.settings, ground.store, ground.clock
    web_url = settings.public_url + WEB_PATH if settings.oidc_issuer is not None else ""

    def anchors() -> tuple[str, ...]:
        return tuple(base64.b64encode(each).decode() for each in ground.anchors)

    where = Where(f"{settings.public_url}/enroll/automated", anchors, settings.public_url, web_url)
    feed = EventFeed(store.events)
    store.on_work(feed.wake)
    access = access_of(ground)
    expiries = Expiries(
        store.vault,
        store.access.credentials,
        store.ade.servers,
        store.work,
        store.events,
        ground.authorities,
        clock,
        tls_certificate=settings.tls_certificate,
        foreign=[*chain.from_iterable(ground.foreign.values())],
    )
    targeting = Targeting(store.directory, store.queue)
    schedules = Schedules(store.vault, clock)
    inventory = Inventory(store.inventory, store.directory, clock)
    collecting = Collecting(
        store.collection,
        store.work,
        schedules,
        targeting,
        clock,
        inventory.among,
        metrics.asked,
        enabled=settings.collect_inventory,
    )
    refreshing = Refreshing(store.collection, store.work, schedules, targeting, clock)
    commanding = Commanding(store.queue, store.directory, access.confirming, clock, ground.traces, collecting.stirred)
    operating = Operating(store.directory, store.devices, ground.transitions, ground.enrolling, ground.policy, clock)
    waking = Waking(store.directory, store.work, store.events, clock)
    return Services(
        admitting=ground.admitting,
        policies=ground.policies,
        ade=automated_enrollment(store, dep, where, clock, settings.ade_sync_every),
        enrolling=ground.enrolling,
        commanding=commanding,
        schedules=schedules,
        collecting=collecting,
        refreshing=refreshing,
        profiles=make_profiles(store, commanding, refreshing, partial(_sign, ground.authorities), clock),
        apps=Apps(
            store.apps,
            commanding,
            refreshing,
            store.queue,
            targeting,
            settings.public_url,
            ground.secret,
            clock,
        ),
        operating=operating,
        many=DecidingForMany(operating, waking, access.confirming),
        takeovers=Takeovers(store.directory, store.grants, ground.transitions),
        filevault=FileVault(
            ground.escrow_key,
            commanding,
            store.escrow,
            store.directory,
            settings.public_url,
            settings.organization,
        ),
        returning=Returning(
            ground.admitting,
            commanding,
            ground.transitions,
            store.directory,
            store.events,
            clock,
            settings.return_to_service,
            named_files.wifi_profile(settings),
        ),
        push_certificates=PushCertificates(store.vault, store.directory, store.work, push, clock),
        access=access,
        repeating=Repeating(store.idempotency, clock, settings.keep_answers),
        account_sessions=Sessions(
            store.accounts,
            store.events,
            clock,
            access_time=settings.account_access_time,
            session_time=settings.account_session_time,
        ),
        escrowing=Escrowing(store.escrow, store.directory, store.events, clock),
        revealing=Revealing(store.queue, store.directory, store.events, clock),
        waking=waking,
        webhooks=_webhooks(ground, metrics),
        inventory=inventory,
        taking_in=TakingIn(store.inventory, store.work, clock, metrics.taken_in),
        expiries=expiries,
        rotating=Rotating(
            ground.authorities,
            ground.authority_file,
            store.directory,
            store.work,
            store.ade,
            clock,
            organization=settings.organization,
            own_tls=settings.tls == "own",
        ),
        directory=store.directory,
        events=store.events,
        feed=feed,
        queue=store.queue,
        grants=store.grants,
        editions=store.editions,
        vault=store.vault,
        status=Status(store, ground.authorities, expiries, clock).read,
        metrics=Exposition(metrics, store, ground.authorities, expiries, clock).read,
    )


def _sign(authorities: Authorities, profile: bytes) -> bytes:
    """By the first authority, for ever: a device takes the next version of a profile from the same signer only."""
    first = authorities.roster.held[0].authority
    return cms.sign(profile, first.certificate, first.key)


def _webhooks(ground: Ground, metrics: Metrics) -> Webhooks:
    settings, store, clock = ground.settings, ground.store, ground.clock
    outgoing = outgoing_of(settings, settings.webhook_ca)
    delivering = Delivering(store.webhooks, store.events, outgoing, clock, metrics.told, traces=ground.traces)
    return Webhooks(store.webhooks, store.events, delivering, outgoing, clock)
