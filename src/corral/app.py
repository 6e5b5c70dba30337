"""The one place that constructs and wires: from settings to a service that listens."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_network
from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Route

from corral.apns.client import PushClient
from corral.dep.client import DepClient
from corral.http.admin.app import admin_app
from corral.http.admin.sources import Proxies
from corral.http.asgi import App, Scope
from corral.http.device.answers import Direct
from corral.http.device.health import Health
from corral.http.routes import front, mounted, route_of
from corral.logs import lines
from corral.pki.authority import create_authority
from corral.pki.escrow_key import create_escrow_key
from corral.sealing import Sealer
from corral.service.access.caller import LOCAL_ADMINISTRATOR
from corral.service.access.credentials import Credentials
from corral.service.access.permission import ADMINISTRATOR
from corral.service.access.roles import Roles
from corral.service.authorities.authorities import Authorities
from corral.service.clock import Clock, system_clock, to_datetime
from corral.service.installation.metrics import Metrics
from corral.service.services import Services
from corral.service.tracing import UNTRACED
from corral.settings import Settings
from corral.store.sqlite import open_sqlite
from corral.store.store import Store
from corral.wiring import ground, named_files
from corral.wiring.administration import services_of
from corral.wiring.background import worker_of
from corral.wiring.device_routes import device_routes
from corral.wiring.traces import tracing_of
from corral.worker.worker import Worker

if TYPE_CHECKING:
    from corral.tracing.exporting import Tracing

DATABASE = "corral.db"
SHARED_METRICS = "metrics"
"""Folder of the counts of several processes; they begin anew with the service."""


@dataclass(frozen=True, slots=True)
class Corral:
    """A wired service: its ASGI apps, and the worker that runs beside them."""

    store: Store
    authorities: Authorities
    services: Services
    device_app: App
    admin_app: App
    both_app: App
    worker: Worker


async def initialize(settings: Settings, clock: Clock = system_clock) -> str:
    """Make the database, the authority and the keys of a new installation; returns its first credential."""
    sealer = named_files.sealer(settings)
    now = to_datetime(clock())
    authority, escrow_key = await asyncio.gather(
        asyncio.to_thread(create_authority, f"{settings.organization} Device Authority", now),
        asyncio.to_thread(create_escrow_key, settings.organization, now),
    )
    async with _open_store(settings, sealer, create=True) as store:
        await store.vault.put_secret("authority.certificate", authority.certificate_pem())
        await store.vault.put_secret("authority.key", authority.key_pem())
        await store.vault.put_secret("challenge.key", secrets.token_bytes(32))
        await store.vault.put_secret(ground.ESCROW_KEY, escrow_key.pem())
        credentials = Credentials(store.access, Roles(store.access, clock), clock)
        by = replace(LOCAL_ADMINISTRATOR, name="corral init")
        _, token = await credentials.create("first administrator", by, role=ADMINISTRATOR)
    return token


@contextlib.asynccontextmanager
async def build(settings: Settings, clock: Clock = system_clock) -> AsyncGenerator[Corral]:
    """The whole service over an open store, without anything that listens."""
    async with _open_store(settings, named_files.sealer(settings)) as store:
        dep = DepClient(
            settings.ade_url, trust_pem=settings.ade_ca.read_bytes() if settings.ade_ca is not None else None
        )
        tracing = tracing_of(settings.apns_url)
        try:
            yield await _wire(settings, store, dep, clock, tracing)
        finally:
            await dep.close()
            if tracing is not None:
                await tracing.close()


def _open_store(
    settings: Settings, sealer: Sealer, *, create: bool = False
) -> contextlib.AbstractAsyncContextManager[Store]:
    if settings.database == "sqlite":
        return open_sqlite(settings.data / DATABASE, sealer, create=create)
    # Not before it is needed: an embedded installation starts faster without the other client.
    from corral.store.postgres import open_postgres

    return open_postgres(settings.database, sealer, create=create, pooler=settings.pooler)


async def _wire(settings: Settings, store: Store, dep: DepClient, clock: Clock, tracing: "Tracing | None") -> Corral:
    base = await ground.lay(settings, store, clock, UNTRACED if tracing is None else tracing.commands)
    push = PushClient(
        settings.apns_url, trust_pem=settings.apns_ca.read_bytes() if settings.apns_ca is not None else None
    )
    metrics = Metrics(settings.data / SHARED_METRICS if settings.workers > 1 else None)
    services = services_of(base, dep, push, metrics)
    device = device_routes(base, services)
    health = Health(store)
    healthy: list[BaseRoute] = [Route("/livez", health.livez), Route("/readyz", health.readyz)]
    proxies = Proxies(tuple(map(ip_network, settings.proxy)), settings.proxy_address_header)
    told = partial(_tell, tuple(device.direct)) if settings.log_level == "debug" else None

    def outside(direct: Mapping[str, Direct], routes: list[BaseRoute]) -> App:
        app = front(direct, routes, metrics.answered, told)
        return app if tracing is None else tracing.requests(app, tuple(device.direct))

    api = mounted("/api/v1", admin_app(services, link_days=settings.link_days, proxies=proxies, clock=clock))
    return Corral(
        store=store,
        authorities=base.authorities,
        services=services,
        device_app=outside(device.direct, [*device.routed, *healthy]),
        admin_app=outside({}, [api, *healthy]),
        both_app=outside(device.direct, [*device.routed, *healthy, api]),
        worker=await worker_of(base, services, push, metrics),
    )


def _tell(direct: tuple[str, ...], scope: Scope, status: int, seconds: float) -> None:
    route = route_of(scope, direct)
    lines.answered(method=scope["method"], route=route, status=status, milliseconds=round(seconds * 1000, 1))
