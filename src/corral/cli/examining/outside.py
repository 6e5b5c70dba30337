"""The service as a device sees it: its name, its TLS certificate, its answer, its clock."""

import socket
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

from corral.cli.examining.finding import Finding, fail, ok, warn

TIMEOUT = 10.0
SKEW = 120
"""Seconds of difference that somebody should know of; signatures are believed for five minutes."""


def examine(public_url: str, authority: str) -> list[Finding]:
    """`authority`: PEM of Corral's own authority, or empty where it is not known."""
    parts = urlsplit(public_url)
    host, port = parts.hostname or "", parts.port or 443
    try:
        addresses = sorted({str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})
    except (OSError, UnicodeError):
        remedy = f"Enter {host} into the DNS that your devices use."
        return [fail("public name", f"{host} cannot be resolved here", remedy)]
    found = [ok("public name", f"{host} is {', '.join(addresses)}")]
    try:
        return [*found, *_visit(host, port, _trusting(""), f"{public_url} shows a certificate that all devices trust")]
    except ssl.SSLCertVerificationError as error:
        return [*found, *_visit_untrusted(public_url, host, port, authority, error)]
    except (OSError, HTTPException) as error:
        return [*found, _unreachable(public_url, error)]


def _visit_untrusted(
    public_url: str, host: str, port: int, authority: str, error: ssl.SSLCertVerificationError
) -> list[Finding]:
    """By the system's authorities the certificate is not good; perhaps by our own."""
    if authority:
        told = (
            f"{public_url} shows a certificate of Corral's own authority: devices trust it once the enrollment "
            "profile, which contains it, is installed; the browser that opens the link warns before"
        )
        try:
            return _visit(host, port, _trusting(authority), told)
        except ssl.SSLCertVerificationError as other:
            error = other
        except (OSError, HTTPException) as other:
            return [_unreachable(public_url, other)]
    why = error.verify_message or "it is not trusted"
    return [
        fail(
            "TLS",
            f"no device will trust the certificate of {public_url}: {why}",
            "Give the service a certificate of a public authority for this name (tls = files), its chain included.",
        )
    ]


def _trusting(authority: str) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority or None)


def _visit(host: str, port: int, context: ssl.SSLContext, trusted: str) -> list[Finding]:
    """Raises OSError and HTTPException."""
    connection = HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
    try:
        connection.request("GET", "/livez", headers={"user-agent": "corral doctor"})
        response = connection.getresponse()
        body = response.read(1024)
    finally:
        connection.close()
    if response.status != 200 or body.strip() != b"ok":
        reached = fail(
            "public URL",
            f"answers {response.status} to /livez, so something else than Corral answers there",
            "See where the proxy in front of it sends requests.",
        )
    else:
        reached = ok("public URL", f"https://{host}:{port} reaches this service")
    return [ok("TLS", trusted), reached, *_clock(response)]


def _clock(response: HTTPResponse) -> list[Finding]:
    with suppress(ValueError, TypeError):
        told = parsedate_to_datetime(response.headers["date"])
        skew = abs((datetime.now(UTC) - told).total_seconds())
        if skew > SKEW:
            remedy = "Set both clocks, and keep them right with NTP."
            return [warn("clock", f"the service's clock and this machine's differ by {skew:,.0f} seconds", remedy)]
    return []


def _unreachable(public_url: str, error: Exception) -> Finding:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return fail(
        "public URL",
        f"{public_url} cannot be reached from here: {why}",
        "See that the service runs and listens on that port, and that firewall and proxy let devices through.",
    )
