"""Calls: one by itself over a connection of its own, or many over connections that are kept for one URL."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING

import httpx

from corral.outgoing.addresses import Network, Resolve, callable_address
from corral.outgoing.failure import LineClosed, OutgoingError
from corral.outgoing.line import Line, Reply, Target, open_line
from corral.outgoing.names import Names

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

SECONDS = 10.0
"""For one call, from the look-up of the name to the last byte."""
MOST_BODY = 1024 * 1024


@cache
def _tls_of(trust_pem: bytes | None) -> ssl.SSLContext:
    """Made once a process, and only read after that: to load all authorities of the system takes a while."""
    context = ssl.create_default_context()
    if trust_pem is not None:
        context.load_verify_locations(cadata=trust_pem.decode())
    return context


class Outgoing:
    """`allowed` are networks that may be called though they are not public; `trust_pem` are authorities that are
    believed beside the system's."""

    def __init__(
        self,
        allowed: Sequence[Network] = (),
        *,
        trust_pem: bytes | None = None,
        resolve: Resolve | None = None,
        seconds: float = SECONDS,
        most_body: int = MOST_BODY,
    ) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolve or Names()
        self._seconds = seconds
        self._most_body = most_body
        self._tls = _tls_of(trust_pem)

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Reply:
        """The answer, whatever its status, a redirect among them. Raises OutgoingError."""
        target = parse(url)
        async with self.call(target):
            line = await self.open(target)
            try:
                reply, _ = await self.over(line, method, {"connection": "close", **(headers or {})}, body)
            finally:
                line.close()
            return reply

    @asynccontextmanager
    async def call(self, target: Target) -> "AsyncGenerator[None]":
        """What goes wrong within is an OutgoingError that names the host, and it lasts no longer than a call may."""
        try:
            async with asyncio.timeout(self._seconds):
                yield
        except TimeoutError:
            raise OutgoingError(f"{target.host} gave no answer within {self._seconds:g} s.") from None
        except LineClosed:
            raise OutgoingError(f"{target.host} cannot be called: it closes every connection.") from None
        except ssl.SSLCertVerificationError as error:
            raise OutgoingError(f"{target.host} cannot be called: {error.verify_message}.") from None
        except (OSError, ValueError) as error:
            raise OutgoingError(f"{target.host} cannot be called: {_words(error)}.") from None

    async def open(self, target: Target) -> Line:
        """A new connection, to an address that was resolved and judged just now. Within `call`."""
        address = await callable_address(target.host, target.port, self._resolve, self._allowed)
        return await open_line(target, address, self._tls)

    async def over(self, line: Line, method: str, headers: Mapping[str, str], body: bytes) -> tuple[Reply, bool]:
        """As Line.request. Within `call`."""
        return await line.request(method, headers, body, self._most_body)


def parse(url: str) -> Target:
    """Never quotes what was given: a secret may be in it. Raises OutgoingError."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        raise OutgoingError("What should be called is no URL.") from None
    if parsed.scheme != "https" or not parsed.host or parsed.userinfo:
        raise OutgoingError("Only https://HOST/... URLs without a user name are called.")
    return Target(
        host=parsed.raw_host.decode("ascii").strip("[]"),
        port=parsed.port or 443,
        authority=parsed.netloc.decode("ascii"),
        path=parsed.raw_path.decode("ascii"),
    )


def _words(error: Exception) -> str:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return str(reason or type(error).__name__).rstrip(".")
