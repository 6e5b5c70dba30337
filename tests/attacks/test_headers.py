"""Behind a proxy that names devices by a header: what is not the proxy's is not believed."""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from attacks.forging import claiming
from attacks.scene import CLONE, Scene, refused
from corral.simulator.device import Device
from corral.simulator.identity import ProxyHeader, Signed
from corral.simulator.transport import Response
from e2e import wire
from e2e.installation import Installation, Template, installation
from e2e.messages import authenticate, check_in, enrollment_of, report, update_token

NOT_THE_PROXY = "Not identified: this listener takes requests only from the proxy that it was told of."
FROM_ELSEWHERE = "127.0.0.2"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Scene]:
    """The tests are the proxy's address; what comes from elsewhere comes from another of this machine."""
    behind = {
        "CORRAL_IDENTITY": "header",
        "CORRAL_PROXY": "127.0.0.1",
        "CORRAL_PROXY_ADDRESS_HEADER": "X-Forwarded-For",
    }
    async with installation(template, tmp_path_factory.mktemp("header"), behind, plain=True) as at:
        yield await Scene.of(at, proof=ProxyHeader())


def shown(device: Device) -> str:
    return ProxyHeader().value(enrollment_of(device).identity.parsed)


def put(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"PUT {path} HTTP/1.1", "Host: x", "Connection: close", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


async def ask(scene: Scene, body: bytes, *headers: tuple[str, str], path: str = "/mdm") -> Response:
    """As the proxy."""
    return await scene.at.transport.request(
        "PUT", f"{scene.at.url}{path}", headers=headers, body=body, trust=scene.at.trust
    )


async def test_a_header_from_an_address_that_is_no_proxy_is_not_believed(scene: Scene) -> None:
    idle = enrollment_of(scene.owner).device.idle
    async with scene.unharmed():
        for more in (
            (),
            ("X-Forwarded-For: 127.0.0.1",),
            ("X-Real-IP: 127.0.0.1", "Forwarded: for=127.0.0.1;by=127.0.0.1"),
            ("X-Forwarded-For: 127.0.0.1, 127.0.0.2", "X-Forwarded-Host: 127.0.0.1", "Via: 1.1 127.0.0.1"),
        ):
            request = put("/mdm", idle, f"Client-Cert: {shown(scene.owner)}", *more)
            refused(await wire.raw(scene.at, request, source=FROM_ELSEWHERE), 400, NOT_THE_PROXY)


async def test_a_header_of_somebody_who_hangs_up_at_once_is_not_believed(scene: Scene) -> None:
    """A connection that was reset has no address any more; what it sent before is read all the same."""
    leave = enrollment_of(scene.owner).device.message(MessageType="CheckOut")
    request = put("/checkin", leave, f"Client-Cert: {shown(scene.owner)}")
    async with scene.unharmed():
        for _ in range(200):
            await asyncio.to_thread(_send_and_reset, scene.at, request)
        assert (await report(scene.owner)).status == 200


def _send_and_reset(at: Installation, request: bytes) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.bind((FROM_ELSEWHERE, 0))
        connection.connect(("127.0.0.1", int(at.url.rpartition(":")[2])))
        connection.sendall(request)


async def test_a_header_that_comes_twice_names_nobody(scene: Scene) -> None:
    """The proxy has put its own beside the one that the device brought."""
    thief = await scene.at.enrolled(proof=ProxyHeader())
    mine, its, idle = shown(thief), shown(scene.owner), enrollment_of(scene.owner).device.idle
    async with scene.unharmed():
        for pair in (("Client-Cert", its), ("Client-Cert", mine)), (("client-cert", mine), ("CLIENT-CERT", its)):
            refused(await ask(scene, idle, *pair), 400, "Not identified: more than one client-cert header.")


async def test_a_header_with_two_certificates_names_nobody(scene: Scene) -> None:
    thief = await scene.at.enrolled(proof=ProxyHeader())
    mine, its, idle = shown(thief), shown(scene.owner), enrollment_of(scene.owner).device.idle
    escaped = ProxyHeader(form="escaped-pem")
    pems = "".join(escaped.value(enrollment_of(each).identity.parsed) for each in (scene.owner, thief))
    async with scene.unharmed():
        for value in (f"{its}, {mine}", f"{its},{mine}", f"{its}{mine}", f"{its[:-1]}{mine[1:]}", pems, its[:-1], ""):
            answer = await ask(scene, idle, ("Client-Cert", value))
            assert answer.status == 400, value
            assert answer.body.startswith(b"Not identified: ")


async def test_a_signature_beside_the_header_of_the_proxy_says_nothing(scene: Scene) -> None:
    thief = await scene.at.enrolled(proof=ProxyHeader())
    idle = enrollment_of(scene.owner).device.idle
    signed = enrollment_of(scene.owner).identity.prove(Signed(), idle, datetime.now(UTC), signs_time=True)
    async with scene.unharmed("connection.clone-refused"):
        refused(await ask(scene, idle, *signed), 400, "Not identified: no client-cert header.")
        refused(await ask(scene, idle, *signed, ("Client-Cert", shown(thief))), 403, CLONE)


async def test_a_header_of_another_name_is_not_the_proxys(scene: Scene) -> None:
    idle = enrollment_of(scene.owner).device.idle
    async with scene.unharmed():
        for name in ("Client_Cert", "X-Client-Cert", "Client-Cert-Chain", "Ssl-Client-Cert", "Client-Cert:"):
            answer = await wire.raw(scene.at, put("/mdm", idle, f"{name}: {shown(scene.owner)}"))
            assert answer.status == 400, name


async def test_a_certificate_without_its_key_is_refused_for_another_device_by_the_proxy_too(scene: Scene) -> None:
    thief = await scene.at.enrolled(proof=ProxyHeader())
    claimed = claiming(thief, scene.owner)
    async with scene.unharmed("connection.clone-refused"):
        for answer in (
            await report(thief, enrollment=claimed),
            await update_token(thief, claimed),
            await check_in(thief, "CheckOut", claimed),
            await authenticate(thief, claimed),
        ):
            refused(answer, 403, CLONE)


async def test_a_request_that_is_hidden_in_the_body_of_another_is_not_read(scene: Scene) -> None:
    """What a proxy takes for one request must not be two here: the second would have a header that is not its own."""
    leave = enrollment_of(scene.owner).device.message(MessageType="CheckOut")
    hidden = put("/checkin", leave, f"Client-Cert: {shown(scene.owner)}")
    head = b"POST /mdm HTTP/1.1\r\nHost: x\r\n"
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden)
    async with scene.unharmed():
        for request in (
            head + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(hidden)) + hidden,
            head + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + chunked,
            head + b"Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n" + hidden,
            head + b"Transfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n" + hidden,
            head + b"Transfer-Encoding:\x0bchunked\r\nContent-Length: 0\r\n\r\n" + hidden,
            head + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n" + hidden,
            head + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(hidden) + hidden,
            head + b"Content-Length: 0, %d\r\n\r\n" % len(hidden) + hidden,
            head + b"Content-Length: +0\r\n\r\n" + hidden,
            head + b"Content-Length: 0x10\r\n\r\n" + hidden,
            head + b"X: y\n\n" + hidden,
            head + b" Content-Length: 0\r\n\r\n" + hidden,
        ):
            replies = await wire.replies(scene.at, request)
            assert [each.status for each in replies] == [400], (request[:90], replies)


async def test_a_made_up_address_is_not_where_a_sign_in_comes_from(scene: Scene) -> None:
    """The proxy adds who has asked it, behind whatever they say; who is no proxy says nothing."""
    body, path = b'{"name": "root", "password": "is this it"}', "/api/v1/sessions"
    async with scene.unharmed():
        answer = await scene.at.transport.request(
            "POST",
            f"{scene.at.url}{path}",
            headers=(("Content-Type", "application/json"), ("X-Forwarded-For", "203.0.113.9, 198.51.100.7")),
            body=body,
            trust=scene.at.trust,
        )
        assert answer.status == 401
        made_up = put(path, body, "Content-Type: application/json", "X-Forwarded-For: 203.0.113.9, 198.51.100.8")
        direct = await wire.raw(scene.at, made_up.replace(b"PUT", b"POST", 1), source=FROM_ELSEWHERE)
        assert direct.status == 401
    told = (await scene.at.get("/audit", operation="beginSession", outcome="refused"))["entries"]
    assert [each["actor"]["address"] for each in told] == [FROM_ELSEWHERE, "198.51.100.7"]
