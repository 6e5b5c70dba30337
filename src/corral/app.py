"""The one place that constructs and wires: from settings to a service that listens."""

import asyncio
import contextlib
import gc
import secrets
import ssl
import sys
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

import structlog
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.routing import BaseRoute, Mount, Route

from corral import __version__
from corral.apns.client import PushClient
from corral.http.admin.app import admin_app
from corral.http.asgi import App
from corral.http.device.enroll import EnrollPages
from corral.http.device.health import Health
from corral.http.device.identity_source import FromHeader, FromSignature, FromTls, IdentitySource
from corral.http.device.mdm import MdmRoute
from corral.http.device.scep import ScepRoute
from corral.http.routes import front
from corral.http.server import Listener, open_tcp, open_unix, serve
from corral.http.workers import supervise
from corral.logs import configure_logs
from corral.pki.authority import Authority, create_authority, issue_server, read_authority
from corral.pki.identity import Trust
from corral.sealing import Sealer, read_keys
from corral.service.challenges import Challenges
from corral.service.channel import Channel
from corral.service.checkin import CheckIn
from corral.service.clock import Clock, system_clock, to_datetime
from corral.service.commanding import Commanding
from corral.service.contacts import ContactBook
from corral.service.credentials import Credentials
from corral.service.enrolling import Enrolling
from corral.service.granting import Granting
from corral.service.identifying import Identifying
from corral.service.issuing import Issuing
from corral.service.operating import Operating
from corral.service.push_certificates import PushCertificates
from corral.service.pushing import Pushing
from corral.service.retaining import Keep, Retaining
from corral.service.scep_requests import ScepRequests
from corral.service.services import Services
from corral.service.status import Status
from corral.service.sweeping import Sweeping
from corral.service.transitions import Transitions
from corral.service.turns import Turns
from corral.settings import Settings
from corral.store.errors import StoreRefused
from corral.store.sqlite import open_sqlite
from corral.store.store import Store
from corral.worker.worker import Worker

_log = structlog.get_logger("corral")

DATABASE = "corral.db"


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
        yield await _wire(settings, store, clock)


def _open_store(
    settings: Settings, sealer: Sealer, *, create: bool = False
) -> contextlib.AbstractAsyncContextManager[Store]:
    if settings.database == "sqlite":
        return open_sqlite(settings.data / DATABASE, sealer, create=create)
    # Not before it is needed: an embedded installation starts faster without the other client.
    from corral.store.postgres import open_postgres

    return open_postgres(settings.database, sealer, create=create, pooler=settings.pooler)


async def _wire(settings: Settings, store: Store, clock: Clock) -> Corral:
    policy = settings.policy()
    authority = await _read_authority(store)
    challenge_key = await store.vault.get_secret("challenge.key")
    if challenge_key is None:
        raise StoreRefused("The database holds no challenge key; it was not made by `corral init`.")
    challenges = Challenges(challenge_key)
    trust = Trust([authority.certificate], _foreign(settings.authorities))
    identifying = Identifying(trust, clock)
    contacts = ContactBook(store.contacts, clock)
    transitions = Transitions(store.devices, contacts, policy, clock)
    enrolling = Enrolling(
        authority,
        challenges,
        store.grants,
        store.vault,
        store.events,
        settings.public_url,
        settings.organization,
        clock,
    )
    granting = Granting(challenges, enrolling, identifying, store.grants, store.events, transitions, clock)
    issuing = Issuing(authority, store.grants, store.devices, policy, clock, settings.identity_days)
    turns = Turns()
    client = PushClient(
        settings.apns_url, trust_pem=settings.apns_ca.read_bytes() if settings.apns_ca is not None else None
    )
    pushing = Pushing(store.work, store.vault, store.events, client, clock)
    await pushing.load_certificates()
    services = Services(
        enrolling=enrolling,
        commanding=Commanding(store.queue, store.directory, clock),
        operating=Operating(store.directory, store.devices, transitions, enrolling, policy, clock),
        push_certificates=PushCertificates(store.vault, store.directory, store.work, store.events, client, clock),
        credentials=Credentials(store.vault, store.events, clock),
        directory=store.directory,
        events=store.events,
        queue=store.queue,
        grants=store.grants,
        vault=store.vault,
        status=Status(store, authority, clock).read,
    )
    sweeping = Sweeping(store.queue, store.work, transitions, policy, clock)
    retaining = Retaining(store.retention, _keep(settings), clock)
    worker = Worker(store.work, pushing, sweeping, retaining, contacts, clock)
    store.on_work(worker.wake)
    mdm = MdmRoute(
        CheckIn(transitions),
        Channel(store.devices, transitions, contacts, policy, clock),
        identifying,
        _identity_source(settings),
        settings.max_body,
        settings.max_requests,
    )
    admin = admin_app(services, link_days=settings.link_days, clock=clock)
    pages = EnrollPages(enrolling, settings.organization, clock)
    health = Health(store)
    direct: dict[str, App] = {
        "/mdm": mdm.app(),
        "/checkin": mdm.app(checkin_only=True),
        "/scep": ScepRoute(ScepRequests(authority, granting, issuing, turns)),
    }
    healthy: list[BaseRoute] = [Route("/livez", health.livez), Route("/readyz", health.readyz)]
    device: list[BaseRoute] = [
        Route("/enroll/{token}", pages.page),
        Route("/enroll/{token}/profile", pages.profile),
        *healthy,
    ]
    api = Mount("/api/v1", admin)
    return Corral(
        store=store,
        authority=authority,
        services=services,
        device_app=front(direct, device),
        admin_app=front({}, [api, *healthy]),
        both_app=front(direct, [*device, api]),
        worker=worker,
    )


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


def run(settings: Settings) -> None:
    """Serve until a signal says stop, in as many processes as the settings say."""
    if settings.workers == 1:
        _run_one(settings, 0)
    else:
        supervise(settings.workers, lambda number: _run_one(settings, number))


def _run_one(settings: Settings, number: int) -> None:
    configure_logs(settings.log_format, settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, number))


async def _serve(settings: Settings, number: int) -> None:
    """One process; the first also has the admin socket."""
    async with build(settings) as corral:
        tls = _tls(settings, corral.authority)
        separate = bool(settings.admin_listen)
        app = corral.device_app if separate else corral.both_app
        shared = settings.workers > 1
        listeners = [Listener(app, open_tcp(each, shared=shared), tls) for each in settings.listen]
        listeners += [Listener(corral.admin_app, open_tcp(each, shared=shared), tls) for each in settings.admin_listen]
        if number == 0:
            listeners.append(Listener(corral.admin_app, open_unix(settings.admin_socket), local=True))
        addresses = [str(each.socket.getsockname()) for each in listeners]

        def started() -> None:
            # What start-up made stays for ever: taken out of the collector's sight, it costs no more rounds.
            gc.collect()
            gc.freeze()
            _log.info("corral.started", version=__version__, listening=addresses, public_url=settings.public_url)
            print(f"Corral {__version__} serves {settings.public_url}; stop it with Ctrl-C.", file=sys.stderr)

        def reload() -> None:
            if tls is None or settings.tls != "files":
                return
            try:
                # A trial first: a pair that does not fit would leave the context that serves with half of it.
                _load_files(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), settings)
                _load_files(tls, settings)
                _log.info("corral.tls-reloaded")
            except OSError as error:
                _log.error("corral.tls-not-reloaded", why=str(error))

        worker = asyncio.create_task(corral.worker.run())
        try:
            await serve(listeners, started, reload)
        finally:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
            await corral.worker.finish()
            if number == 0:
                settings.admin_socket.unlink(missing_ok=True)
            _log.info("corral.stopped")


def _tls(settings: Settings, authority: Authority) -> ssl.SSLContext | None:
    if settings.tls == "off":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if settings.tls == "files":
        _load_files(context, settings)
    else:
        _load_own_certificate(context, settings, authority)
    if settings.identity == "tls":
        context.verify_mode = ssl.CERT_OPTIONAL
        # Who has expired is for the life cycle to decide, which knows how to repair it.
        context.verify_flags |= ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME
        roots = [authority.certificate_pem().decode()]
        roots += [path.read_text() for path in settings.authorities.values()]
        context.load_verify_locations(cadata="\n".join(roots))
    return context


def _load_files(context: ssl.SSLContext, settings: Settings) -> None:
    """Raises OSError, also for an encrypted key: nobody is there to be asked for its password."""
    context.load_cert_chain(str(settings.tls_certificate), str(settings.tls_key), password="")


def _load_own_certificate(context: ssl.SSLContext, settings: Settings, authority: Authority) -> None:
    """A fresh server certificate of our own authority for the public URL's host, made at every start."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = to_datetime(system_clock())
    host = urlsplit(settings.public_url).hostname or "localhost"
    names = list(dict.fromkeys([host, "localhost", "127.0.0.1", "::1"]))
    der = issue_server(authority, key.public_key(), names, now - timedelta(days=1), now + timedelta(days=397))
    pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) + authority.certificate_pem()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # OpenSSL reads keys from files only: this one is readable by its owner alone, and gone at once.
    path = settings.data / f".tls-{secrets.token_hex(8)}.pem"
    try:
        path.touch(0o600)
        path.write_bytes(pem + secret)
        context.load_cert_chain(str(path))
    finally:
        path.unlink(missing_ok=True)
