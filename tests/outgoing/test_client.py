"""Calls to URLs that an operator gave: what is never called, and what an answer may be."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest

from corral.outgoing import Outgoing, OutgoingError, is_public
from corral.pki.authority import Authority
from outgoing.servers import LOOPBACK, answer, at, serving


async def test_the_name_stays_in_the_request_and_in_tls(authority: Authority, tmp_path: Path) -> None:
    async with serving(answer(b"hello"), authority, tmp_path) as server:
        outgoing = Outgoing(LOOPBACK, trust_pem=authority.certificate_pem(), resolve=at("127.0.0.1"))
        reply = await outgoing.request("GET", f"https://provider.example:{server.port}/a?b=c", headers={"x-a": "b"})
        assert (reply.status, reply.body) == (200, b"hello")
        assert server.asked[0].startswith(b"GET /a?b=c HTTP/1.1\r\n")
        assert f"host: provider.example:{server.port}".encode() in server.asked[0].lower()
        with pytest.raises(OutgoingError, match=r"other\.example cannot be called"):
            await outgoing.request("GET", f"https://other.example:{server.port}/")


async def test_an_authority_that_nobody_named_is_not_believed(authority: Authority, tmp_path: Path) -> None:
    async with serving(answer(b""), authority, tmp_path) as server:
        with pytest.raises(OutgoingError, match="cannot be called"):
            await Outgoing(LOOPBACK, resolve=at("127.0.0.1")).request("GET", f"https://provider.example:{server.port}/")
    assert server.asked == []


async def test_a_redirect_is_an_answer_and_is_not_followed(authority: Authority, tmp_path: Path) -> None:
    moved = answer(b"", "302 Found", b"Location: https://127.0.0.1/secret\r\n")
    async with serving(moved, authority, tmp_path) as server:
        outgoing = Outgoing(LOOPBACK, trust_pem=authority.certificate_pem(), resolve=at("127.0.0.1"))
        reply = await outgoing.request("POST", f"https://provider.example:{server.port}/", body=b"x")
        assert (reply.status, reply.headers["location"]) == (302, "https://127.0.0.1/secret")
    assert len(server.asked) == 1


async def test_an_answer_is_bounded_in_size_and_time(authority: Authority, tmp_path: Path) -> None:
    trust = authority.certificate_pem()
    async with serving(answer(bytes(2000)), authority, tmp_path) as server:
        url = f"https://provider.example:{server.port}/"
        with pytest.raises(OutgoingError, match="more than 1999 bytes"):
            await Outgoing(LOOPBACK, trust_pem=trust, resolve=at("127.0.0.1"), most_body=1999).request("GET", url)
        server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
        with pytest.raises(OutgoingError, match="cannot be called"):
            await Outgoing(LOOPBACK, trust_pem=trust, resolve=at("127.0.0.1")).request("GET", url)

    async def never(host: str, port: int) -> Sequence[str]:
        del host, port
        await asyncio.sleep(60)
        return ()

    with pytest.raises(OutgoingError, match=r"no answer within 0\.05 s"):
        await Outgoing(resolve=never, seconds=0.05).request("GET", "https://provider.example/")


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.1.2.3"], ["169.254.169.254"], ["8.8.8.8", "192.168.1.1"], ["::1"], ["fd00:ec2::254"], []],
    ids=str,
)
async def test_a_name_with_an_address_that_is_not_public_is_not_called(addresses: list[str]) -> None:
    with pytest.raises(OutgoingError, match=r"not public|no address"):
        await Outgoing(resolve=at(*addresses)).request("GET", "https://provider.example/")


@pytest.mark.parametrize(
    "url",
    ["http://provider.example/", "https://", "file:///etc/passwd", "https://user:word@provider.example/", "no url", ""],
)
async def test_only_https_without_a_user_name_is_called(url: str) -> None:
    with pytest.raises(OutgoingError) as told:
        await Outgoing(resolve=at("127.0.0.1")).request("GET", url)
    assert "word" not in str(told.value)


@pytest.mark.parametrize(
    "address",
    [
        "0.1.2.3", "100.100.100.200", "127.255.0.1", "172.16.0.1", "224.0.0.1", "240.0.0.1", "::", "::ffff:10.0.0.1",
        "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "fe80::1", "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "::ffff:8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(ip_address(address))
