"""What a device believes of a TLS server, and with which certificate it shows itself to one."""

import os
import ssl
import tempfile
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from corral.simulator.identity import Identity


@dataclass(frozen=True, slots=True)
class Trust:
    """Roots as DER, and whether the roots that come with the system count as well."""

    roots: tuple[bytes, ...] = field(default=(), repr=False)
    system: bool = True

    def and_roots(self, roots: tuple[bytes, ...]) -> "Trust":
        """Those and these, as after the installation of a profile with certificate payloads."""
        return _joined(self, roots)


@lru_cache(maxsize=256)
def _joined(trust: Trust, roots: tuple[bytes, ...]) -> Trust:
    # Devices of one service share the value, which keeps a large fleet small.
    return Trust(tuple(dict.fromkeys((*trust.roots, *roots))), trust.system)


@lru_cache(maxsize=1024)
def tls_context(trust: Trust, identity: Identity | None) -> ssl.SSLContext:
    """A client's context: TLS 1.2 at least, host names checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if trust.system:
        context.load_default_certs()
    for root in trust.roots:
        context.load_verify_locations(cadata=root)
    if identity is not None:
        _load_identity(context, identity)
    return context


def _load_identity(context: ssl.SSLContext, identity: Identity) -> None:
    # OpenSSL reads keys from files only: this one is readable by its owner alone, and gone at once.
    key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with tempfile.TemporaryDirectory(prefix="corral-") as folder:
        pair = Path(folder, "pair.pem")
        descriptor = os.open(pair, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(identity.parsed.public_bytes(Encoding.PEM) + key)
        context.load_cert_chain(pair)
