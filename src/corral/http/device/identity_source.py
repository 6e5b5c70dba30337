"""Where a listener takes a device's certificate from. A listener has exactly one source; trust is never mixed."""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import TypeAlias

from corral.http.asgi import Scope
from corral.outgoing.addresses import Network
from corral.pki.identity import IdentityError, certificate_from_header, signature_from_header
from corral.values import frozen


@dataclass(frozen=True, slots=True)
class FromSignature:
    """`Mdm-Signature`: a detached CMS signature over the body (Apple: MDM payload, SignMessage)."""


@dataclass(frozen=True, slots=True)
class FromHeader:
    """A header of a TLS-terminating proxy: RFC 9440, or URL-escaped PEM.

    Believed only from the proxy's own address as the transport tells it, and only once.
    """

    name: bytes
    proxies: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class FromTls:
    """The client certificate of the TLS connection itself."""


IdentitySource: TypeAlias = FromSignature | FromHeader | FromTls


@frozen
class Presented:
    """A certificate (DER) whose holder has proven its key to this listener, and what came along with it."""

    certificate: bytes
    intermediates: tuple[bytes, ...] = ()


_from_header = lru_cache(8192)(certificate_from_header)
"""A proxy sends the same header with every request of a device; whom it is of is read anew each time."""


def present(source: IdentitySource, scope: Scope, body: bytes) -> Presented:
    """The certificate presented with a request; raises IdentityError, which says what is missing or wrong."""
    match source:
        case FromSignature():
            signature = signature_from_header(_only(scope, b"mdm-signature"), body)
            return Presented(signature.certificate, signature.certificates)
        case FromHeader(name, proxies):
            if not _is_proxy(scope, proxies):
                raise IdentityError("this listener takes requests only from the proxy that it was told of")
            return Presented(_from_header(_only(scope, name)))
        case FromTls():
            certificate = scope.get("extensions", {}).get("corral.client_certificate")
            if not certificate:
                raise IdentityError("no client certificate in the TLS connection")
            return Presented(certificate)


def _only(scope: Scope, name: bytes) -> bytes:
    found = [value for key, value in scope["headers"] if key == name]
    if len(found) != 1:
        count = "no" if not found else "more than one"
        raise IdentityError(f"{count} {name.decode('latin-1')} header")
    return found[0]


def _is_proxy(scope: Scope, proxies: tuple[Network, ...]) -> bool:
    client = scope.get("client")
    # A connection that its peer has reset has no address any more, and what it sent before is still read.
    return client is not None and _lies_in(client[0], proxies)


@lru_cache(1024)
def _lies_in(text: str, networks: tuple[Network, ...]) -> bool:
    """Remembered by the address: what a text means never changes."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return any(address in network for network in networks)
