"""Which service a command talks to, and as whom."""

import os
import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from corral.cli.failure import ExitCode, Failure, UsageFailure
from corral.cli.reach.credentials import read_login

SOCKET = "admin.sock"
DEFAULT_DATA = Path("data")


@dataclass(frozen=True, slots=True)
class OverSocket:
    """The installation's own Unix socket."""

    path: Path


@dataclass(frozen=True, slots=True)
class OverHttp:
    """`ca`: PEM of an authority to trust beside those of the system."""

    url: str
    token: str = field(repr=False)
    ca: str = ""


Access = OverSocket | OverHttp


def no_authorities() -> ssl.SSLContext:
    """For clients over a Unix socket: to read whom TLS would trust takes longer than what they ask."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def choose(url: str | None, token_file: Path | None, data: Path | None, ca: Path | None) -> Access:
    """What the flags name; else the environment (CORRAL_URL, then CORRAL_DATA); else the login; else ./data.

    Raises Failure where nothing of these is there.
    """
    if url and data:
        raise UsageFailure("Give --url or --data, not both.")
    if url:
        return _over_http(url, token_file, ca)
    if data:
        return _over_socket(data)
    if os.environ.get("CORRAL_URL"):
        return _over_http(os.environ["CORRAL_URL"], token_file, ca)
    if os.environ.get("CORRAL_DATA"):
        return _over_socket(Path(os.environ["CORRAL_DATA"]))
    login = read_login()
    if login is not None:
        return OverHttp(login.url, _token(token_file) or login.token, _read(ca) or login.ca)
    if (DEFAULT_DATA / SOCKET).exists():
        return OverSocket(DEFAULT_DATA / SOCKET)
    raise Failure(
        "No service to talk to: log in with `corral login URL`, or name the installation with --data DIR.",
        ExitCode.UNREACHABLE,
    )


def check_url(url: str) -> str:
    """The URL without a path; raises UsageFailure. A token is never sent in the clear over a network."""
    try:
        parts = urlsplit(url if "://" in url else f"https://{url}")
    except ValueError:
        raise UsageFailure(f"{url!r} is no URL; give https://HOST or https://HOST:PORT.") from None
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise UsageFailure(f"{url!r} is no URL of a service; give https://HOST or https://HOST:PORT.")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise UsageFailure("A token would travel unencrypted: use https.")
    return f"{parts.scheme}://{parts.netloc}"


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _over_socket(data: Path) -> OverSocket:
    path = data / SOCKET
    if not data.is_dir():
        raise Failure(f"There is no installation in {data}; make one with `corral init`.", ExitCode.UNREACHABLE)
    return OverSocket(path)


def _over_http(url: str, token_file: Path | None, ca: Path | None) -> OverHttp:
    checked = check_url(url)
    token = _token(token_file) or os.environ.get("CORRAL_TOKEN", "")
    trusted = _read(ca)
    login = read_login()
    if login is not None and login.url == checked:
        token, trusted = token or login.token, trusted or login.ca
    if not token:
        raise Failure(
            f"No token for {checked}: give --token-file, set CORRAL_TOKEN, or log in with `corral login`.",
            ExitCode.UNREACHABLE,
        )
    return OverHttp(checked, token, trusted)


def _token(file: Path | None) -> str:
    return _read(file).strip()


def _read(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise Failure(f"Cannot read {file}: {why}.") from None
