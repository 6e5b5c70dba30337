"""Strangers at every door of the device side: nobody is unenrolled, nothing fails, nothing is kept."""

import asyncio
import base64
import itertools
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from e2e.account_place import place
from e2e.installation import Installation, Template, installation
from e2e.messages import enrollment_of
from e2e.wire import Reply, connect, raw, state

PATHS = (
    "/", "/mdm", "/checkin", "/scep", "/enroll", "/enroll/", "/enroll/{token}", "/enroll/{token}/profile",
    "/enroll/unknown-unknown-unknown", "/livez", "/readyz", "/nowhere",
    "/enroll/automated", "/MDMServiceConfig", "/MDMServiceConfig/anchors",
    "/scep?operation=GetCACert", "/scep?operation=GetCACaps", "/scep?operation=PKIOperation",
)  # fmt: skip
ACCOUNT_PATHS = (
    "/.well-known/com.apple.remotemanagement",
    "/.well-known/com.apple.remotemanagement?user-identifier=eve@evil.example&model-family=iPhone",
    "/.well-known/com.apple.remotemanagement?user-identifier=" + "a" * 4000 + "@example.org",
    "/.well-known/com.apple.remotemanagement?user-identifier=%ff%00&model-family=%0d%0aX:y",
    "/.well-known/com.apple.remotemanagement/", "/.well-known/other", "/enroll/account", "/enroll/account/",
    "/enroll/account/user", "/enroll/account/device", "/enroll/account/other", "/enroll/automated/web",
    "/account", "/account/", "/account/sign-in", "/account/sign-in?user-identifier=eve@evil.example",
    "/account/sign-in?user-identifier=%00%0d%0a", "/account/authorize", "/account/token", "/account/sso",
    "/account/authorize?response_type=code&client_id=corral&redirect_uri=https://evil.example/&state=s",
    "/account/callback", "/account/callback?state=&code=", "/account/callback?state=%ff&code=%00",
    "/account/callback?state=" + "x" * 9000 + "&code=c", "/account/callback?error=access_denied&state=s",
)  # fmt: skip
ODD_PATHS = (
    "//", "//mdm", "/mdm/", "/MDM", "/mdm/../mdm", "/./mdm", "/mdm%00", "/%00", "/mdm%2f", "/%2e%2e/mdm", "/mdm?a=b",
    "/mdm;x", "/mdm//", "/mdm#x", "/enroll/%00", "/enroll/%2e%2e%2f", "/enroll//profile", "/enroll/{token}/",
    "/enroll/{token}%2f", "/enroll/%ff%fe", "/enroll/" + "x" * 5000, "/scep/", "/scep?operation=%00",
    "/scep?operation=PKIOperation&message=%", "/scep?" + "operation=GetCACert&" * 40,
    "/scep?operation=PKIOperation&message=" + "QUJD" * 4000, "*", "https://elsewhere.example/mdm", "/\xff\xfe",
    "/checkin/../api/v1/devices",
)  # fmt: skip
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND")
BODIES = (
    b"",
    b"\x00\xff garbage \xfe",
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><plist><dict><key>UDID</key><string>&a;</string></dict>',
    b"<plist>" + b"<array>" * 5000,
    b"bplist00\xd1\x01\x00\x08" + b"\xff" * 32,
    b'{"json": true}',
)
CREDENTIALS = (
    b"",
    b"Authorization: Bearer nothing\r\n",
    b"Authorization: Basic YWRtaW46YWRtaW4=\r\n",
    b"Mdm-Signature: bm90aGluZw==\r\n",
    b"Mdm-Signature: " + base64.b64encode(b"\x30\x80" * 2000) + b"\r\n",
    b"Client-Cert: :MAA=:\r\nX-Forwarded-For: 127.0.0.1\r\n",
)
TYPES = (
    b"",
    b"Content-Type: application/x-apple-aspen-mdm-checkin\r\n",
    b"Content-Type: application/x-apple-aspen-mdm; charset=UTF-8\r\n",
    b"Content-Type: multipart/form-data; boundary=\xff\r\n",
)
HOST = b"Host: 127.0.0.1\r\n"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def at(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Installation]:
    """With one connected device, whose connection nobody else may touch."""
    async with installation(template, tmp_path_factory.mktemp("routes")) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def accounts(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Installation]:
    """The same with people who sign in."""
    async with place(template, tmp_path_factory.mktemp("accounts")) as made:
        yield made.corral


async def assail(at: Installation, requests: list[bytes]) -> dict[int, int]:
    """Send them all, look at every answer, and at what is left behind; how many answers of each status came."""
    device = await at.enrolled()
    await asyncio.sleep(0.2)  # its push is sent meanwhile
    before, cursor, life = state(at), await at.cursor(), await at.life(device)
    at_once = asyncio.Semaphore(16)

    async def one(request: bytes) -> Reply:
        async with at_once:
            reply = await raw(at, request)
        assert reply.status != 401, request[:300]
        assert "www-authenticate" not in reply.headers, request[:300]
        assert reply.status < 500 or reply.status == 503, (request[:300], reply)
        assert "Traceback" not in reply.body.decode("latin-1")
        return reply

    replies = await asyncio.gather(*map(one, requests))
    assert state(at) == before
    assert await at.cursor() == cursor
    assert await at.life(device) == life
    assert await device.poll() is not None
    counts: dict[int, int] = {}
    for reply in replies:
        counts[reply.status] = counts.get(reply.status, 0) + 1
    return counts


def request(method: str, path: str, headers: bytes = b"", body: bytes = b"") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body) if body or method in ("PUT", "POST") else b""
    return f"{method} {path} HTTP/1.1\r\n".encode("latin-1") + HOST + headers + length + b"\r\n" + body


async def test_every_route_with_every_method_and_no_credentials(at: Installation) -> None:
    token = (await at.link()).rpartition("/")[2]
    paths = [path.replace("{token}", token) for path in (*PATHS, *ODD_PATHS)]
    counts = await assail(at, [request(method, path) for path in paths for method in METHODS])
    assert set(counts) <= {200, 400, 404, 405, 410, 307}
    assert 0 not in counts


async def test_every_route_of_accounts_with_every_method(accounts: Installation) -> None:
    """The challenge to sign in is for devices that sign what they ask: strangers meet no 401 here either."""
    counts = await assail(accounts, [request(method, path) for path in ACCOUNT_PATHS for method in METHODS])
    assert set(counts) <= {200, 302, 307, 400, 403, 404, 405}
    assert {200, 302, 400, 403, 404, 405} <= set(counts)


async def test_every_route_of_accounts_with_garbage_and_bad_credentials(accounts: Installation) -> None:
    doors = ("/enroll/account/user", "/enroll/account/device", "/account/token", "/enroll/automated/web")
    header = b"x-apple-aspen-deviceinfo: " + base64.b64encode(b"\x30\x80" * 2000) + b"\r\n"
    asked = itertools.product(doors, ("GET", "POST"), CREDENTIALS, (b"", header), BODIES)
    counts = await assail(accounts, [request(m, path, a + b, body) for path, m, a, b, body in asked])
    assert set(counts) <= {400, 405}


async def test_every_route_with_garbage_and_bad_credentials(at: Installation) -> None:
    doors = ("/mdm", "/checkin", "/scep?operation=PKIOperation", "/enroll/unknown-unknown-unknown", "/livez")
    asked = itertools.product(doors, ("PUT", "POST"), CREDENTIALS, TYPES, BODIES)
    counts = await assail(at, [request(m, path, a + b, body) for path, m, a, b, body in asked])
    assert set(counts) <= {200, 400, 404, 405}


async def test_messages_that_a_device_has_signed_and_nobody_can_read(at: Installation) -> None:
    device = await at.enrolled()
    enrollment = enrollment_of(device)
    requests: list[bytes] = []
    for path, kind, body in itertools.product(("/mdm", "/checkin"), TYPES, (*BODIES, b"<plist><dict>" * 100_000)):
        shown = enrollment.identity.prove(device.behaviour.signature, body, device.voice.now(), signs_time=True)
        signature = "".join(f"{name}: {value}\r\n" for name, value in shown).encode()
        requests.append(request("PUT", path, kind + signature, body))
    assert set(await assail(at, requests)) == {400}


async def test_http_as_it_is_not_meant_to_be(at: Installation) -> None:
    put = b"PUT /mdm HTTP/1.1\r\n" + HOST
    odd = [
        b"GET /mdm HTTP/1.0\r\n\r\n",
        b"GET /mdm HTTP/1.1\r\n\r\n",
        b"GET /mdm HTTP/0.9\r\n\r\n",
        b"GET /mdm HTTP/3.7\r\n\r\n",
        b"GET /mdm\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT /mdm HTTP/1.1\r\n" + HOST + b"\r\n",
        b"PUT /mdm HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 0\r\n\r\n",
        put + b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\nbody",
        put + b"Expect: the-impossible\r\nContent-Length: 4\r\n\r\nbody",
        put + b"Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n",
        put + b"Content-Length: 99999999999999999999999999\r\n\r\n",
        put + b"Content-Length: -1\r\n\r\n",
        put + b"Content-Length: +4\r\n\r\nbody",
        put + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nbody5",
        put + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        put + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        put + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffff\r\n",
        put + b"Transfer-Encoding: chunked\r\n\r\n-4\r\nbody\r\n0\r\n\r\n",
        put + b"Transfer-Encoding: chunked\r\n\r\n4;x=y\r\nbody\r\n0\r\nTrailer: x\r\n\r\n",
        put + b"Transfer-Encoding: gzip, chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        put + b"Transfer-Encoding: gzip\r\n\r\nbody",
        put + b"Bad Header: x\r\n\r\n",
        put + b"X-Null: a\x00b\r\nContent-Length: 0\r\n\r\n",
        put + b" folded: x\r\nContent-Length: 0\r\n\r\n",
        put + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\nContent-Length: 0\r\n\r\n",
        put
        + b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAA\r\nContent-Length: 0\r\n\r\n",
        b"\r\n\r\n\r\n" + put + b"Content-Length: 0\r\n\r\n",
    ]
    counts = await assail(at, odd)
    assert set(counts) <= {0, 200, 400, 404, 405, 413}


async def test_a_flood_of_chunks_is_cut_off_at_the_bound(at: Installation) -> None:
    chunk = b"10000\r\n" + bytes(65_536) + b"\r\n"
    flood = b"PUT /mdm HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 257
    assert set(await assail(at, [flood])) == {413}


async def test_connections_that_say_nothing_or_half_a_word_hold_nobody_up(at: Installation) -> None:
    halves = (b"", b"PUT /mdm", b"PUT /mdm HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
    waiting = [await connect(at) for _ in range(120)]
    for (_, writer), half in zip(waiting, itertools.cycle(halves), strict=False):
        writer.write(half)
    try:
        assert set(await assail(at, [request("GET", "/mdm")] * 20)) == {200}
    finally:
        for _, writer in waiting:
            writer.close()


async def test_both_kinds_of_message_are_told_apart_at_one_address(at: Installation) -> None:
    device = await at.enrolled()
    enrollment = enrollment_of(device)
    sent = await at.send(device, "ProfileList")
    check_in = enrollment.device.message(MessageType="GetBootstrapToken")
    for kind, body, expected in (
        (b"application/x-apple-aspen-mdm-checkin", check_in, b"<dict/>"),
        (b"application/x-apple-aspen-mdm-checkin; charset=UTF-8", check_in, b"<dict/>"),
        (b"", check_in, b"<dict/>"),
        (b"application/x-apple-aspen-mdm; charset=UTF-8", enrollment.device.idle, sent.encode()),
        (b"application/x-www-form-urlencoded", enrollment.device.idle, sent.encode()),
        (b"", enrollment.device.idle, sent.encode()),
    ):
        shown = enrollment.identity.prove(device.behaviour.signature, body, device.voice.now(), signs_time=True)
        headers = "".join(f"{name}: {value}\r\n" for name, value in shown).encode()
        headers += b"Content-Type: " + kind + b"\r\n" if kind else b""
        for method in ("PUT", "POST"):
            reply = await raw(at, request(method, "/mdm", headers, body))
            assert (reply.status, expected in reply.body) == (200, True), (kind, reply)


async def test_the_admin_side_of_the_same_address_is_closed(at: Installation) -> None:
    for path in ("/api/v1/devices", "/api/v1/status", "/api/v1/openapi.json", "/api/v1/nowhere", "/api/v1/../../mdm"):
        for header in (b"", b"Authorization: Bearer corral_" + b"x" * 43 + b"\r\n"):
            reply = await raw(at, request("GET", path, header))
            assert reply.status == 401
            assert b"token" in reply.body
