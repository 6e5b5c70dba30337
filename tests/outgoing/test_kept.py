"""Connections that are kept for one URL: used again, never old, and replaced when the other side has closed them."""

import asyncio
from pathlib import Path

import pytest

from corral.outgoing import KeptLines, Outgoing, OutgoingError, kept
from corral.pki.authority import Authority
from outgoing.servers import LOOPBACK, answer, at, serving


def lines(authority: Authority, port: int, seconds: float = 10.0) -> KeptLines:
    trust = authority.certificate_pem()
    outgoing = Outgoing(LOOPBACK, trust_pem=trust, resolve=at("127.0.0.1"), seconds=seconds)
    return KeptLines(outgoing, f"https://provider.example:{port}/hook?key=word")


async def test_one_connection_serves_many_calls(authority: Authority, tmp_path: Path) -> None:
    async with serving(answer(b"taken"), authority, tmp_path) as server:
        server.most = 10
        made = lines(authority, server.port)
        for _ in range(10):
            assert (await made.request("POST", {"x-a": "b"}, b"body")).body == b"taken"
        assert server.opened == 1
        assert all(each.startswith(b"POST /hook?key=word HTTP/1.1\r\n") for each in server.asked)
        assert all(each.endswith(b"\r\n\r\nbody") for each in server.asked)
        made.close()


async def test_calls_at_one_time_have_connections_of_their_own(authority: Authority, tmp_path: Path) -> None:
    async with serving(answer(b""), authority, tmp_path) as server:
        server.most = 10
        made = lines(authority, server.port)
        await asyncio.gather(*(made.request("POST", {}, b"") for _ in range(3)))
        await asyncio.gather(*(made.request("POST", {}, b"") for _ in range(3)))
        assert server.opened == 3
        made.close()


async def test_a_connection_that_was_closed_meanwhile_is_replaced(authority: Authority, tmp_path: Path) -> None:
    async with serving(answer(b""), authority, tmp_path) as server:
        server.most = 2
        made = lines(authority, server.port)
        for _ in range(5):
            assert (await made.request("POST", {}, b"x")).status == 200
            await asyncio.sleep(0.02)
        assert (server.opened, len(server.asked)) == (3, 5)
        made.close()


async def test_an_old_connection_is_not_used_again(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "OLDEST", 0.0)
    async with serving(answer(b""), authority, tmp_path) as server:
        server.most = 10
        made = lines(authority, server.port)
        for _ in range(3):
            await made.request("POST", {}, b"")
        assert server.opened == 3
        made.close()


async def test_what_says_close_is_closed(authority: Authority, tmp_path: Path) -> None:
    async with serving(answer(b"", extra=b"Connection: close\r\n"), authority, tmp_path) as server:
        server.most = 10
        made = lines(authority, server.port)
        for _ in range(2):
            await made.request("POST", {}, b"")
        assert server.opened == 2
        made.close()


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000, "bytes of headers"),
        (answer(b"") + answer(b"more"), "more than it is asked|not HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal", "before its answer was whole"),
    ],
    ids=["another protocol", "endless headers", "two answers", "half"],
)
async def test_what_is_no_answer_is_told(authority: Authority, tmp_path: Path, reply: bytes, told: str) -> None:
    async with serving(reply, authority, tmp_path) as server:
        made = lines(authority, server.port)
        with pytest.raises(OutgoingError, match=told) as error:
            await made.request("POST", {}, b"")
        assert "word" not in str(error.value)
        made.close()


async def test_interim_answers_and_bodies_until_the_end_are_understood(authority: Authority, tmp_path: Path) -> None:
    async with serving(b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"then"), authority, tmp_path) as server:
        made = lines(authority, server.port)
        assert (await made.request("POST", {}, b"")).body == b"then"
        server.answer = b"HTTP/1.1 200 OK\r\n\r\nuntil the end"
        assert (await made.request("POST", {}, b"")).body == b"until the end"
        made.close()


async def test_a_header_cannot_smuggle_another(authority: Authority, tmp_path: Path) -> None:
    async with serving(answer(b""), authority, tmp_path) as server:
        made = lines(authority, server.port)
        with pytest.raises(OutgoingError, match="line break"):
            await made.request("POST", {"x": "a\r\ny: b"}, b"")
        assert server.asked == []
