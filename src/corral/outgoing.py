"""Calls to URLs that an operator gave: an identity provider, a webhook.

Such a URL must not become a way into the network that the service stands in. So it is https, its name is resolved
once and what was resolved is connected to, addresses that are not public are refused unless the settings list their
network, redirects are not followed, proxies of the environment are not used, and time and size are bounded.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

import httpx

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]

SECONDS = 10.0
"""For one call, from the look-up of the name to the last byte."""
MOST_BODY = 1024 * 1024

_TRANSLATED = IPv6Network("64:ff9b::/96")  # NAT64 (RFC 6052): an IPv4 address in its last four bytes


class OutgoingError(Exception):
    """A call was refused or had no answer; one line says which host, and why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


async def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of a name; raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


class Outgoing:
    """`allowed` are networks that may be called though they are not public; `trust_pem` are authorities that are
    believed beside the system's."""

    def __init__(
        self,
        allowed: Sequence[Network] = (),
        *,
        trust_pem: bytes | None = None,
        resolve: Resolve = resolve,
        seconds: float = SECONDS,
        most_body: int = MOST_BODY,
    ) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolve
        self._seconds = seconds
        self._most_body = most_body
        self._tls = ssl.create_default_context()
        if trust_pem is not None:
            self._tls.load_verify_locations(cadata=trust_pem.decode())

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Reply:
        """The answer, whatever its status, a redirect among them. Raises OutgoingError."""
        target = _parse(url)
        try:
            async with asyncio.timeout(self._seconds):
                address = await self._address(target.host, target.port or 443)
                return await self._call(method, target, address, headers or {}, body)
        except TimeoutError:
            raise OutgoingError(f"{target.host} gave no answer within {self._seconds:g} s.") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise OutgoingError(f"{target.host} cannot be called: {str(error) or type(error).__name__}.") from None

    async def _address(self, host: str, port: int) -> Address:
        try:
            found = [ip_address(each.partition("%")[0]) for each in await self._resolve(host, port)]
        except (OSError, ValueError, UnicodeError):
            raise OutgoingError(f"The name {host} cannot be resolved.") from None
        if not found:
            raise OutgoingError(f"The name {host} has no address.")
        for each in found:
            if not self._may_call(each):
                raise OutgoingError(
                    f"{host} is at {each}, which is not public: list its network in `outgoing_networks` to allow it."
                )
        return found[0]

    def _may_call(self, address: Address) -> bool:
        return any(address in network for network in self._allowed) or is_public(address)

    async def _call(
        self, method: str, target: httpx.URL, address: Address, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        # A client of its own for each call: a kept connection to an address would serve every name that is there.
        async with (
            httpx.AsyncClient(verify=self._tls, trust_env=False, follow_redirects=False) as client,
            client.stream(
                method,
                target.copy_with(host=str(address)),
                headers={"host": target.netloc.decode("ascii"), "accept-encoding": "identity", **headers},
                content=body,
                extensions={"sni_hostname": target.raw_host.decode("ascii")},
            ) as response,
        ):
            chunks, size = list[bytes](), 0
            async for chunk in response.aiter_raw():
                size += len(chunk)
                if size > self._most_body:
                    raise OutgoingError(f"{target.host} answers with more than {self._most_body} bytes.")
                chunks.append(chunk)
            return Reply(response.status_code, dict(response.headers), b"".join(chunks))


def is_public(address: Address) -> bool:
    """Whether an address, and an IPv4 address that it may stand for, is one of the public Internet."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _TRANSLATED:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address.sixtofour is not None and not is_public(address.sixtofour):
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _parse(url: str) -> httpx.URL:
    """Never quotes what was given: a secret may be in it."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        raise OutgoingError("What should be called is no URL.") from None
    if parsed.scheme != "https" or not parsed.host or parsed.userinfo:
        raise OutgoingError("Only https://HOST/... URLs without a user name are called.")
    return parsed
