"""The one place that constructs and wires: from settings to a service that listens."""

import asyncio
import base64
import contextlib
import hashlib
import secrets
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_network
from itertools import chain
from pathlib import Path

import structlog
from cryptography import x509
from starlette.routing import BaseRoute, Mount, Route

from corral.apns.client import PushClient
from corral.dep.client import DepClient
from corral.http.admin.app import admin_app
from corral.http.asgi import App
from corral.http.device import acme
from corral.http.device.accounts.gate import Gate
from corral.http.device.accounts.routes import account_routes, make_challenge
from corral.http.device.automated import Automated
from corral.http.device.enroll import EnrollPages
from corral.http.device.health import Health
from corral.http.device.identity_source import FromHeader, FromSignature, FromTls, IdentitySource
from corral.http.device.mdm import MdmRoute
from corral.http.device.over_the_air import OverTheAir
from corral.http.device.scep import ScepRoute
from corral.http.measured import measured
from corral.http.routes import front
from corral.lifecycle.digest import UserFileError, Verifier, read_users
from corral.outgoing import Outgoing
from corral.pki.apple_roots import ENTERPRISE_ATTESTATION
from corral.pki.attestation import attestation_trust
from corral.pki.authority import Authority, create_authority, read_authority
from corral.pki.device_roots import APPLE_ROOT
from corral.pki.device_signature import DeviceTrust
from corral.pki.identity import Trust
from corral.sealing import Sealer, read_keys
from corral.service.accounts.accounts import AccountSetup, make_accounts
from corral.service.accounts.gate import AccountGate
from corral.service.accounts.person import AccountRules
from corral.service.accounts.provider import Client
from corral.service.accounts.sessions import Sessions
from corral.service.acme.callers import Callers
from corral.service.acme.nonces import Nonces
from corral.service.acme.ordering import Ordering
from corral.service.ade.automated import AutomatedEnrollment, automated_enrollment
from corral.service.ade.profiles import Where
from corral.service.admitting import Admitting
from corral.service.assignments import ListedAssignments
from corral.service.challenges import Challenges
from corral.service.channel import Channel
from corral.service.checkin import CheckIn
from corral.service.clock import Clock, system_clock, to_datetime
from corral.service.commanding import Commanding
from corral.service.contacts import ContactBook
from corral.service.credentials import Credentials
from corral.service.enrolling import Enrolling
from corral.service.escrowing import Escrowing
from corral.service.expiries import Expiries
from corral.service.granting import Granting
from corral.service.identifying import Identifying
from corral.service.issuing import Issuing
from corral.service.metrics import Exposition, Metrics
from corral.service.operating import Operating
from corral.service.pairing_tokens import PAIRING, PairingTokens
from corral.service.policies import Policies
from corral.service.push_certificates import PushCertificates
from corral.service.pushing import Pushing
from corral.service.renewing import Renewing
from corral.service.retaining import Keep, Retaining
from corral.service.scep_requests import ScepRequests
from corral.service.services import Services
from corral.service.status import Status
from corral.service.sweeping import Sweeping
from corral.service.token_services import MAID, MaidTokens, TokenServices
from corral.service.transitions import Transitions
from corral.service.turns import Turns
from corral.settings import Settings
from corral.store.errors import StoreRefused
from corral.store.sqlite import open_sqlite
from corral.store.store import Store
from corral.worker.worker import Worker

_log = structlog.get_logger("corral")

DATABASE = "corral.db"
SHARED_METRICS = "metrics"
"""Folder of the counts of several processes; they begin anew with the service."""


@dataclass(frozen=True, slots=True)
class Corral:
    """A wired service: its ASGI apps, and the worker that runs beside them."""

    store: Store
    authority: Authority
    services: Services
    device_app: App
    admin_app: App
    both_app: App
    worker: Worker


async def initialize(settings: Settings, clock: Clock = system_clock) -> str:
    """Make the database, the authority and the keys of a new installation; returns its first credential."""
    sealer = _sealer(settings)
    authority = await asyncio.to_thread(
        create_authority, f"{settings.organization} Device Authority", to_datetime(clock())
    )
    async with _open_store(settings, sealer, create=True) as store:
        await store.vault.put_secret("authority.certificate", authority.certificate_pem())
        await store.vault.put_secret("authority.key", authority.key_pem())
        await store.vault.put_secret("challenge.key", secrets.token_bytes(32))
        _, token = await Credentials(store.vault, store.events, clock).create(
            "first administrator", None, "corral init"
        )
    return token


@contextlib.asynccontextmanager
async def build(settings: Settings, clock: Clock = system_clock) -> AsyncGenerator[Corral]:
    """The whole service over an open store, without anything that listens."""
    sealer = _sealer(settings)
    async with _open_store(settings, sealer) as store:
        client = DepClient(
            settings.ade_url, trust_pem=settings.ade_ca.read_bytes() if settings.ade_ca is not None else None
        )
        try:
            yield await _wire(settings, store, client, clock)
        finally:
            await client.close()


def _open_store(
    settings: Settings, sealer: Sealer, *, create: bool = False
) -> contextlib.AbstractAsyncContextManager[Store]:
    if settings.database == "sqlite":
        return open_sqlite(settings.data / DATABASE, sealer, create=create)
    # Not before it is needed: an embedded installation starts faster without the other client.
    from corral.store.postgres import open_postgres

    return open_postgres(settings.database, sealer, create=create, pooler=settings.pooler)


async def _wire(settings: Settings, store: Store, dep: DepClient, clock: Clock) -> Corral:
    policy = replace(settings.policy(), verifier=await _verifier(settings, store))
    authority = await _read_authority(store)
    challenge_key = await store.vault.get_secret("challenge.key")
    if challenge_key is None:
        raise StoreRefused("The database holds no challenge key; it was not made by `corral init`.")
    challenges = Challenges(challenge_key)
    others = _foreign(settings.authorities)
    trust = Trust([authority.certificate], others)
    identifying = Identifying(trust, clock)
    contacts = ContactBook(store.contacts, clock)
    transitions = Transitions(store.devices, contacts, policy, clock)
    enrolling = Enrolling(
        authority,
        challenges,
        store.grants,
        store.devices,
        store.vault,
        store.events,
        settings.public_url,
        settings.organization,
        clock,
        settings.identity_enrollment,
        settings.attestation,
    )
    granting = Granting(challenges, enrolling, identifying, store.grants, store.events, transitions, clock)
    issuing = Issuing(authority, store.grants, store.devices, policy, clock, settings.identity_days)
    turns = Turns()
    client = PushClient(
        settings.apns_url, trust_pem=settings.apns_ca.read_bytes() if settings.apns_ca is not None else None
    )
    metrics = Metrics(settings.data / SHARED_METRICS if settings.workers > 1 else None)
    pushing = Pushing(store.work, store.vault, store.events, client, clock, metrics.pushed)
    await pushing.load_certificates()
    ade = _automated(settings, store, dep, authority, clock)
    sessions = Sessions(
        store.accounts,
        store.events,
        clock,
        access_time=settings.account_access_time,
        session_time=settings.account_session_time,
    )
    operating = Operating(store.directory, store.devices, transitions, enrolling, policy, clock)
    expiries = Expiries(
        store.vault,
        store.ade.servers,
        store.work,
        store.events,
        authority,
        clock,
        tls_certificate=settings.tls_certificate,
        foreign=[*chain.from_iterable(others.values())],
    )
    pairing = PairingTokens(challenge_key, clock)
    policies = Policies(store.vault, store.events, clock)
    admitting = Admitting(
        enrolling,
        policies,
        ListedAssignments(store.ade),
        store.directory,
        store.events,
        clock,
        settings.identity_enrollment,
    )
    services = Services(
        admitting=admitting,
        policies=policies,
        ade=ade,
        enrolling=enrolling,
        commanding=Commanding(store.queue, store.directory, clock),
        operating=operating,
        push_certificates=PushCertificates(store.vault, store.directory, store.work, store.events, client, clock),
        credentials=Credentials(store.vault, store.events, clock),
        account_sessions=sessions,
        escrowing=Escrowing(store.escrow, store.directory, store.events, clock),
        directory=store.directory,
        events=store.events,
        queue=store.queue,
        grants=store.grants,
        vault=store.vault,
        status=Status(store, authority, expiries, clock).read,
        metrics=Exposition(metrics, store, authority, clock).read,
    )
    sweeping = Sweeping(store.queue, store.work, store.acme, transitions, policy, clock)
    retaining = Retaining(store.retention, _keep(settings), clock, forget=(store.accounts.forget_expired,))
    renewing = Renewing(store.grants, store.work, transitions, operating, policy, clock, settings.renew_before)
    rounds = {
        "automated-enrollment": ade.syncing.round,
        "renewals": renewing.round,
        "expiries": expiries.round,
    }
    worker = Worker(store.work, pushing, sweeping, retaining, contacts, clock, rounds=rounds)
    store.on_work(worker.wake)
    mdm = MdmRoute(
        CheckIn(
            transitions,
            TokenServices({MAID: MaidTokens(store.ade, settings.maid_server, clock), PAIRING: pairing}),
        ),
        Channel(store.devices, transitions, contacts, policy, clock),
        identifying,
        _identity_source(settings),
        settings.max_body,
        settings.max_requests,
        _account_gate(settings, store, sessions),
    )
    admin = admin_app(services, link_days=settings.link_days, clock=clock)
    automated = Automated(
        admitting, pairing, DeviceTrust(_device_roots(settings)), _anchors(settings, authority), settings.public_url
    )
    pages = EnrollPages(enrolling, settings.organization, clock)
    over_the_air = OverTheAir(pages, automated, enrolling)
    health = Health(store)
    direct: dict[str, App] = {
        "/mdm": mdm.app(),
        "/checkin": mdm.app(checkin_only=True),
        "/scep": ScepRoute(ScepRequests(authority, granting, issuing, turns)),
    }
    base = settings.public_url + acme.PREFIX
    nonces = Nonces(challenge_key, store.acme, clock)
    ordering = Ordering(
        store.acme,
        store.grants,
        granting,
        issuing,
        transitions,
        turns,
        _attesters(settings),
        settings.attestation,
        clock,
    )
    acme_routes = acme.AcmeRoutes(base, authority, nonces, Callers(base, store.acme, nonces, clock), ordering)
    healthy: list[BaseRoute] = [Route("/livez", health.livez), Route("/readyz", health.readyz)]
    device: list[BaseRoute] = [
        Route("/enroll/automated", automated.enroll, methods=["POST"]),
        Route("/MDMServiceConfig", automated.service_config),
        Route("/MDMServiceConfig/anchors", automated.anchors),
        Route("/enroll/{token}/over-the-air", over_the_air.begin),
        Route("/enroll/{token}/over-the-air", over_the_air.enroll, methods=["POST"]),
        Route("/enroll/{token}", pages.page),
        Route("/enroll/{token}/profile", pages.profile),
        *acme_routes.routes(),
        *_account_routes(settings, store, enrolling, sessions, challenge_key, clock),
        *healthy,
    ]
    api = Mount("/api/v1", admin)
    return Corral(
        store=store,
        authority=authority,
        services=services,
        device_app=measured(front(direct, device), metrics.answered),
        admin_app=measured(front({}, [api, *healthy]), metrics.answered),
        both_app=measured(front(direct, [*device, api]), metrics.answered),
        worker=worker,
    )


def _automated(
    settings: Settings, store: Store, client: DepClient, authority: Authority, clock: Clock
) -> AutomatedEnrollment:
    anchors = tuple(base64.b64encode(each).decode() for each in _anchors(settings, authority))
    where = Where(f"{settings.public_url.rstrip('/')}/enroll/automated", anchors)
    return automated_enrollment(store, client, where, clock, settings.ade_sync_every)


def _account_routes(
    settings: Settings, store: Store, enrolling: Enrolling, sessions: Sessions, secret: bytes, clock: Clock
) -> list[BaseRoute]:
    """None without an identity provider."""
    if settings.oidc_issuer is None:
        return []
    client_secret = settings.oidc_client_secret
    client = Client(
        settings.oidc_issuer,
        settings.oidc_client_id,
        client_secret.get_secret_value() if client_secret is not None else None,
        settings.oidc_scopes,
        f"{settings.public_url}/account/callback",
    )
    rules = AccountRules(
        claim=settings.account_claim,
        domains=tuple(each.lower() for each in settings.account_domains),
        groups_claim=settings.account_groups_claim,
        groups=settings.account_groups,
        as_devices=settings.account_enrollment == "device",
        device_for=settings.account_device_for,
    )
    outgoing = Outgoing(
        tuple(ip_network(each) for each in settings.outgoing_networks),
        trust_pem=settings.oidc_ca.read_bytes() if settings.oidc_ca is not None else None,
    )
    setup = AccountSetup(client=client, rules=rules, secret=secret)
    accounts = make_accounts(setup, sessions, store.accounts, enrolling, outgoing, clock)
    sso = settings.account_sso.read_bytes() if settings.account_sso is not None else None
    challenge = make_challenge(settings.account_method, settings.public_url, sso=sso is not None)
    return account_routes(accounts, challenge, settings.public_url, sso)


def _account_gate(settings: Settings, store: Store, sessions: Sessions) -> Gate | None:
    if settings.oidc_issuer is None or not settings.account_reauthentication:
        return None
    challenge = make_challenge(settings.account_method, settings.public_url, sso=settings.account_sso is not None)
    return Gate(AccountGate(sessions, store.grants, store.devices), challenge)


def _sealer(settings: Settings) -> Sealer:
    """With the keys of the environment, else of the key file, which lies outside the database."""
    if settings.sealing_key is not None:
        return Sealer(read_keys(settings.sealing_key.get_secret_value(), "CORRAL_SEALING_KEY"))
    path = settings.sealing_key_file
    try:
        return Sealer(read_keys(path.read_text(), str(path)))
    except OSError as error:
        raise StoreRefused(f"Cannot read the sealing key {path}: {error.strerror}.") from None


async def _read_authority(store: Store) -> Authority:
    certificate = await store.vault.get_secret("authority.certificate")
    key = await store.vault.get_secret("authority.key")
    if certificate is None or key is None:
        raise StoreRefused("The database holds no certificate authority; it was not made by `corral init`.")
    return read_authority(certificate, key)


def _attesters(settings: Settings) -> Trust:
    """Who may vouch for devices: Apple, or those of the operator's file."""
    path = settings.attestation_roots
    try:
        pem = ENTERPRISE_ATTESTATION if path is None else path.read_bytes()
        return attestation_trust(x509.load_pem_x509_certificates(pem))
    except (OSError, ValueError) as error:
        raise StoreRefused(f"Cannot read the certificates of attestation_roots, {path}: {error}.") from None


async def _verifier(settings: Settings, store: Store) -> Verifier | None:
    if settings.user_file is None:
        return None
    secret = await store.vault.get_secret("challenge.key") or b""
    try:
        return read_users(settings.user_file.read_text(), hashlib.sha256(b"user digests" + secret).digest())
    except (OSError, UnicodeDecodeError, UserFileError) as error:
        raise StoreRefused(f"Cannot read the users of {settings.user_file}: {error}.") from None


def _device_roots(settings: Settings) -> list[x509.Certificate]:
    pem = APPLE_ROOT if settings.device_roots is None else settings.device_roots.read_bytes()
    return x509.load_pem_x509_certificates(pem)


def _anchors(settings: Settings, authority: Authority) -> tuple[bytes, ...]:
    """Under a certificate of our own authority a device in Setup Assistant has nothing else to know us by."""
    return (authority.der,) if settings.tls == "own" else ()


def _keep(settings: Settings) -> Keep:
    return Keep(
        results=settings.keep_results,
        events=settings.keep_events,
        pushes=settings.keep_pushes,
        contact_hours=settings.keep_contacts,
        grants=settings.keep_grants,
    )


def _foreign(files: Mapping[str, Path]) -> dict[str, list[x509.Certificate]]:
    return {name: x509.load_pem_x509_certificates(path.read_bytes()) for name, path in files.items()}


def _identity_source(settings: Settings) -> IdentitySource:
    match settings.identity:
        case "header":
            proxies = tuple(ip_network(each) for each in settings.proxy if not each.startswith("unix:"))
            return FromHeader(settings.identity_header.lower().encode(), proxies)
        case "tls":
            return FromTls()
        case _:
            return FromSignature()
