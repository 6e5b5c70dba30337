"""A whole service in this process, its admin API, and devices that are simply there."""

import asyncio
import atexit
import functools
import itertools
import shutil
import tempfile
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import argon2
import httpx
from cryptography import x509

import documented
from corral.app import Corral, build, initialize
from corral.http.asgi import App, Receive, Scope, Send
from corral.lifecycle.change import Change
from corral.lifecycle.state import (
    DAY,
    Certificate,
    CertificateStatus,
    Channel,
    Connection,
    Device,
    Instant,
    Origin,
    Phase,
    Purpose,
)
from corral.sealing import make_key_file
from corral.service.access import passwords
from corral.settings import Settings, read_settings
from corral.simulator.push_certificates import StandInApple
from event_schemas import check_events

START: Instant = 1_790_000_000_000
TOPIC = "com.apple.mgmt.External.5a0c2d3e-test"
PUSH_TOKEN = b"the push token, a secret"
PUSH_MAGIC = "the-push-magic-a-secret"
DER = b"the DER of a certificate"
CHEAP = argon2.profiles.CHEAPEST
"""What a password costs here; tests/service/access/test_users.py holds what it costs elsewhere."""


def local(app: App) -> App:
    """The app as the installation's own socket serves it."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"] = {"corral.local": True}
        await app(scope, receive, send)

    return serve


@dataclass
class Installation:
    """`api` speaks as the owner on the local socket, `remote` as anybody on the network; `now` is the time."""

    now: Instant = START
    token: str = ""
    corral: Corral = field(init=False)
    api: httpx.AsyncClient = field(init=False)
    remote: httpx.AsyncClient = field(init=False)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def clock(self) -> Instant:
        return self.now

    async def get(self, path: str, **query: object) -> Any:
        return self.read(await self.api.get(path, params={name: str(value) for name, value in query.items()}))

    async def post(self, path: str, body: object = None) -> Any:
        return self.read(await self.api.post(path, json=body) if body is not None else await self.api.post(path))

    async def delete(self, path: str, **query: str) -> Any:
        return self.read(await self.api.delete(path, params=query))

    @staticmethod
    def read(response: httpx.Response) -> Any:
        assert response.is_success, f"{response.status_code} {response.text}"
        return response.json() if response.content else None

    async def device(self, phase: Phase = Phase.CONNECTED, *, user: str = "", **facts: Any) -> str:
        """A new device with one life in this phase; returns its id."""
        number = next(self.numbers)
        name, life = f"D{number}", f"C{number}"
        users = (_channel(life, user, self.now),) if user else ()
        await self.corral.store.devices.commit(
            Change(
                device_id=name,
                device=Device(id=name, created_at=self.now, serial_number=f"SERIAL{number}", **facts),
                connections=(
                    Connection(
                        id=life,
                        device_id=name,
                        phase=phase,
                        origin=Origin.ENROLLED,
                        topic=TOPIC,
                        created_at=self.now,
                        connected_at=None if phase is Phase.AUTHENTICATING else self.now,
                        open=phase is Phase.CONNECTED,
                    ),
                ),
                channels=(_channel(life, "", self.now), *users),
                certificates=(
                    Certificate(
                        fingerprint=number.to_bytes(32, "big"),
                        authority="",
                        purpose=Purpose.ENROLL,
                        status=CertificateStatus.BOUND,
                        connection_id=life,
                        device_id=name,
                        issued_at=self.now,
                        not_after=self.now + 365 * DAY,
                        der=DER,
                    ),
                ),
                at=self.now,
            )
        )
        return name

    async def push_certificate(self, topic: str = TOPIC) -> Any:
        """Through all that an operator does."""
        asked = await self.post("/push-certificates/request", {"common_name": "test"})
        key = x509.load_pem_x509_csr(asked["csr"].encode()).public_key()
        now = datetime.fromtimestamp(self.now / 1000, UTC)
        pem = StandInApple.create(now).push_certificate(topic, key, now)  # pyright: ignore[reportArgumentType] - RSA
        return await self.post(
            "/push-certificates", {"certificate": pem.decode(), "apple_account": "owner@example.org"}
        )


def _channel(life: str, user: str, now: Instant) -> Channel:
    return Channel(
        connection_id=life,
        user_id=user,
        kind="user" if user else "device",
        topic=TOPIC,
        token=PUSH_TOKEN,
        magic=PUSH_MAGIC,
        token_updated_at=now,
    )


def fresh(data: Path, **more: object) -> tuple[Settings, str]:
    """The settings, with `more`, of a new installation in this folder, and its first token.

    All have the same keys, which take long to make.
    """
    made, token = _made_once()
    shutil.copytree(made, data, dirs_exist_ok=True)
    return _settings(data, **more), token


@functools.cache
def _made_once() -> tuple[Path, str]:
    folder = Path(tempfile.mkdtemp(prefix="corral-fresh-"))
    atexit.register(shutil.rmtree, folder)
    settings = _settings(folder)
    make_key_file(settings.sealing_key_file)
    with ThreadPoolExecutor(1) as thread:  # an event loop may run in this one
        return folder, thread.submit(asyncio.run, initialize(settings, lambda: START)).result()


def _settings(data: Path, **more: object) -> Settings:
    return read_settings({"data": data, "public_url": "https://mdm.example.org", **more})


@asynccontextmanager
async def installation(data: Path) -> AsyncGenerator[Installation]:
    """A new one in this folder, which nobody else sees, at a time of its own."""
    settings, token = fresh(data)
    async with opened(settings, START) as made:
        made.token = token
        yield made


@asynccontextmanager
async def opened(settings: Settings, now: Instant) -> AsyncGenerator[Installation]:
    """One that is there already, while no service runs over it."""
    made = Installation(now)
    with patch.object(passwords, "COST", CHEAP):
        async with _serving(made, settings):
            yield made
            await _check_events(made)


@asynccontextmanager
async def _serving(made: Installation, settings: Settings) -> AsyncGenerator[None]:
    async with build(settings, made.clock) as made.corral:
        made.corral.services.feed.close()  # this transport hands on whole answers only: streams end at once
        base = "https://mdm.example.org/api/v1"
        inside = httpx.ASGITransport(local(made.corral.admin_app), raise_app_exceptions=False)
        outside = httpx.ASGITransport(made.corral.both_app, raise_app_exceptions=False)
        told = {"response": [documented.hold]}
        async with (
            httpx.AsyncClient(transport=inside, base_url=base, event_hooks=told) as made.api,
            httpx.AsyncClient(transport=outside, base_url=base, event_hooks=told) as made.remote,
        ):
            yield


async def _check_events(made: Installation) -> None:
    """Whatever a test brought about, its events are those that the vocabulary describes."""
    after = 0
    while found := await made.corral.store.events.read(after, 1000):
        check_events(each.event for each in found)
        after = found[-1].sequence
