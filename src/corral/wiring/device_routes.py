"""Everything that a device can ask for."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network

from starlette.routing import BaseRoute, Route

from corral.http.device import acme
from corral.http.device.answers import Direct
from corral.http.device.app_manifests import AppManifests
from corral.http.device.automated import Automated
from corral.http.device.enroll import EnrollPages
from corral.http.device.identity_source import FromHeader, FromSignature, FromTls, IdentitySource
from corral.http.device.mdm import MdmRoute
from corral.http.device.over_the_air import OverTheAirRoute
from corral.http.device.scep import ScepRoute
from corral.pki.device_signature import DeviceTrust
from corral.service.acme.callers import Callers
from corral.service.acme.nonces import Nonces
from corral.service.acme.ordering import Ordering
from corral.service.enrollment.applicants import Applicants
from corral.service.enrollment.over_the_air import OverTheAir
from corral.service.identities.scep_requests import ScepRequests
from corral.service.mdm.channel import Channel
from corral.service.mdm.checkin import CheckIn
from corral.service.mdm.pairing_tokens import PAIRING, PairingTokens
from corral.service.mdm.token_services import MAID, MaidTokens, TokenServices
from corral.service.services import Services
from corral.settings import Settings
from corral.wiring import named_files
from corral.wiring.account_routes import account_gate, account_routes
from corral.wiring.ground import Ground


@dataclass(frozen=True, slots=True)
class DeviceRoutes:
    """`direct`: the paths that are asked for most, which no router stands before."""

    direct: Mapping[str, Direct]
    routed: list[BaseRoute]


def device_routes(ground: Ground, services: Services) -> DeviceRoutes:
    settings = ground.settings
    pairing = PairingTokens(ground.secret, ground.clock)
    mdm = _mdm(ground, services, pairing)
    scep = ScepRequests(ground.authorities, ground.granting, ground.issuing, ground.turns, ground.clock)
    applicants = Applicants(DeviceTrust(named_files.device_roots(settings)), pairing)
    automated = Automated(
        ground.admitting, applicants, services.account_sessions, lambda: ground.anchors, settings.public_url
    )
    pages = EnrollPages(ground.enrolling, ground.admitting, settings.organization, ground.clock)
    over_the_air = OverTheAirRoute(
        pages,
        OverTheAir(
            ground.admitting,
            applicants,
            ground.enrolling,
            ground.identifying,
            ground.store.grants,
            ground.secret,
            ground.clock,
        ),
    )
    return DeviceRoutes(
        {"/mdm": mdm.serving(), "/checkin": mdm.serving(checkin_only=True), "/scep": ScepRoute(scep)},
        [
            Route("/enroll/automated", automated.enroll, methods=["POST"]),
            Route("/MDMServiceConfig", automated.service_config),
            Route("/MDMServiceConfig/anchors", automated.anchors),
            Route("/enroll/{token}/over-the-air", over_the_air.begin),
            Route("/enroll/{token}/over-the-air", over_the_air.enroll, methods=["POST"]),
            Route("/enroll/{token}", pages.page),
            Route("/enroll/{token}/profile", pages.profile),
            Route("/apps/{app}/{proof}/manifest.plist", AppManifests(services.apps).show),
            *_acme(ground).routes(),
            *account_routes(ground, services.account_sessions, applicants),
        ],
    )


def _mdm(ground: Ground, services: Services, pairing: PairingTokens) -> MdmRoute:
    settings, store, clock = ground.settings, ground.store, ground.clock
    tokens = TokenServices({MAID: MaidTokens(store.ade, settings.maid_server, clock), PAIRING: pairing})
    return MdmRoute(
        CheckIn(ground.transitions, tokens, services.returning),
        Channel(
            store.devices,
            ground.transitions,
            ground.contacts,
            ground.policy,
            clock,
            ground.traces,
            services.taking_in.heard,
        ),
        ground.identifying,
        _identity_source(settings),
        settings.max_body,
        settings.max_requests,
        account_gate(ground, services.account_sessions),
    )


def _acme(ground: Ground) -> acme.AcmeRoutes:
    settings, store, clock = ground.settings, ground.store, ground.clock
    base = settings.public_url + acme.PREFIX
    nonces = Nonces(ground.secret, store.acme, clock)
    ordering = Ordering(
        store.acme,
        store.grants,
        ground.granting,
        ground.issuing,
        ground.transitions,
        ground.turns,
        named_files.attesters(settings),
        settings.attestation,
        clock,
    )
    return acme.AcmeRoutes(base, ground.authorities, nonces, Callers(base, store.acme, nonces, clock), ordering)


def _identity_source(settings: Settings) -> IdentitySource:
    match settings.identity:
        case "header":
            proxies = tuple(map(ip_network, settings.proxy))
            return FromHeader(settings.identity_header.lower().encode(), proxies)
        case "tls":
            return FromTls()
        case _:
            return FromSignature()
