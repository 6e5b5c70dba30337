"""The TLS side of a push connection: a client certificate from memory, and what a failed handshake says."""

import contextlib
import os
import ssl
import tempfile
from collections.abc import Generator
from pathlib import Path


class PushCertificateError(ValueError):
    """The push certificate and key cannot be used."""


def make_context(certificate_pem: bytes, key_pem: bytes, trust_pem: bytes | None) -> ssl.SSLContext:
    """A TLS context that shows this certificate (and its chain, if it follows) and speaks HTTP/2.

    `trust_pem`: the authorities to believe instead of the system's. Raises PushCertificateError.
    """
    try:
        if trust_pem is None:
            context = ssl.create_default_context()
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cadata=trust_pem.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise PushCertificateError("the certificates to trust the push service by cannot be read: give PEM") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    with _as_file(certificate_pem.rstrip() + b"\n" + key_pem) as path:
        try:
            # Without a password OpenSSL would ask the terminal for one.
            context.load_cert_chain(path, password=_no_password)
        except (ssl.SSLError, OSError, ValueError) as error:
            raise PushCertificateError(
                "the push certificate and its key cannot be used: give an unencrypted PEM key that belongs to"
                f" the PEM certificate ({describe(error)})"
            ) from None
    return context


def certificate_alert(error: BaseException | None) -> str | None:
    """What the server says against our certificate, if that is what ended the connection (RFC 8446, 6.2)."""
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLCertVerificationError):
        return None
    reason = error.reason or ""
    _, separator, alert = reason.partition("_ALERT_")
    if separator and alert in _CERTIFICATE_ALERTS:
        return f"TLS alert: {alert.lower().replace('_', ' ')}"
    return None


_CERTIFICATE_ALERTS = frozenset(
    {
        "BAD_CERTIFICATE",
        "UNSUPPORTED_CERTIFICATE",
        "CERTIFICATE_REVOKED",
        "CERTIFICATE_EXPIRED",
        "CERTIFICATE_UNKNOWN",
        "CERTIFICATE_REQUIRED",
        "UNKNOWN_CA",
        "ACCESS_DENIED",
    }
)


def describe(error: BaseException) -> str:
    """A failure to connect in one line, for people."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"the server's certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {(error.reason or 'unknown').lower().replace('_', ' ')}"
        case TimeoutError():
            return "timed out"
        case OSError():
            return " ".join((error.strerror or str(error)).split())[:200] or type(error).__name__
        case _:
            return type(error).__name__


def _no_password() -> bytes:
    return b""


@contextlib.contextmanager
def _as_file(secret: bytes) -> Generator[str]:
    """A path under which `secret` can be read for a moment: Python's `ssl` loads keys from paths only.

    In memory where the system has that (Linux), so that no key reaches a disk; else in a folder that only we
    can open.
    """
    memory = _in_memory(secret)
    if memory is not None:
        try:
            yield f"/proc/self/fd/{memory}"
        finally:
            os.close(memory)
        return
    with tempfile.TemporaryDirectory(prefix="corral-") as folder:
        path = Path(folder, "pair.pem")
        path.touch(0o600)
        path.write_bytes(secret)
        yield str(path)


def _in_memory(secret: bytes) -> int | None:
    if not hasattr(os, "memfd_create") or not Path("/proc/self/fd").is_dir():
        return None
    try:
        descriptor = os.memfd_create("corral", os.MFD_CLOEXEC)
    except OSError:
        return None
    with open(descriptor, "wb", closefd=False) as file:
        file.write(secret)
    return descriptor
