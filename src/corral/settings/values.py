"""What a single setting may be: durations, addresses, URLs, lists and tables, read as people write them."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from corral.lifecycle.state import DAY, HOUR, MINUTE, SECOND, Instant

_UNITS = {"ms": 1, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_DURATION = re.compile(r"(\d{1,9})\s*(ms|[smhdw])")


def parse_duration(given: object) -> Instant:
    """Milliseconds of `7d`, `10m`, `1h30m`, or of a number, which is in seconds. Raises ValueError."""
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given < 1e11:
        return int(given * 1000)
    text = str(given).strip().lower()
    if text.isdecimal() and len(text) < 12:
        return int(text) * 1000
    rest = _DURATION.sub("", text).strip()
    if rest or not text:
        raise ValueError(f"a duration such as 7d, 12h, 10m or 30s, not {text!r}")
    return sum(int(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))


def _parse_retention(given: object) -> Instant | None:
    if given is None or str(given).strip().lower() == "forever":
        return None
    span = parse_duration(given)
    if span < HOUR:
        raise ValueError("`forever`, or at least 1h")
    return span


def _split(given: object) -> object:
    """Lists come from the environment and from flags as one string, with commas."""
    return tuple(part.strip() for part in given.split(",") if part.strip()) if isinstance(given, str) else given


def _pairs(given: object) -> object:
    """A table comes from the environment and from flags as `name=value,name=value`."""
    if not isinstance(given, str):
        return given
    pairs = [part.partition("=") for part in given.split(",") if part.strip()]
    if not all(equals and name.strip() for name, equals, _ in pairs):
        raise ValueError("a list of NAME=VALUE with commas between them")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _check_address(address: str) -> str:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535 or (":" in host and not host.startswith("[")):
        raise ValueError(f"HOST:PORT, such as 0.0.0.0:443 or [::]:443, not {address!r}")
    return address


def _check_proxy(proxy: str) -> str:
    try:
        return str(ip_network(proxy))
    except ValueError:
        raise ValueError(f"the IP address or network of a proxy, such as 10.0.0.7, not {proxy!r}") from None


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme == "https" and bool(parts.hostname) and (parts.port or 443) > 0
    except ValueError:
        valid, parts = False, urlsplit("")
    if not valid or parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        raise ValueError(f"https://HOST or https://HOST:PORT without a path, not {url!r}")
    return url.rstrip("/")


def _check_issuer(url: str) -> str:
    """Kept exactly as given: it is compared with what the provider says of itself."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme == "https" and bool(parts.hostname) and (parts.port or 443) > 0
    except ValueError:
        valid, parts = False, urlsplit("")
    if not valid or parts.query or parts.fragment or parts.username:
        raise ValueError(f"the https URL of an identity provider, such as https://id.example.org/tenant, not {url!r}")
    return url


def _check_network(network: str) -> str:
    try:
        return str(ip_network(network))
    except ValueError:
        raise ValueError(f"IP addresses or networks, such as 10.1.0.0/16, not {network!r}") from None


def _check_database(given: str) -> str:
    """Never quotes what was given: a password may be in it."""
    try:
        parts = urlsplit(given)
        servers = parts.netloc.rpartition("@")[2].split(",")
        ports = [urlsplit(f"//{server}").port for server in servers]
        valid = given == "sqlite" or (parts.scheme in ("postgresql", "postgres") and 0 not in ports)
    except ValueError:
        valid = False
    if not valid:
        raise ValueError("sqlite, or postgresql://USER:PASSWORD@HOST:PORT/NAME; of several servers HOST:PORT,HOST:PORT")
    return given


def _check_authority(authorities: dict[str, Path]) -> dict[str, Path]:
    for name in authorities:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name):
            raise ValueError(f"names of letters, digits, dot and hyphen for the authorities, not {name!r}")
    return authorities


Table = Annotated[dict[str, str], NoDecode, BeforeValidator(_pairs)]
Duration = Annotated[int, BeforeValidator(parse_duration)]
Retention = Annotated[int | None, BeforeValidator(_parse_retention)]
Url = Annotated[str, AfterValidator(_check_url)]
Issuer = Annotated[str, AfterValidator(_check_issuer)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_check_network)], ...], NoDecode, BeforeValidator(_split)]
Database = Annotated[str, AfterValidator(_check_database)]
Addresses = Annotated[tuple[Annotated[str, AfterValidator(_check_address)], ...], NoDecode, BeforeValidator(_split)]
Proxies = Annotated[tuple[Annotated[str, AfterValidator(_check_proxy)], ...], NoDecode, BeforeValidator(_split)]
Authorities = Annotated[dict[str, Path], NoDecode, BeforeValidator(_pairs), AfterValidator(_check_authority)]
