"""Where a request comes from: what a proxy adds is believed from that proxy alone, and what somebody made up never."""

from ipaddress import ip_network

import pytest
from starlette.requests import Request

from corral.http.admin.sources import NO_PROXIES, Proxies

PROXIES = Proxies((ip_network("10.0.0.0/8"), ip_network("2001:db8:5::/48")), "x-forwarded-for")


def asked(peer: str | None, *said: str) -> Request:
    headers = [(b"x-forwarded-for", each.encode()) for each in said]
    client = (peer, 1234) if peer is not None else None
    return Request({"type": "http", "method": "GET", "path": "/", "headers": headers, "client": client})


@pytest.mark.parametrize(
    ("said", "source"),
    [
        ((), ""),
        (("192.0.2.7",), "192.0.2.7"),
        (("192.0.2.7:5000",), "192.0.2.7"),
        (("[2001:db8::7]:443",), "2001:db8::7"),
        (("2001:db8::7",), "2001:db8::7"),
        (("198.51.100.1, 192.0.2.7",), "192.0.2.7"),
        (("198.51.100.1", "192.0.2.7"), "192.0.2.7"),
        (("198.51.100.1, 192.0.2.7, 10.1.1.1",), "192.0.2.7"),
        (("198.51.100.1, 192.0.2.7, 2001:db8:5::1",), "192.0.2.7"),
        (("192.0.2.7, unknown",), ""),
        (("192.0.2.7,",), ""),
        (("10.1.1.1",), ""),
        (("no address",), ""),
    ],
)
def test_of_what_a_proxy_says_the_last_that_is_no_proxys_counts(said: tuple[str, ...], source: str) -> None:
    request = asked("10.0.0.7", *said)
    assert PROXIES.source(request) == source
    assert PROXIES.address(request) == (source or "10.0.0.7")


@pytest.mark.parametrize("proxies", [PROXIES, NO_PROXIES, Proxies(PROXIES.networks)])
def test_who_is_no_proxy_does_not_say_who_they_are(proxies: Proxies) -> None:
    assert proxies.source(asked("192.0.2.9", "192.0.2.7")) == "192.0.2.9"
    assert proxies.source(asked(None, "192.0.2.7")) == ""
    assert proxies.source(asked("", "192.0.2.7")) == ""


def test_a_proxy_that_is_not_to_be_read_says_nothing() -> None:
    request = asked("10.0.0.7", "192.0.2.7")
    assert Proxies(PROXIES.networks).source(request) == ""
    assert Proxies(PROXIES.networks).address(request) == "10.0.0.7"
