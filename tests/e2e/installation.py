"""A whole Corral: its data folder, its process, a stand-in for Apple's push service, and devices before it."""

import asyncio
import contextlib
import functools
import itertools
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from corral.cli.process import ServiceProcess, free_port
from corral.sealing import Sealer, read_keys
from corral.simulator.attesting import AttestationServer, attestation_server
from corral.simulator.behaviour import Behaviour, Patience
from corral.simulator.device import Device, World, make_device
from corral.simulator.facts import Model
from corral.simulator.keys import KeyPool
from corral.simulator.push_certificates import StandInApple
from corral.simulator.push_service import PushService
from corral.simulator.transport import Detour, Transport
from corral.simulator.trust import Trust, tls_context
from corral.store.sqlite import open_sqlite
from corral.store.store import Store

TOPIC = "com.apple.mgmt.External.7d2c1f60-0000-4000-8000-0000000000e2"
STANDARD = {
    "CORRAL_BREAKER_LIMIT": "1000000",
    "CORRAL_SETUP_TIME": "0s",
    "CORRAL_LOG_LEVEL": "debug",
    "CORRAL_COLLECT_INVENTORY": "false",
}
"""Devices have to do what a test says, and nothing else; those of the inventory's tests are asked by themselves."""

FUTURE = Path(__file__).parent / "future"
IMPATIENT = Patience(2, 0.02, 0.02)


class FixedKeys(KeyPool):
    """A few keys for all devices, since making keys would be most of the work."""

    def __init__(self, keys: list[rsa.RSAPrivateKey]) -> None:
        super().__init__(threads=1)
        self._turns = itertools.cycle(keys)

    async def take(self, bits: int = 2048) -> rsa.RSAPrivateKey:
        del bits
        return next(self._turns)


class Unheard:
    """Registers devices with the push service, and lets them sleep through every push."""

    def __init__(self, push: PushService) -> None:
        self._push = push

    def register(self, token: bytes, topic: str, magic: str, wake: Callable[[], None]) -> None:
        del wake
        self._push.register(token, topic, magic, lambda: None)

    def unregister(self, token: bytes) -> None:
        self._push.unregister(token)

    def offline(self, token: bytes) -> None:
        self._push.offline(token)

    def online(self, token: bytes) -> None:
        self._push.online(token)


def on_future_path() -> dict[str, str]:
    """The environment of a service whose clock and rounds a test turns, see `future/`."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(FUTURE), os.environ.get("PYTHONPATH"))))}


HURRIED = on_future_path() | {"E2E_ROUNDS": "0.2"}
"""What is due is done at once."""


@dataclass(frozen=True)
class Template:
    """A fresh installation on the disk, from which all others are copied; all share an authority and keys."""

    data: Path
    token: str
    apple: StandInApple
    push_key: rsa.RSAPrivateKey
    keys: FixedKeys
    attester: AttestationServer


def make_template(folder: Path, database: str = "sqlite") -> Template:
    """What `corral init` makes."""
    data, token = _initialize(folder, database)
    keys, now = _keys(), datetime.now(UTC)
    return Template(
        data,
        token,
        StandInApple.create(now),
        keys[0],
        FixedKeys(keys[1:]),
        attestation_server(now),
    )


@functools.cache
def _keys() -> list[rsa.RSAPrivateKey]:
    return [rsa.generate_private_key(65537, 2048) for _ in range(8)]


def over_database(template: Template, folder: Path, database: str) -> Template:
    """Another installation, in this database, before the same Apple and the same devices."""
    data, token = _initialize(folder, database)
    return replace(template, data=data, token=token)


def _initialize(folder: Path, database: str) -> tuple[Path, str]:
    """The data folder, and the first token."""
    data = folder / "data"
    where = ("--data", str(data), "--database", database, "--public-url", "https://127.0.0.1:1")
    made = subprocess.run(
        [sys.executable, "-m", "corral", "init", *where, "--json"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return data, json.loads(made.stdout)["token"]


@dataclass
class Installation:
    """In `world` devices hear pushes; in `quiet` they poll only when a test tells them to."""

    template: Template
    service: ServiceProcess
    url: str
    push: PushService
    api: httpx.AsyncClient
    world: World
    quiet: World
    is_plain: bool = False
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def data(self) -> Path:
        return self.service.data

    @property
    def trust(self) -> Trust:
        return self.world.trust

    @property
    def tls(self) -> ssl.SSLContext:
        """For a browser that trusts this service."""
        return tls_context(self.trust, None)

    @property
    def transport(self) -> Transport:
        return self.world.transport

    # -- the admin side

    async def get(self, path: str, **query: object) -> Any:
        return await self._ask("GET", path, params={name: str(value) for name, value in query.items()})

    async def post(self, path: str, **body: object) -> Any:
        return await self._ask("POST", path, **({"json": body} if body else {}))

    async def delete(self, path: str) -> None:
        await self._ask("DELETE", path)

    async def _ask(self, method: str, path: str, **more: Any) -> Any:
        response = await self.api.request(method, path, **more)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    async def import_push_certificate(self, topic: str = TOPIC) -> None:
        key = self.template.push_key
        certificate = self.template.apple.push_certificate(topic, key.public_key(), datetime.now(UTC))
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        await self.post("/push-certificates", certificate=certificate.decode(), key=pem.decode())

    async def link(self, **wanted: object) -> str:
        """The URL of a new enrollment link."""
        url: str = (await self.post("/links", **wanted))["url"]
        return url

    async def send(self, device: Device, request_type: str, *, user: str = "", force: bool = False, **keys: Any) -> str:
        """Queue a command; its CommandUUID."""
        asked = {"request_type": request_type, "keys": keys, "user": user, "force": force}
        sent = await self.post("/commands", devices=[device.facts.udid], **asked)
        assert sent["queued"] == 1, sent
        return sent["command_uuid"]

    async def outcome(self, command_uuid: str) -> Any:
        """The delivery of a command that went to one channel, with its result."""
        return (await self.get(f"/commands/{command_uuid}"))["deliveries"][0]

    async def lives(self, device: Device) -> list[Any]:
        """All lives of a device, newest first."""
        return (await self.get(f"/devices/{device.facts.udid}"))["connections"]

    async def life(self, device: Device) -> Any:
        """The latest one."""
        return (await self.lives(device))[0]

    async def cursor(self) -> int:
        """After the last event that there is now."""
        events = await self.events(0)
        return events[-1]["sequence"] if events else 0

    async def events(self, after: int, device: Device | None = None) -> list[Any]:
        found: list[Any] = []
        while True:
            page = await self.get("/events", after=after, limit=1000)
            if not page["events"]:
                return [each for each in found if device is None or each["device_id"] == device.facts.udid]
            found += page["events"]
            after = page["next"]

    async def kinds(self, device: Device) -> list[str]:
        """The types of all events of a device, oldest first."""
        entries = (await self.get(f"/devices/{device.facts.udid}/timeline", limit=500))["entries"]
        return [each["data"]["type"] for each in reversed(entries) if each["kind"] == "event"]

    # -- devices

    def device(
        self, model: Model = Model.IPHONE, os_version: str | None = "18.2", *, quiet: bool = True, **behaviour: Any
    ) -> Device:
        number = next(self.numbers)
        behaves = replace(Behaviour(patience=IMPATIENT), **behaviour)
        world = self.quiet if quiet else self.world
        seed = Random(f"{self.data.name} {number}")
        return make_device(seed, world, model, number=number, behaviour=behaves, os_version=os_version)

    async def enrolled(
        self, model: Model = Model.IPHONE, os_version: str | None = "18.2", *, quiet: bool = True, **behaviour: Any
    ) -> Device:
        """A device that is connected, and has nothing to do."""
        device = self.device(model, os_version, quiet=quiet, **behaviour)
        await device.enroll(await self.link())
        await device.settle()
        return device

    # -- the process

    async def restart(self, *, days_ahead: float = 0) -> None:
        """Stop and start; `days_ahead` lets it live in the future, where its own TLS certificates cannot follow."""
        await self.service.stop()
        ahead = {"E2E_AHEAD": str(int(days_ahead * 86_400_000))}
        self.service.environment = self.service.environment | on_future_path() | ahead
        await self.service.start()

    def log(self) -> str:
        return self.service.log.read_text()


async def until(happened: Callable[[], Any], seconds: float = 30) -> None:
    """Wait for something that comes about by itself; `happened` may be a coroutine function."""
    end = time.monotonic() + seconds
    while True:
        found = happened()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        assert time.monotonic() < end, f"it did not happen within {seconds} s"
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def installation(
    template: Template,
    folder: Path,
    settings: dict[str, str] | None = None,
    *,
    push_certificate: bool = True,
    plain: bool = False,
) -> AsyncGenerator[Installation]:
    """A running one. `settings` is its environment; `plain` serves HTTP, as behind a proxy that is not there."""
    data = folder / "data"
    shutil.copytree(template.data, data)
    push = PushService(template.apple)
    push_port, port = await push.start(), free_port()
    (data / "apns.pem").write_bytes(template.apple.root_pem)
    (data / "devices.pem").write_bytes(template.apple.devices.pem)
    (data / "attestation.pem").write_bytes(template.attester.root_pem)
    address, url = f"127.0.0.1:{port}", f"https://127.0.0.1:{port}"
    environment = {
        **STANDARD,
        "CORRAL_PUBLIC_URL": url,
        "CORRAL_APNS_URL": f"https://127.0.0.1:{push_port}",
        "CORRAL_APNS_CA": str(data / "apns.pem"),
        "CORRAL_ATTESTATION_ROOTS": str(data / "attestation.pem"),
        "CORRAL_DEVICE_ROOTS": str(data / "devices.pem"),
        **({"CORRAL_TLS": "off"} if plain else {}),
        **(settings or {}),
    }
    service = ServiceProcess(data, address, environment)
    detours = {url: Detour("127.0.0.1", port)} if plain else {}
    transport = Transport(connections=32, timeout=30, detours=detours)
    try:
        await service.start()
        async with service.admin() as api:
            trust = Trust((await _root(url, plain),), system=False)
            world = World(transport, template.keys, push, trust, attester=template.attester)
            quiet = replace(world, push=Unheard(push))
            made = Installation(template, service, url, push, api, world, quiet, plain)
            if push_certificate:
                await made.import_push_certificate()
            yield made
    finally:
        await transport.close()
        await service.stop()
        await push.stop()


async def _root(url: str, plain: bool) -> bytes:
    """The authority's certificate, as a person would be handed it before trusting the enrollment page."""
    where = url.replace("https://", "http://") if plain else url
    async with httpx.AsyncClient(verify=False) as client:  # noqa: S501 - it is what is to be trusted from now on
        der = (await client.get(f"{where}/scep?operation=GetCACert")).content
    x509.load_der_x509_certificate(der)
    return der


@contextlib.asynccontextmanager
async def opened(stopped: Installation) -> AsyncGenerator[Store]:
    """Its store, read in this process; the service is stopped for it, and stays so."""
    await stopped.service.stop()
    key = stopped.data / "sealing.key"
    async with open_sqlite(stopped.data / "corral.db", Sealer(read_keys(key.read_text(), str(key)))) as store:
        yield store
