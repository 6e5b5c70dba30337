"""Where a name leads, and whether that may be called."""

from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from corral.outgoing.failure import OutgoingError

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]

_TRANSLATED = IPv6Network("64:ff9b::/96")  # NAT64 (RFC 6052): an IPv4 address in its last four bytes
_OF_SITES = (IPv6Network("64:ff9b:1::/48"), IPv6Network("fec0::/10"))
"""NAT64 within a network (RFC 8215), and what was site-local before there were unique local addresses (RFC 3879):
Python calls them global, or has done so."""


async def callable_address(host: str, port: int, resolve: Resolve, allowed: Sequence[Network]) -> Address:
    """The first address of a name of which every one is public or in an allowed network. Raises OutgoingError."""
    try:
        found = [ip_address(each.partition("%")[0]) for each in await resolve(host, port)]
    except (OSError, ValueError, UnicodeError):
        raise OutgoingError(f"The name {host} cannot be resolved.") from None
    if not found:
        raise OutgoingError(f"The name {host} has no address.")
    for each in found:
        if not (any(each in network for network in allowed) or is_public(each)):
            raise OutgoingError(
                f"{host} is at {each}, which is not public: list its network in `outgoing_networks` to allow it."
            )
    return found[0]


def is_public(address: Address) -> bool:
    """Whether an address, and an IPv4 address that it may stand for, is one of the public Internet."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _TRANSLATED:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address.sixtofour is not None and not is_public(address.sixtofour):
            return False
        if any(address in network for network in _OF_SITES):
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
