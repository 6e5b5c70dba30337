"""Bytes that no device sends: too many of them, too slowly, nested without end, or two requests in one."""

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from attacks.scene import Scene, refused
from corral.apple.plist import dump
from corral.simulator.identity import Signed
from e2e import wire
from e2e.installation import Template, installation, on_future_path
from e2e.messages import enrollment_of, report

HOST = b"Host: 127.0.0.1\r\n"
PATIENCE = 1.0
"""Seconds, of a service that is less patient than others."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hasty(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Scene]:
    """Of a service that waits a second where others wait half a minute, and serves four messages at a time."""
    settings = on_future_path() | {"E2E_PATIENCE": str(PATIENCE), "CORRAL_MAX_REQUESTS": "4"}
    async with installation(template, tmp_path_factory.mktemp("hasty"), settings) as at:
        yield await Scene.of(at)


def put(path: str, *headers: bytes, body: bytes = b"") -> bytes:
    lines = b"".join(each + b"\r\n" for each in headers)
    return b"PUT %s HTTP/1.1\r\n%s%sContent-Length: %d\r\n\r\n%s" % (path.encode(), HOST, lines, len(body), body)


def signed(scene: Scene, body: bytes) -> bytes:
    """A message of the owner's that is truly signed, whatever it says."""
    identity = enrollment_of(scene.owner).identity
    ((name, value),) = identity.prove(Signed(), body, datetime.now(UTC), signs_time=True)
    return put("/mdm", f"{name}: {value}".encode(), b"Content-Type: application/x-apple-aspen-mdm-checkin", body=body)


# Property lists


def _laughs(depth: int) -> bytes:
    """Each entity is ten of the one before."""
    entities = b"".join(b'<!ENTITY e%d "%s">' % (level, b"&e%d;" % (level - 1) * 10) for level in range(1, depth))
    return (
        b'<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY e0 "ha">' + entities + b"]><plist><dict><key>UDID</key>"
        b"<string>&e%d;</string></dict></plist>" % (depth - 1)
    )


def _external(target: bytes) -> bytes:
    return (
        b'<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY x SYSTEM "' + target + b'">]>'
        b"<plist><dict><key>MessageType</key><string>CheckOut</string><key>UDID</key><string>&x;</string></dict></plist>"
    )


def _binary_bomb(levels: int) -> bytes:
    """Each array holds the one before a hundred times, by reference: a few hundred bytes that unfold to very many."""
    objects = [b"\x51\x61"] + [b"\xaf\x10\x64" + bytes([level]) * 100 for level in range(levels)]
    top = b"\xd1" + bytes([levels + 2, levels])
    objects += [top, b"\x54UDID"]
    data, offsets = b"bplist00", list[int]()
    for each in objects:
        offsets.append(len(data))
        data += each
    table = len(data)
    data += b"".join(offset.to_bytes(2) for offset in offsets)
    return data + bytes(6) + bytes([2, 1]) + len(objects).to_bytes(8) + (levels + 1).to_bytes(8) + table.to_bytes(8)


BOMBS: dict[str, Callable[[], bytes]] = {
    "entities of entities": lambda: _laughs(10),
    "an entity of a file": lambda: _external(b"file:///etc/passwd"),
    "an entity of an address": lambda: _external(b"http://127.0.0.1:1/"),
    "a parameter entity": lambda: b'<!DOCTYPE plist [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]><plist/>',
    "a foreign DTD": lambda: b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><plist><dict/></plist>',
    "arrays in arrays": lambda: b"<plist>" + b"<array>" * 50_000,
    "arrays in arrays that end": lambda: b"<plist>" + b"<array>" * 5_000 + b"</array>" * 5_000 + b"</plist>",
    "very many values": lambda: b"<plist><array>" + b"<true/>" * 200_000 + b"</array></plist>",
    "very many keys": lambda: b"<plist><dict>" + b"<key>a</key><true/>" * 100_000 + b"</dict></plist>",
    "a number without end": lambda: b"<plist><integer>" + b"9" * 1_000_000 + b"</integer></plist>",
    "a comment without end": lambda: b"<plist><!--" + b"-" * 1_000_000,
    "names that nobody has": lambda: b"<plist>" + b"".join(b"<n%d/>" % each for each in range(50_000)) + b"</plist>",
    "a binary that unfolds": lambda: _binary_bomb(12),
    "a binary that refers to itself": lambda: b"bplist00\xa1\x00\x08" + bytes(6) + b"\x01\x01" + b"\0\0\0\0\0\0\0\x01"
    + bytes(8) + b"\0\0\0\0\0\0\0\x0a",
    "a binary of absurd counts": lambda: b"bplist00\xaf\x13" + b"\xff" * 8 + bytes(6) + b"\x08\x08" + b"\xff" * 24,
    "UTF-16 of entities": lambda: b"\xff\xfe" + _laughs(10).decode().encode("utf-16-le"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BOMBS))
async def test_a_property_list_that_unfolds_without_end_is_refused_at_once(scene: Scene, name: str) -> None:
    """Truly signed by a device that is enrolled: nobody else gets so far."""
    body = BOMBS[name]()
    async with scene.unharmed():
        began = time.monotonic()
        answer = await wire.raw(scene.at, signed(scene, body), seconds=30)
        assert answer.status == 400
        assert answer.body.startswith(b"Check-in message not understood: ")
        assert answer.body.count(b"\n") == 1
        assert b"root:" not in answer.body
        assert time.monotonic() - began < 20


async def test_a_message_that_is_nobodys_is_not_even_read(scene: Scene) -> None:
    """The signature comes first: what is in the body does not matter."""
    async with scene.unharmed():
        for make in BOMBS.values():
            answer = await wire.raw(scene.at, put("/checkin", body=make()))
            refused(answer, 400, "Not identified: no mdm-signature header.")


async def test_a_body_that_is_too_large_is_not_taken(scene: Scene) -> None:
    chunk = b"10000\r\n" + bytes(65_536) + b"\r\n"
    too_large = "The message is larger than this service takes."
    async with scene.unharmed():
        said = b"PUT /mdm HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999\r\n\r\n"
        refused(await wire.raw(scene.at, said), 413, too_large)
        flood = b"PUT /mdm HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 257
        refused(await wire.raw(scene.at, flood, seconds=30), 413, too_large)
        for path, most in (("/scep?operation=PKIOperation", 65_537), ("/enroll/automated", 65_537)):
            said = b"POST %s HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n" % (path.encode(), HOST, most)
            assert (await wire.raw(scene.at, said)).status == 413


async def test_a_report_that_cannot_be_read_takes_nobody_in(scene: Scene) -> None:
    """What can be attributed is kept; this cannot."""
    async with scene.unharmed():
        for body in (
            b"",
            b"\x00",
            b"bplist00",
            b"<plist/>",
            b"<plist><dict/></plist>",
            b"{}",
            dump({}),
        ):
            head = signed(scene, body).replace(b"aspen-mdm-checkin", b"aspen-mdm")
            answer = await wire.raw(scene.at, head)
            assert answer.status == 400
            assert answer.body.startswith(b"Report not understood: "), answer.body


# Heads


async def test_a_flood_of_headers_is_cut_off(scene: Scene) -> None:
    async with scene.unharmed():
        for flood in (
            b"".join(b"X-%05d: y\r\n" % number for number in range(20_000)),
            b"X: " + b"y" * 100_000 + b"\r\n",
            b"Mdm-Signature: " + b"A" * 100_000 + b"\r\n",
            b"".join(b"Mdm-Signature: A\r\n" for _ in range(10_000)),
        ):
            answer = await wire.raw(scene.at, b"GET /mdm HTTP/1.1\r\n" + HOST + flood + b"\r\n")
            assert answer.status in (0, 400)
        answer = await wire.raw(scene.at, b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        assert answer.status in (0, 400)


async def test_two_requests_in_one_are_none(scene: Scene) -> None:
    """Content-Length and Transfer-Encoding that say different things, in all the ways that have worked somewhere."""
    hidden = b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n"
    head = b"POST /mdm HTTP/1.1\r\n" + HOST
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden)
    async with scene.unharmed():
        for request in (
            head + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
            head + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + chunked,
            head + b"Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n" + hidden,
            head + b"Transfer-Encoding: identity, chunked, identity\r\n\r\n" + chunked,
            head + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(hidden) + hidden,
            head + b"Content-Length: 0\r\n Content-Length: 9\r\n\r\n" + hidden,
            head + b"Transfer-Encoding: chunked\r\n\r\n0;\r\n\r\n\r\n" + b"\x00" + hidden,
        ):
            answers = await wire.replies(scene.at, request)
            assert 200 not in [each.status for each in answers], (request, answers)
            assert answers[-1].status == 400


# Slowness


async def hung_up(scene: Scene, *pieces: bytes, pause: float = 0.2) -> float:
    """Send this, piece by piece; the seconds until the service hangs up."""
    reader, writer = await wire.connect(scene.at)
    began = time.monotonic()

    async def dribble() -> None:
        for piece in itertools.chain(pieces, itertools.repeat(b"x" if pieces else b"")):
            writer.write(piece)
            await asyncio.sleep(pause)

    dribbling = asyncio.create_task(dribble())
    try:
        async with asyncio.timeout(PATIENCE * 10):
            while await reader.read(65_536):
                pass
    except ConnectionError:
        pass
    finally:
        dribbling.cancel()
        writer.close()
    return time.monotonic() - began


LONG = b"Content-Length: 9999\r\n\r\n"
SLOW = {
    "nothing": (),
    "half a head": (b"PUT /mdm HTTP/1.1\r\nHost: ",),
    "a head without end": (b"PUT /mdm HTTP/1.1\r\n", b"X-A: b\r\n", b"X-B: "),
    "half a message": (b"PUT /mdm HTTP/1.1\r\n" + HOST + b"Content-Length: 100000\r\n\r\n", b"half"),
    "half a chunk": (b"PUT /mdm HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n", b"ffff\r\n"),
    "half a SCEP message": (
        b"POST /scep?operation=PKIOperation HTTP/1.1\r\n" + HOST + b"Content-Length: 9999\r\n\r\n",
    ),
    "half a MachineInfo": (b"POST /enroll/automated HTTP/1.1\r\n" + HOST + b"Content-Length: 9999\r\n\r\n",),
    "half an ACME request": (
        b"POST /acme/new-order HTTP/1.1\r\n"
        + HOST
        + b"Content-Type: application/jose+json\r\nContent-Length: 9999\r\n\r\n",
    ),
    "a body for nobody": (b"PUT /nowhere HTTP/1.1\r\n" + HOST + b"Content-Length: 99999\r\n\r\n",),
    "an empty line after an answer": (b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n", b"\r\n", b"\r\n"),
}


@pytest.mark.parametrize("name", sorted(SLOW))
async def test_who_takes_for_ever_is_hung_up_on(hasty: Scene, name: str) -> None:
    """A byte now and then, for as long as the service would wait."""
    async with hasty.unharmed():
        assert await hung_up(hasty, *SLOW[name]) < PATIENCE * 5


async def test_many_who_take_for_ever_hold_up_no_device(hasty: Scene) -> None:
    """As many as there is room for messages, and very many more that say nothing at all."""
    halves = (b"", b"PUT /mdm", b"PUT /mdm HTTP/1.1\r\n" + HOST + b"Content-Length: 100000\r\n\r\nhalf")
    async with hasty.unharmed():
        waiting = [await wire.connect(hasty.at) for _ in range(150)]
        for (_, writer), half in zip(waiting, itertools.cycle(halves), strict=False):
            writer.write(half)
        statuses: list[int] = []
        for _ in range(20):
            statuses.append((await report(hasty.owner)).status)
            if statuses[-1] == 200:
                break
            await asyncio.sleep(PATIENCE / 4)
        assert statuses[-1] == 200, statuses
        assert set(statuses) <= {200, 503}, "sent away at once, and let in as soon as the slow are gone"
        for _, writer in waiting:
            writer.close()
