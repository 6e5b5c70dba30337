"""Streams and long polls end with the right to them, and only with that."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from corral.http.asgi import App
from corral.service.events.feed import EventFeed
from corral.store.errors import StoreUnavailable
from inprocess import Installation

QUICKLY = 0.05


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch, installation: Installation) -> None:
    monkeypatch.setattr("corral.http.admin.lasting.LOOKED_EVERY", QUICKLY)
    installation.corral.services.feed.is_closed = False


async def token(installation: Installation, role: str = "viewer") -> tuple[str, str]:
    made = await installation.post("/tokens", {"name": "dashboard", "role": role})
    return made["credential"]["id"], made["token"]


class Heard:
    """What a client over ASGI has got: its transport in tests hands on whole answers only."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""
        self.over = asyncio.Event()

    async def send(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.over.set()


@asynccontextmanager
async def asking(app: App, path: str, query: str, token: str) -> AsyncGenerator[Heard]:
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": f"/api/v1{path}",
        "raw_path": f"/api/v1{path}".encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"authorization", f"Bearer {token}".encode()), (b"host", b"mdm.example.org")],
        "client": ("127.0.0.1", 1),
        "server": ("mdm.example.org", 443),
        "scheme": "https",
        "http_version": "1.1",
    }
    bodies = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        if (message := next(bodies, None)) is not None:
            return message
        return await asyncio.Event().wait()

    heard = Heard()

    async def serve() -> None:
        await app(scope, receive, heard.send)

    serving = asyncio.create_task(serve())
    try:
        yield heard
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def revoke(installation: Installation, id_: str) -> None:
    await installation.delete(f"/tokens/{id_}")


async def take_away(installation: Installation, id_: str) -> None:
    del id_
    assert (await installation.api.put("/roles/desk", json={"permissions": []})).is_success


async def expire(installation: Installation, id_: str) -> None:
    del id_
    installation.now += 100_000


async def take_another_away(installation: Installation, id_: str) -> None:
    """By which the events of tokens and users are shown."""
    del id_
    assert (await installation.api.put("/roles/desk", json={"permissions": ["events:read"]})).is_success


@pytest.mark.parametrize(("path", "query"), [("/events/stream", ""), ("/events", "last=0&wait=50&types=link.*")])
@pytest.mark.parametrize(
    ("end", "status"),
    [(revoke, 401), (take_away, 403), (take_another_away, 403), (expire, 401)],
    ids=["revoked", "taken away", "another taken away", "expired"],
)
async def test_it_ends_with_the_right_to_it(
    installation: Installation,
    path: str,
    query: str,
    end: Callable[[Installation, str], Awaitable[None]],
    status: int,
) -> None:
    await installation.post("/roles", {"name": "desk", "permissions": ["events:read", "access:read"]})
    made = await installation.post("/tokens", {"name": "x", "role": "desk", "expires_in": 100})
    async with asking(installation.corral.both_app, path, query, made["token"]) as heard:
        await asyncio.sleep(4 * QUICKLY)
        assert not heard.over.is_set(), "while the right is there it goes on"
        await end(installation, made["credential"]["id"])
        async with asyncio.timeout(20):
            await heard.over.wait()
    assert heard.status == (200 if path.endswith("stream") else status)
    assert _readers(installation.corral.services.feed) == 0


def _readers(feed: EventFeed) -> int:
    return feed._readers.total()  # pyright: ignore[reportPrivateUsage] - nobody else needs to know


async def test_a_database_that_cannot_be_asked_revokes_nothing(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = await token(installation)
    async with asking(installation.corral.both_app, "/events/stream", "", secret) as heard:
        await asyncio.sleep(QUICKLY)
        monkeypatch.setattr(installation.corral.services.access.credentials, "verify", _unavailable)
        await asyncio.sleep(4 * QUICKLY)
        assert not heard.over.is_set()


async def _unavailable(_: str) -> None:
    raise StoreUnavailable("The database cannot answer.")
