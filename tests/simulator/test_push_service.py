"""The stand-in for Apple's push service: as strict as Apple's, and kind to nobody."""

import asyncio
import contextlib
import json
import shutil
import socket
import ssl
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hpack.struct import HeaderTuple

from corral.apns.connection import Connection, Timeouts
from corral.apns.reply import Response
from corral.apns.tls import make_context
from corral.simulator.push_certificates import StandInApple, topics_of
from corral.simulator.push_request import Refusal, Wanted, check_request
from corral.simulator.push_service import PushService

TOPIC = "com.apple.mgmt.External.x"
OTHER_TOPIC = "com.apple.mgmt.External.y"
TOKEN = b"\xab" * 32
MAGIC = "magic"
PATH = "/3/device/" + TOKEN.hex()
BODY = b'{"mdm":"magic"}'
APPLE = StandInApple.create(datetime.now(UTC))

Headers = dict[str, str]


def make_pair(topic: str = TOPIC) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = APPLE.push_certificate(topic, key.public_key(), datetime.now(UTC))
    return certificate, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(slots=True)
class Desk:
    """A running service, one registered device, and the clock that the service reads."""

    service: PushService
    port: int
    now: list[float]
    woken: list[str] = field(default_factory=list[str])

    def register(self, token: bytes = TOKEN, topic: str = TOPIC, magic: str = MAGIC) -> None:
        self.service.register(token, topic, magic, lambda: self.woken.append(magic))


@asynccontextmanager
async def open_desk() -> AsyncGenerator[Desk]:
    now = [datetime.now(UTC).timestamp()]
    service = PushService(APPLE, clock=lambda: now[0])
    desk = Desk(service, await service.start(), now)
    desk.register()
    try:
        yield desk
    finally:
        await service.stop()


@asynccontextmanager
async def connect(desk: Desk) -> AsyncGenerator[Connection]:
    connection = Connection(Timeouts(), lambda _connection, _how: None)
    context = make_context(*make_pair(), APPLE.root_pem)
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: connection, "localhost", desk.port, ssl=context)
    assert await connection.ready is None
    try:
        yield connection
    finally:
        await connection.close()


async def ask(
    connection: Connection, headers: Headers | None = None, body: bytes = BODY, path: str = PATH, method: str = "POST"
) -> Response:
    pairs = [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path)]
    pairs += (headers or {"apns-topic": TOPIC}).items()
    reply = await connection.request([HeaderTuple(name.encode(), value.encode()) for name, value in pairs], body)
    assert isinstance(reply, Response)
    return reply


def reason_of(response: Response) -> tuple[int, str]:
    return response.status, json.loads(response.body)["reason"]


# -- what it takes


async def test_a_push_wakes_its_device_and_no_other() -> None:
    async with open_desk() as desk, connect(desk) as connection:
        desk.register(b"\x02" * 32, magic="another")
        push_id = str(uuid.uuid4())
        response = await ask(connection, {"apns-topic": TOPIC, "apns-id": push_id})
        assert (response.status, response.body) == (200, b"")
        assert response.headers[b"apns-id"].decode() == push_id
        await asyncio.sleep(0)
        assert desk.woken == [MAGIC]
        assert (desk.service.tally.accepted, desk.service.tally.delivered) == (1, 1)


async def test_a_push_without_an_id_or_a_topic_gets_them_made_up() -> None:
    async with open_desk() as desk, connect(desk) as connection:
        response = await ask(connection, {"apns-priority": "5"})
        assert response.status == 200
        assert uuid.UUID(response.headers[b"apns-id"].decode())
        assert desk.service.received[0].push.topic == TOPIC


@pytest.mark.parametrize(
    ("headers", "body", "path", "method", "expected"),
    [
        ({}, BODY, PATH, "GET", (405, "MethodNotAllowed")),
        ({}, BODY, "/2/device/aa", "POST", (404, "BadPath")),
        ({}, BODY, PATH + "/", "POST", (404, "BadPath")),
        ({}, BODY, PATH + "?x=1", "POST", (404, "BadPath")),
        ({}, BODY, "/3/device/", "POST", (400, "MissingDeviceToken")),
        ({}, BODY, PATH.upper().replace("/DEVICE/", "/device/"), "POST", (400, "BadDeviceToken")),
        ({}, BODY, "/3/device/abc", "POST", (400, "BadDeviceToken")),
        ({}, BODY, "/3/device/" + "cd" * 32, "POST", (400, "BadDeviceToken")),
        ({"apns-topic": "no topic"}, BODY, PATH, "POST", (400, "BadTopic")),
        ({"apns-topic": OTHER_TOPIC}, BODY, PATH, "POST", (400, "TopicDisallowed")),
        ({"apns-push-type": "alert"}, BODY, PATH, "POST", (400, "InvalidPushType")),
        ({"apns-expiration": "-1"}, BODY, PATH, "POST", (400, "BadExpirationDate")),
        ({"apns-expiration": "soon"}, BODY, PATH, "POST", (400, "BadExpirationDate")),
        ({"apns-priority": "11"}, BODY, PATH, "POST", (400, "BadPriority")),
        ({"apns-id": "1234"}, BODY, PATH, "POST", (400, "BadMessageId")),
        ({"apns-collapse-id": "c" * 65}, BODY, PATH, "POST", (400, "BadCollapseId")),
        ({}, b'{"mdm":"magic","aps":{}}', PATH, "POST", (400, "BadPayload")),
        ({}, b'{"mdm":5}', PATH, "POST", (400, "BadPayload")),
        ({}, b'{"mdm":""}', PATH, "POST", (400, "BadPayload")),
        ({}, b"[]", PATH, "POST", (400, "BadPayload")),
        ({}, b"[" * 4000, PATH, "POST", (400, "BadPayload")),
        ({}, b"\xff", PATH, "POST", (400, "BadPayload")),
        ({}, b'{"mdm":"%s"}' % (b"m" * 4087), PATH, "POST", (413, "PayloadTooLarge")),
        ({}, b"x" * 60_000, PATH, "POST", (413, "PayloadTooLarge")),
    ],
)
async def test_a_push_that_apple_would_not_take_is_refused_with_apples_word(
    headers: Headers, body: bytes, path: str, method: str, expected: tuple[int, str]
) -> None:
    async with open_desk() as desk, connect(desk) as connection:
        response = await ask(connection, {"apns-topic": TOPIC} | headers, body, path, method)
        assert reason_of(response) == expected
        assert uuid.UUID(response.headers[b"apns-id"].decode())
        assert desk.service.tally.refused == {expected[1]: 1}
        assert desk.woken == []
        assert (await ask(connection)).status == 200  # and the connection goes on


def test_the_largest_payload_is_taken() -> None:
    body = b'{"mdm":"%s"}' % (b"m" * 4086)
    assert len(body) == 4096
    headers = [(b":method", b"POST"), (b":path", PATH.encode())]
    assert isinstance(check_request(headers, body, frozenset({TOPIC})), Wanted)


@pytest.mark.parametrize(
    ("headers", "body", "topics", "reason"),
    [
        ([], b"", {TOPIC}, "PayloadEmpty"),
        ([], BODY, {TOPIC, OTHER_TOPIC}, "MissingTopic"),
        ([], BODY, set[str](), "MissingTopic"),
        ([(b"apns-id", b"x"), (b"apns-id", b"x")], BODY, {TOPIC}, "DuplicateHeaders"),
        ([(b"apns-topic", TOPIC.encode())] * 2, BODY, {TOPIC}, "DuplicateHeaders"),
    ],
)
def test_what_only_a_certificate_or_a_strange_client_brings_about(
    headers: list[tuple[bytes, bytes]], body: bytes, topics: set[str], reason: str
) -> None:
    whole = [(b":method", b"POST"), (b":path", PATH.encode()), *headers]
    assert check_request(whole, body, frozenset(topics)) == Refusal(400, reason)


async def test_a_token_of_another_topic_is_refused() -> None:
    async with open_desk() as desk, connect(desk) as connection:
        desk.register(topic=OTHER_TOPIC)
        assert reason_of(await ask(connection)) == (400, "DeviceTokenNotForTopic")


async def test_a_wrong_magic_is_accepted_and_reaches_nobody() -> None:
    async with open_desk() as desk, connect(desk) as connection:
        assert (await ask(connection, body=b'{"mdm":"wrong"}')).status == 200
        await asyncio.sleep(0)
        assert desk.woken == []
        assert desk.service.tally.dropped == {"wrong magic": 1}


async def test_a_token_that_is_given_up_is_unregistered_since_then_and_may_come_back() -> None:
    async with open_desk() as desk, connect(desk) as connection:
        desk.service.unregister(TOKEN)
        since = desk.now[0]
        desk.now[0] += 100
        response = await ask(connection)
        assert reason_of(response) == (410, "Unregistered")
        assert json.loads(response.body)["timestamp"] == int(since * 1000)
        desk.register()
        assert (await ask(connection)).status == 200


# -- devices that are away


async def push_with_expiration(connection: Connection, expiration: float) -> None:
    headers = {"apns-topic": TOPIC, "apns-expiration": str(int(expiration))}
    assert (await ask(connection, headers)).status == 200


async def test_the_last_push_waits_for_a_device_that_is_away() -> None:
    async with open_desk() as desk, connect(desk) as connection:
        desk.service.offline(TOKEN)
        for _ in range(3):
            await push_with_expiration(connection, desk.now[0] + 60)
        await asyncio.sleep(0)
        assert desk.woken == []
        desk.service.online(TOKEN)
        desk.service.online(TOKEN)
        await asyncio.sleep(0)
        assert desk.woken == [MAGIC]
        assert desk.service.tally.dropped == {"replaced": 2}


@pytest.mark.parametrize(("lifetime", "reason"), [(60, "expired"), (None, "offline"), (-60, "offline")])
async def test_a_push_that_may_not_wait_that_long_is_dropped(lifetime: int | None, reason: str) -> None:
    async with open_desk() as desk, connect(desk) as connection:
        desk.service.offline(TOKEN)
        await push_with_expiration(connection, 0 if lifetime is None else desk.now[0] + lifetime)
        desk.now[0] += 61
        desk.service.online(TOKEN)
        await asyncio.sleep(0)
        assert desk.woken == []
        assert desk.service.tally.dropped == {reason: 1}


async def test_the_magic_counts_when_the_push_arrives() -> None:
    async with open_desk() as desk, connect(desk) as connection:
        desk.service.offline(TOKEN)
        await push_with_expiration(connection, desk.now[0] + 60)
        desk.register(magic="new")
        desk.service.online(TOKEN)
        await asyncio.sleep(0)
        assert desk.woken == []


async def test_a_device_that_fails_when_woken_harms_only_itself() -> None:
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))

    def fail() -> None:
        raise ZeroDivisionError

    async with open_desk() as desk, connect(desk) as connection:
        desk.service.register(TOKEN, TOPIC, MAGIC, fail)
        assert (await ask(connection)).status == 200
        assert (await ask(connection)).status == 200
    assert [type(failure) for failure in failures] == [ZeroDivisionError] * 2


# -- faults on demand


async def test_faults_are_answered_as_often_as_asked_and_nothing_is_delivered() -> None:
    async with open_desk() as desk, connect(desk) as connection:
        desk.service.fail_next(2, 429, "TooManyRequests", retry_after=9)
        for _ in range(2):
            response = await ask(connection)
            assert reason_of(response) == (429, "TooManyRequests")
            assert response.headers[b"retry-after"] == b"9"
        assert (await ask(connection)).status == 200
        await asyncio.sleep(0)
        assert desk.woken == [MAGIC]
        assert [seen.status for seen in desk.service.received] == [429, 429, 200]


async def test_a_fault_can_be_for_one_token() -> None:
    async with open_desk() as desk, connect(desk) as connection:
        other = b"\x02" * 32
        desk.register(other)
        desk.service.fail_next(1, 410, "ExpiredToken", token=other)
        assert (await ask(connection)).status == 200
        response = await ask(connection, path="/3/device/" + other.hex())
        assert reason_of(response) == (410, "ExpiredToken")
        assert json.loads(response.body)["timestamp"] == int(desk.now[0] * 1000)
        assert (await ask(connection, path="/3/device/" + other.hex())).status == 200


async def test_20_000_tokens_are_held() -> None:
    async with open_desk() as desk, connect(desk) as connection:
        tokens = [number.to_bytes(32) for number in range(20_000)]
        for token in tokens:
            desk.register(token)
        for token in tokens[::1000]:
            assert (await ask(connection, path="/3/device/" + token.hex())).status == 200
        await asyncio.sleep(0)
        assert len(desk.woken) == 20


# -- clients that it does not know


async def handshake(desk: Desk, context: ssl.SSLContext) -> str:
    """What a client is told: an SSL error's reason, or `open`."""
    loop = asyncio.get_running_loop()

    def talk() -> str:
        try:
            with (
                socket.create_connection(("127.0.0.1", desk.port), timeout=5) as raw,
                context.wrap_socket(raw, server_hostname="localhost") as tls,
            ):
                return "open" if tls.recv(1) else "closed"
        except ssl.SSLError as error:
            return error.reason or "unknown"

    return await loop.run_in_executor(None, talk)


async def test_a_client_without_a_certificate_is_told_so() -> None:
    async with open_desk() as desk:
        context = ssl.create_default_context(cadata=APPLE.root_pem.decode())
        context.set_alpn_protocols(["h2"])
        assert await handshake(desk, context) == "TLSV13_ALERT_CERTIFICATE_REQUIRED"


async def test_a_client_that_does_not_speak_http2_is_left() -> None:
    async with open_desk() as desk:
        context = make_context(*make_pair(), APPLE.root_pem)
        assert await handshake(desk, context) == "open"
        context.set_alpn_protocols(["http/1.1"])
        assert await handshake(desk, context) == "closed"


async def test_tls_before_1_2_is_not_spoken(recwarn: pytest.WarningsRecorder) -> None:
    async with open_desk() as desk:
        context = make_context(*make_pair(), APPLE.root_pem)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1  # deprecated, which is the point
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        assert "PROTOCOL_VERSION" in await handshake(desk, context)
        recwarn.clear()


async def test_stopping_cuts_even_a_client_that_has_not_said_a_word() -> None:
    async with open_desk() as desk:
        _, writer = await asyncio.open_connection("127.0.0.1", desk.port)
        await asyncio.sleep(0.02)
        await asyncio.wait_for(desk.service.stop(), 2)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


# -- its certificates


def test_a_push_certificate_names_its_topic_as_apples_does() -> None:
    certificate = x509.load_pem_x509_certificate(make_pair()[0])
    assert topics_of(certificate) == {TOPIC}
    assert certificate.not_valid_after_utc - datetime.now(UTC) > timedelta(days=364)
    certificate.verify_directly_issued_by(APPLE.certificate)


def test_the_stand_in_can_be_kept_and_shows_no_key() -> None:
    again = StandInApple.from_pem(APPLE.pem())
    assert again.certificate == APPLE.certificate
    assert again.key.private_numbers() == APPLE.key.private_numbers()
    assert "key" not in repr(again)
    with pytest.raises(ValueError, match=r"."):
        StandInApple.from_pem(APPLE.root_pem)


# -- a client that nobody here wrote


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(
    ("extra", "path", "expected"),
    [
        pytest.param((), PATH, ("200", "2", ""), id="accepted"),
        pytest.param(("-H", "apns-priority: 99"), PATH, ("400", "2", "BadPriority"), id="refused"),
        pytest.param(("-X", "PUT"), PATH, ("405", "2", "MethodNotAllowed"), id="wrong method"),
        pytest.param(("-d", "m" * 9000), PATH, ("413", "2", "PayloadTooLarge"), id="too large"),
        pytest.param((), "/3/device/00", ("400", "2", "BadDeviceToken"), id="unknown token"),
    ],
)
async def test_curl_pushes(extra: Sequence[str], path: str, expected: tuple[str, str, str], tmp_path: Path) -> None:
    if b"HTTP2" not in (await run("curl", "--version"))[1]:
        pytest.skip("curl was built without HTTP/2")
    certificate, key = make_pair()
    (tmp_path / "pair.pem").write_bytes(certificate + key)
    (tmp_path / "root.pem").write_bytes(APPLE.root_pem)
    async with open_desk() as desk:
        body = ("-d", BODY.decode()) if "-d" not in extra else ()
        code, out = await run(
            *("curl", "-sS", "--http2", "--noproxy", "*", "-w", "\n%{http_code} %{http_version}"),
            *("--cacert", str(tmp_path / "root.pem"), "--cert", str(tmp_path / "pair.pem")),
            *("-H", f"apns-topic: {TOPIC}", "-H", "apns-push-type: mdm", *body, *extra),
            f"https://localhost:{desk.port}{path}",
        )
        assert code == 0, out
        answer, _, status = out.decode().rpartition("\n")
        assert (*status.split(), json.loads(answer)["reason"] if answer else "") == expected
        await asyncio.sleep(0)
        assert desk.woken == ([MAGIC] if expected[0] == "200" else [])


async def run(*command: str) -> tuple[int | None, bytes]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    return process.returncode, out
