"""HTTP/1.1 for simulated devices: a few kept connections, shared by as many devices as there are.

One request at a time is under way on a connection. A pool bounds the connections, not the devices, so a
process holds tens of thousands of them.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from corral.simulator.http_connection import Connection, Dropped, Response, Unreachable
from corral.simulator.identity import Identity
from corral.simulator.trust import Trust, tls_context

__all__ = ["Detour", "Response", "Transport", "Unreachable"]

_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_MOST_TARGETS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Detour:
    """Where requests for an origin really go: past the proxy that would end its TLS, say, or to a Unix socket."""

    host: str = ""
    port: int = 0
    tls: bool = False
    unix: str = ""


class _Route:
    """Whom to connect to, and how; the requests of one route share its connections. Equal only to itself."""

    __slots__ = ("host", "identity", "idle", "port", "server_name", "trust", "unix")

    def __init__(self, to: Detour, server_name: str, trust: Trust | None, identity: Identity | None) -> None:
        self.host = to.host
        self.port = to.port
        self.unix = to.unix
        self.server_name = server_name
        self.trust = trust
        self.identity = identity
        self.idle: deque[Connection] = deque()

    def __str__(self) -> str:
        return self.unix or f"{self.server_name} ({self.host}:{self.port})"


class Transport:
    """`connections` is the most that are open at once; `timeout` (seconds) bounds each request, waiting for a
    connection not counted.

    `detours` go by origin, as it stands in the URL ("https://mdm.example.com:8443"). `measure` hears of each answer:
    its status, and the seconds that it took, waiting for a connection not counted.
    """

    def __init__(
        self,
        *,
        connections: int = 64,
        timeout: float = 30.0,
        detours: Mapping[str, Detour] | None = None,
        measure: Callable[[int, float], None] | None = None,
    ) -> None:
        self.timeout = timeout
        self._measure = measure
        self._most = connections
        self._detours = dict(detours or {})
        self._open = 0
        self._routes: dict[tuple[Detour, str, Trust | None, Identity | None], _Route] = {}
        self._targets: dict[tuple[str, Trust, Identity | None], tuple[_Route, str]] = {}
        self._resting: dict[_Route, None] = {}  # those with idle connections, the longest unused first
        self._waiting: deque[tuple[_Route, asyncio.Future[Connection | None]]] = deque()
        self._closed = False

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        trust: Trust,
        identity: Identity | None = None,
    ) -> Response:
        """The answer, redirects followed with the same method and body; `identity` is shown as TLS client
        certificate. Raises Unreachable."""
        for _ in range(_MOST_REDIRECTS + 1):
            route, start = self._target(url, trust, identity)
            lines = [method, start]
            for name, value in headers:
                lines += (name, ": ", value, "\r\n")
            lines.append("\r\n" if method == "GET" else f"Content-Length: {len(body)}\r\n\r\n")
            response = await self._exchange(route, "".join(lines).encode("latin-1") + body)
            location = response.headers.get("location") if response.status in _REDIRECTS else None
            if location is None:
                return response
            following = urljoin(url, location)
            if url.startswith("https:") and not following.startswith("https:"):
                raise Unreachable(f"{url} redirects to a URL that is not https")
            url = following
        raise Unreachable(f"{url}: more than {_MOST_REDIRECTS} redirects")

    async def close(self) -> None:
        """Close all connections that are idle, and the others when their answers are in; those who wait for a
        connection get Unreachable."""
        self._closed = True
        for route in self._resting:
            for connection in route.idle:
                connection.close()
        self._resting.clear()
        while self._waiting:
            _, waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(Unreachable("the transport is closed"))
        await asyncio.sleep(0)  # lets the event loop see the connections off

    # -- requests

    def _target(self, url: str, trust: Trust, identity: Identity | None) -> tuple[_Route, str]:
        """The route of a URL, and how a request for it starts after its method."""
        target = self._targets.get((url, trust, identity))
        if target is not None:
            return target
        parts, host, port = _split(url)
        tls = parts.scheme == "https"
        to = self._detours.get(f"{parts.scheme}://{parts.netloc}")
        if to is None:
            to = Detour(host, port, tls)
        key = (to, host, trust if to.tls else None, identity if to.tls else None)
        if len(self._targets) > _MOST_TARGETS:
            self._targets.clear()
            self._routes = {each: route for each, route in self._routes.items() if route in self._resting}
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = _Route(*key)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        target = route, f" {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        self._targets[(url, trust, identity)] = target
        return target

    async def _exchange(self, route: _Route, message: bytes) -> Response:
        while True:
            connection = await self._take(route)
            began = time.perf_counter()
            try:
                response = await connection.exchange(message, self.timeout)
                if self._measure is not None:
                    self._measure(response.status, time.perf_counter() - began)
                return response
            except Dropped as error:
                # A server may close a kept connection just when it is used again: nothing has been answered.
                if not error.was_kept:
                    raise Unreachable(f"{route}: {error}") from None
            except Unreachable as error:
                raise Unreachable(f"{route}: {error}") from None
            except asyncio.CancelledError:
                connection.close()
                raise
            finally:
                self._pass_on(route, connection if connection.usable and not self._closed else None)

    # -- connections

    async def _take(self, route: _Route) -> Connection:
        if self._closed:
            raise Unreachable("the transport is closed")
        idle = route.idle
        while idle:
            connection = idle.pop()
            if not idle:
                self._resting.pop(route, None)
            if connection.usable:
                return connection
            self._open -= 1
        if self._open < self._most or self._close_idle():
            self._open += 1
        else:
            handed = await self._wait(route)
            if handed is not None:
                return handed
        try:
            return await self._connect(route)
        except BaseException:
            self._pass_on(route, None)
            raise

    async def _wait(self, route: _Route) -> Connection | None:
        """Until another request is done: its connection, or (None) the place of one."""
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((route, waiter))
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._pass_on(route, waiter.result())
            raise

    def _pass_on(self, route: _Route, connection: Connection | None) -> None:
        """Give a connection that has become free, or (None) the place of one that is gone, to who waits."""
        while self._waiting:
            wanted, waiter = self._waiting.popleft()
            if waiter.done():
                continue
            if connection is not None and wanted is not route:
                connection.close()
                connection = None
            waiter.set_result(connection)
            return
        if connection is None:
            self._open -= 1
        else:
            route.idle.append(connection)
            self._resting[route] = None

    def _close_idle(self) -> bool:
        """Make room by closing the connection of a route that rests."""
        for route in self._resting:
            route.idle.popleft().close()
            self._open -= 1
            if not route.idle:
                del self._resting[route]
            return True
        return False

    async def _connect(self, route: _Route) -> Connection:
        loop = asyncio.get_running_loop()
        context = None if route.trust is None else tls_context(route.trust, route.identity)
        name = None if context is None else route.server_name
        try:
            async with asyncio.timeout(self.timeout):
                if route.unix:
                    _, connection = await loop.create_unix_connection(
                        Connection, route.unix, ssl=context, server_hostname=name
                    )
                else:
                    _, connection = await loop.create_connection(
                        Connection, route.host, route.port, ssl=context, server_hostname=name
                    )
        except TimeoutError:
            raise Unreachable(f"{route}: no connection within {self.timeout:g} s") from None
        except OSError as error:  # TLS that fails is one, too
            raise Unreachable(f"{route}: {error.strerror or error}") from None
        return connection


def _split(url: str) -> tuple[SplitResult, str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise Unreachable(f"no URL: {url!a}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise Unreachable(f"no http or https URL: {url!a}")
    sent = parts.netloc + parts.path + parts.query
    if not (sent.isascii() and sent.isprintable()) or " " in sent or "@" in parts.netloc:
        raise Unreachable(f"a URL with characters that do not belong there: {url!a}")
    return parts, host, port or (443 if parts.scheme == "https" else 80)
