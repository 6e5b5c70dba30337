"""A fleet at work before a service over PostgreSQL, a proxy between service and database, and somebody who watches."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx

from crash.field import BEHIND_PROXY, Field, gather_field
from e2e.installation import Installation, installation, make_template
from faults.proxy import Proxy
from postgres_server import execute

RECOVERS_WITHIN = 10.0
"""Seconds after the database is back, in which a service is at work again."""

Harm = Callable[[], AbstractAsyncContextManager[None]]
"""The fault is there while the context is open."""


@dataclass
class Stage:
    """`direct` is the URL of the database past the proxy; `ready` asks for /readyz."""

    corral: Installation
    field: Field
    proxy: Proxy
    direct: str
    probe: httpx.AsyncClient

    async def execute(self, statement: str) -> None:
        await asyncio.to_thread(execute, self.direct, statement)

    async def readiness(self) -> tuple[int, str]:
        """Status and text of /readyz; 0 where nobody answers."""
        try:
            answer = await self.probe.get("/readyz")
        except httpx.TransportError as error:
            return 0, repr(error)
        assert answer.status_code == 200 or "retry-after" in answer.headers
        return answer.status_code, answer.text

    async def turns_red(self, why: str) -> None:
        """Wait until it is not ready, and says so in one line."""
        end = time.monotonic() + RECOVERS_WITHIN
        while True:
            status, text = await self.readiness()
            if status == 503 and re.search(why, text):
                break
            assert time.monotonic() < end, f"/readyz does not say {why!r}: {status} {text}"
            await asyncio.sleep(0.05)
        assert re.fullmatch(r"database: .+\n", text), text

    async def recovers(self) -> float:
        """Wait until it is ready again and takes results again; how long that took."""
        began, before = time.monotonic(), self.field.taken
        while True:
            ready, taken = await self.readiness(), self.field.taken - before
            if ready == (200, "ok\n") and taken > 5:
                return time.monotonic() - began
            assert time.monotonic() < began + RECOVERS_WITHIN, f"not at work again: {ready}, {taken} results"
            await asyncio.sleep(0.05)

    async def endure(self, harm: Harm) -> tuple[int, float]:
        """Work before, during and after the harm, of which nothing may be lost.

        Returns how many messages were refused, and how long the recovery took.
        """
        field = self.field
        refused = field.ledger.refused
        async with field.at_work() as over:
            await asyncio.sleep(0.5)
            try:
                async with harm():
                    pass
            finally:
                self.proxy.heal()
            seconds = await self.recovers()
            over.set()
        await field.finish()
        await field.check_kept()
        return field.ledger.refused - refused, seconds


@asynccontextmanager
async def stage(
    folder: Path, database: str, *, devices: int = 16, settings: dict[str, str] | None = None
) -> AsyncGenerator[Stage]:
    """A new installation in this empty database; `settings` may say that the service goes another way to it."""
    template = await asyncio.to_thread(make_template, folder / "template", database)
    parts = urlsplit(database)
    assert parts.port is not None
    async with Proxy(parts.port).listening() as proxy:
        through = urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{proxy.port}"))
        given = {**BEHIND_PROXY, "CORRAL_DATABASE": through, **(settings or {})}
        async with (
            installation(template, folder / "service", given, plain=True) as corral,
            httpx.AsyncClient(base_url=f"http://{corral.service.listen}", timeout=20) as probe,
        ):
            field = await gather_field(corral, devices, devices)
            yield Stage(corral, field, proxy, database, probe)
