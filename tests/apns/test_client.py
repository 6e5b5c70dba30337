"""The client against the stand-in, over real sockets, TLS and HTTP/2."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from h2.connection import H2Connection
from h2.errors import ErrorCodes

from corral.apns import (
    Accepted,
    Broken,
    CertificateRefused,
    Misconfigured,
    Outcome,
    Push,
    PushCertificateError,
    PushClient,
    RetryLater,
    Timeouts,
    Unregistered,
)
from corral.simulator.push_certificates import StandInApple
from corral.simulator.push_service import PushService

TOPIC = "com.apple.mgmt.External.4f6a2b1c-0d7e-4a53-9a64-6d1b5e0c8f21"
OTHER_TOPIC = "com.apple.mgmt.External.another"
MAGIC = "1B2F3C4D-6D1B-4A53-9A64-5E0C8F214F6A"
APPLE = StandInApple.create(datetime.now(UTC))


def make_pair(
    apple: StandInApple = APPLE, topic: str = TOPIC, valid: timedelta = timedelta(days=365)
) -> tuple[bytes, bytes]:
    return sign(apple, ec.generate_private_key(ec.SECP256R1()), topic, valid)


def sign(
    apple: StandInApple, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, topic: str, valid: timedelta
) -> tuple[bytes, bytes]:
    certificate = apple.push_certificate(topic, key.public_key(), datetime.now(UTC), valid)
    return certificate, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(slots=True)
class World:
    """One device (`token`) behind a running push service, and a client with a good certificate."""

    service: PushService
    client: PushClient
    url: str
    token: bytes = b"\x01" * 32
    woken: list[str] = field(default_factory=list[str])

    def push(self, token: bytes | None = None, *, topic: str = TOPIC, magic: str = MAGIC) -> Push:
        expiration = int(datetime.now(UTC).timestamp()) + 3600
        return Push(self.token if token is None else token, topic, magic, expiration, str(uuid.uuid4()))

    async def send(self, token: bytes | None = None) -> Outcome:
        return await self.client.send(self.push(token))

    async def send_at_once(self, count: int) -> list[Outcome]:
        return await asyncio.gather(*(self.send() for _ in range(count)))

    @property
    def ids(self) -> list[str | None]:
        """Of the pushes that the service saw and answered with 200."""
        return [seen.push.push_id for seen in self.service.received if seen.status == 200]


@asynccontextmanager
async def open_world(
    *,
    timeouts: Timeouts | None = None,
    pair: tuple[bytes, bytes] | None = None,
    trust: StandInApple = APPLE,
    most_streams: int = 1000,
    window: int = 65_535,
) -> AsyncGenerator[World]:
    service = PushService(APPLE, most_streams=most_streams, window=window)
    url = f"https://localhost:{await service.start()}"
    client = PushClient(url, trust_pem=trust.root_pem, timeouts=timeouts, jitter=lambda: 0.0)
    client.load(TOPIC, *(pair or make_pair()))
    world = World(service, client, url)
    service.register(world.token, TOPIC, MAGIC, lambda: world.woken.append("device"))
    try:
        yield world
    finally:
        await client.close()
        await service.stop()


async def test_a_push_wakes_the_device_and_says_what_apple_asks_for() -> None:
    async with open_world() as world:
        push = world.push()
        assert await world.client.send(push) == Accepted(push.push_id)
        await asyncio.sleep(0)
        assert world.woken == ["device"]
        (seen,) = world.service.received
        assert (seen.push.token, seen.push.topic, seen.push.magic) == (world.token, TOPIC, MAGIC)
        assert (seen.push.expiration, seen.push.priority) == (push.expiration, 10)
        assert (seen.push.push_type, seen.push.push_id) == ("mdm", push.push_id)


async def test_an_rsa_certificate_as_apples_portal_issues_them_is_shown() -> None:
    pair = sign(APPLE, rsa.generate_private_key(65537, 2048), TOPIC, timedelta(days=365))
    async with open_world(pair=pair) as world:
        assert isinstance(await world.send(), Accepted)


@pytest.mark.parametrize("magic", ['quo"te', "back\\slash", "snow ☃", "\x00", "}"])
async def test_any_magic_arrives_as_it_is(magic: str) -> None:
    async with open_world() as world:
        assert isinstance(await world.client.send(world.push(magic=magic)), Accepted)
        assert world.service.received[0].push.magic == magic


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (400, "BadDeviceToken", Misconfigured(400, "BadDeviceToken")),
        (404, "BadPath", Broken(404, "BadPath")),
        (405, "MethodNotAllowed", Broken(405, "MethodNotAllowed")),
        (413, "PayloadTooLarge", Broken(413, "PayloadTooLarge")),
        (429, "TooManyRequests", RetryLater(17.0, "TooManyRequests")),
        (500, "InternalServerError", RetryLater(17.0, "InternalServerError")),
        (503, "ServiceUnavailable", RetryLater(17.0, "ServiceUnavailable")),
    ],
)
async def test_a_refused_push_concerns_no_other_push(status: int, reason: str, expected: Outcome) -> None:
    async with open_world() as world:
        world.service.fail_next(1, status, reason, retry_after=17)
        assert await world.send() == expected
        assert isinstance(await world.send(), Accepted)
        assert world.service.tally.connections == 1


@pytest.mark.parametrize(("status", "reason"), [(503, "Shutdown"), (400, "IdleTimeout")])
async def test_an_answer_that_announces_the_end_of_the_connection_is_followed_by_a_new_one(
    status: int, reason: str
) -> None:
    async with open_world() as world:
        world.service.fail_next(1, status, reason)
        assert await world.send() == RetryLater(None, reason)
        assert isinstance(await world.send(), Accepted)
        assert world.service.tally.connections == 2


async def test_a_dead_token_says_since_when() -> None:
    async with open_world() as world:
        before = datetime.now(UTC)
        world.service.unregister(world.token)
        outcome = await world.send()
        assert isinstance(outcome, Unregistered)
        assert outcome.timestamp is not None
        assert abs(outcome.timestamp - before) < timedelta(seconds=2)


async def test_a_payload_over_the_limit_is_a_fault_of_ours() -> None:
    async with open_world() as world:
        assert await world.client.send(world.push(magic="x" * 5000)) == Broken(413, "PayloadTooLarge")


async def test_a_push_that_cannot_be_written_stops_no_other() -> None:
    async with open_world() as world:
        outcomes: list[Outcome] = []
        pushes = [world.push(magic="\ud800"), world.push()]
        await world.client.send_many(pushes, lambda _, outcome: outcomes.append(outcome), at_once=1)
        assert [type(outcome) for outcome in outcomes] == [Broken, Accepted]


async def test_a_topic_without_a_certificate_is_refused_without_asking() -> None:
    async with open_world() as world:
        outcome = await world.client.send(world.push(topic=OTHER_TOPIC))
        assert outcome == CertificateRefused(None, "no push certificate is loaded for this topic")
        assert world.service.tally.connections == 0


async def test_each_topic_has_its_own_certificate_and_connection() -> None:
    async with open_world() as world:
        world.service.register(b"other", OTHER_TOPIC, MAGIC, lambda: world.woken.append("other"))
        world.client.load(OTHER_TOPIC, *make_pair(topic=OTHER_TOPIC))
        assert world.client.topics == {TOPIC, OTHER_TOPIC}
        assert isinstance(await world.client.send(world.push(b"other", topic=OTHER_TOPIC)), Accepted)
        assert isinstance(await world.send(), Accepted)
        assert world.service.tally.connections == 2


# -- GOAWAY


async def test_300_of_300_pushes_come_through_a_goaway_once_each() -> None:
    async with open_world() as world:
        world.service.latency = 0.02  # so that the promised answers come after the GOAWAY
        world.service.go_away_after(100)
        outcomes = await world.send_at_once(300)
        assert [type(outcome) for outcome in outcomes] == [Accepted] * 300
        assert len(world.ids) == len(set(world.ids)) == 300
        assert world.service.tally.connections == 2


async def test_pushes_come_through_one_goaway_after_another() -> None:
    async with open_world() as world:
        done = 0
        for _ in range(5):
            world.service.go_away_after(20)
            outcomes = await world.send_at_once(60)
            done += sum(isinstance(outcome, Accepted) for outcome in outcomes)
        assert done == 300
        assert len(world.ids) == len(set(world.ids)) == 300
        assert world.service.tally.connections == 6


async def test_a_goaway_on_an_idle_connection_costs_nothing() -> None:
    async with open_world() as world:
        assert isinstance(await world.send(), Accepted)
        world.service.go_away()
        await asyncio.sleep(0.05)
        assert isinstance(await world.send(), Accepted)
        assert world.service.tally.connections == 2


async def test_what_the_server_did_not_act_on_is_repeated_once() -> None:
    async with open_world() as world:
        world.service.reset_next(1)
        assert isinstance(await world.send(), Accepted)
        world.service.reset_next(2)
        assert await world.send() == RetryLater(None, "the server refused the stream")
        assert isinstance(await world.send(), Accepted)


async def test_a_stream_reset_for_another_reason_is_not_repeated_at_once() -> None:
    async with open_world() as world:
        world.service.reset_next(1, ErrorCodes.INTERNAL_ERROR)
        outcome = await world.send()
        assert isinstance(outcome, RetryLater)
        assert "reset the stream" in outcome.reason
        assert len(world.service.received) == 1


# -- limits of the server


@pytest.mark.parametrize("most", [1, 3])
async def test_never_more_streams_than_the_server_allows(most: int) -> None:
    # The stand-in breaks the connection of a client that opens one too many.
    async with open_world(most_streams=most) as world:
        world.service.latency = 0.002
        outcomes = await world.send_at_once(60)
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert world.service.tally.connections == 1


async def test_a_limit_that_changes_is_followed() -> None:
    async with open_world() as world:
        assert isinstance(await world.send(), Accepted)
        world.service.limit_streams(0)
        await asyncio.sleep(0.05)
        waiting = [asyncio.ensure_future(world.send()) for _ in range(20)]
        await asyncio.sleep(0.05)
        assert not any(push.done() for push in waiting)
        assert len(world.service.received) == 1
        world.service.limit_streams(2)
        assert all(isinstance(outcome, Accepted) for outcome in await asyncio.gather(*waiting))
        assert world.service.tally.connections == 1


@pytest.mark.parametrize("window", [1, 10, 1000])
async def test_a_body_waits_for_the_window_of_its_stream(window: int) -> None:
    async with open_world(window=window) as world:
        outcomes = await world.send_at_once(30)
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert world.service.tally.connections == 1


async def test_bodies_wait_for_the_window_of_the_connection() -> None:
    async with open_world() as world:
        pushes = [world.push(magic="m" * 4000) for _ in range(200)]  # 800 KB through a window of 64 KB
        outcomes = await asyncio.gather(*(world.client.send(push) for push in pushes))
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert {len(seen.push.magic) for seen in world.service.received} == {4000}
        assert world.service.tally.connections == 1


async def test_when_the_stream_numbers_are_used_up_a_new_connection_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(H2Connection, "HIGHEST_ALLOWED_STREAM_ID", 19)  # ten streams
    async with open_world() as world:
        for _ in range(25):
            assert isinstance(await world.send(), Accepted)
        assert world.service.tally.connections == 3


# -- the network


async def test_pushes_under_way_when_the_connection_is_lost_are_for_later() -> None:
    async with open_world() as world:
        assert isinstance(await world.send(), Accepted)
        world.service.latency = 60
        pushes = asyncio.ensure_future(world.send_at_once(20))
        await asyncio.sleep(0.1)
        world.service.drop_connections()
        outcomes = await pushes
        assert {type(outcome) for outcome in outcomes} == {RetryLater}
        world.service.latency = 0
        assert isinstance(await world.send(), Accepted)


async def test_a_push_without_an_answer_is_for_later_and_the_others_go_on() -> None:
    async with open_world(timeouts=Timeouts(answer=0.3)) as world:
        world.service.silence_next(1)
        outcome, *others = await world.send_at_once(5)
        assert outcome == RetryLater(None, "no answer within 0.3 s")
        assert all(isinstance(other, Accepted) for other in others)


async def test_a_connection_that_has_gone_silent_is_replaced() -> None:
    async with open_world(timeouts=Timeouts(answer=0.2)) as world:
        assert isinstance(await world.send(), Accepted)
        world.service.silence_next(3)
        assert {type(outcome) for outcome in await world.send_at_once(3)} == {RetryLater}
        await asyncio.sleep(0.05)
        assert isinstance(await world.send(), Accepted)
        assert world.service.tally.connections == 2


async def test_an_idle_connection_is_kept_alive_by_pings() -> None:
    async with open_world(timeouts=Timeouts(idle=0.05, ping=0.2)) as world:
        assert isinstance(await world.send(), Accepted)
        await asyncio.sleep(0.6)
        assert isinstance(await world.send(), Accepted)
        assert world.service.tally.connections == 1


async def test_an_unreachable_service_is_asked_less_and_less_often() -> None:
    async with open_world() as world:
        await world.service.stop()
        first = await world.send()
        assert isinstance(first, RetryLater)
        assert first.after_seconds == 0.5
        assert "cannot connect to localhost" in first.reason
        await asyncio.sleep(0.01)
        again = await world.send()  # too early: no attempt is made
        assert isinstance(again, RetryLater)
        assert again.after_seconds is not None
        assert again.after_seconds < 0.5
        assert again.reason == first.reason
        await asyncio.sleep(0.55)
        third = await world.send()
        assert isinstance(third, RetryLater)
        assert third.after_seconds == 1.0


async def test_a_service_whose_certificate_is_not_trusted_gets_no_push() -> None:
    async with open_world(trust=StandInApple.create(datetime.now(UTC))) as world:
        outcome = await world.send()
        assert isinstance(outcome, RetryLater)
        assert "the server's certificate is not trusted" in outcome.reason
        assert not world.service.received


async def test_a_cancelled_push_leaves_the_others_alone() -> None:
    async with open_world() as world:
        world.service.latency = 0.1
        tasks = [asyncio.ensure_future(world.send()) for _ in range(10)]
        await asyncio.sleep(0)
        tasks[0].cancel()  # while it waits for the connection
        await asyncio.sleep(0.05)
        tasks[1].cancel()  # while it waits for its answer
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert Counter(type(outcome) for outcome in outcomes) == {asyncio.CancelledError: 2, Accepted: 8}


# -- the certificate


async def sees_no_more_of(world: World) -> bool:
    """A stopped topic is not even tried."""
    connections = world.service.tally.connections
    received = len(world.service.received)
    outcomes = await world.send_at_once(5)
    return (
        {type(outcome) for outcome in outcomes} == {CertificateRefused}
        and world.service.tally.connections == connections
        and len(world.service.received) == received
    )


async def test_a_refused_certificate_stops_its_topic_until_another_is_loaded() -> None:
    async with open_world() as world:
        world.service.fail_next(1, 403, "BadCertificate")
        assert await world.send() == CertificateRefused(403, "BadCertificate")
        assert await sees_no_more_of(world)
        world.client.load(TOPIC, *make_pair())
        assert isinstance(await world.send(), Accepted)


@pytest.mark.parametrize(
    ("pair", "alert"),
    [
        pytest.param(lambda: make_pair(StandInApple.create(datetime.now(UTC))), "TLS alert: ", id="foreign"),
        pytest.param(lambda: make_pair(valid=timedelta(minutes=-1)), "certificate expired", id="expired"),
    ],
)
async def test_a_certificate_that_fails_the_handshake_stops_its_topic(
    pair: Callable[[], tuple[bytes, bytes]], alert: str
) -> None:
    async with open_world(pair=pair()) as world:
        outcomes = await world.send_at_once(3)
        assert {type(outcome) for outcome in outcomes} == {CertificateRefused}
        assert isinstance(outcomes[0], CertificateRefused)
        assert outcomes[0].status is None
        assert alert in outcomes[0].reason
        assert await sees_no_more_of(world)
        world.client.load(TOPIC, *make_pair())
        assert isinstance(await world.send(), Accepted)


async def test_a_goaway_over_the_certificate_stops_the_topic() -> None:
    async with open_world() as world:
        assert isinstance(await world.send(), Accepted)
        world.service.latency = 0.1
        first = asyncio.ensure_future(world.send())
        await asyncio.sleep(0.03)
        world.service.go_away("BadCertificate")
        await asyncio.sleep(0.03)
        assert await world.send() == CertificateRefused(None, "BadCertificate")
        assert isinstance(await first, Accepted)  # it was promised
        assert await sees_no_more_of(world)


async def test_pushes_under_way_finish_when_the_certificate_is_replaced() -> None:
    async with open_world() as world:
        world.service.latency = 0.05
        before = [asyncio.ensure_future(world.send()) for _ in range(10)]
        await asyncio.sleep(0.04)
        world.client.load(TOPIC, *make_pair())
        after = await world.send_at_once(10)
        outcomes = [*await asyncio.gather(*before), *after]
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert world.service.tally.connections == 2


async def test_a_certificate_that_cannot_be_used_leaves_the_old_one_in_place() -> None:
    async with open_world() as world:
        with pytest.raises(PushCertificateError):
            world.client.load(TOPIC, make_pair()[0], make_pair()[1])
        with pytest.raises(PushCertificateError, match="cannot be a push topic"):
            world.client.load("a\nb", *make_pair())
        assert isinstance(await world.send(), Accepted)


# -- many, and the end


async def test_many_pushes_are_each_reported_once() -> None:
    async with open_world() as world:
        pushes = {push.push_id: push for push in (world.push() for _ in range(1500))}
        dead = world.push(b"\x09" * 32)
        pushes[dead.push_id] = dead
        outcomes: dict[str, Outcome] = {}

        def report(push: Push, outcome: Outcome) -> None:
            assert push.push_id not in outcomes
            outcomes[push.push_id] = outcome

        await world.client.send_many(iter(pushes.values()), report, at_once=400)
        assert outcomes.keys() == pushes.keys()
        assert outcomes.pop(dead.push_id) == Misconfigured(400, "BadDeviceToken")
        assert all(isinstance(outcome, Accepted) for outcome in outcomes.values())
        assert world.service.tally.connections == 1


async def test_closing_lets_pushes_finish_and_leaves_nothing_behind() -> None:
    async with open_world() as world:
        world.service.latency = 0.1
        pushes = [asyncio.ensure_future(world.send()) for _ in range(20)]
        await asyncio.sleep(0.05)
        await world.client.close()
        assert all(isinstance(outcome, Accepted) for outcome in await asyncio.gather(*pushes))
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert await world.send() == CertificateRefused(None, "no push certificate is loaded for this topic")


async def test_closing_does_not_wait_for_ever() -> None:
    async with open_world(timeouts=Timeouts(close=0.1)) as world:
        world.service.silence_next(2)
        pushes = [asyncio.ensure_future(world.send()) for _ in range(2)]
        await asyncio.sleep(0.05)
        await asyncio.wait_for(world.client.close(), 1)
        assert {type(outcome) for outcome in await asyncio.gather(*pushes)} == {RetryLater}


async def test_closing_while_connecting_answers_who_waits() -> None:
    async with open_world() as world:
        pushes = [asyncio.ensure_future(world.send()) for _ in range(3)]
        await asyncio.sleep(0)
        await world.client.close()
        assert {type(outcome) for outcome in await asyncio.gather(*pushes)} == {RetryLater}
        assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("url", ["http://localhost", "https://", "https://host/path", "localhost:443", "https://h?x"])
def test_a_url_that_is_none_of_a_push_service_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="give https://host"):
        PushClient(url)
