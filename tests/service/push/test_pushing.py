"""Each answer of Apple's push service, and what becomes of the work and the channel."""

from collections.abc import Callable, Iterable
from datetime import datetime

import pytest

from corral.apns.push import (
    Accepted,
    Broken,
    CertificateRefused,
    Misconfigured,
    Outcome,
    Push,
    RetryLater,
    Unregistered,
)
from corral.lifecycle.state import DAY, HOUR, SECOND
from corral.service.clock import to_datetime
from corral.service.push.pushing import BATCH, Pushing
from corral.store.errors import StoreUnavailable
from service.fakes import (
    NOW,
    Clock,
    FakeEvents,
    FakePushService,
    FakeVault,
    FakeWork,
    nobody_waits,
    push_certificate,
    target,
)

TOPIC = "com.apple.mgmt.test"


class Station:
    """A Pushing over fakes, with one channel or more that are due."""

    def __init__(self, *channels: str) -> None:
        self.work = FakeWork()
        self.vault = FakeVault(push_certificate())
        self.events = FakeEvents()
        self.client = FakePushService()
        self.counted: list[str] = []
        self.gone: list[str] = []
        self.pushing = Pushing(
            self.work, self.vault, self.events, self.client, Clock(), self.counted.append, self._gone
        )
        for channel in channels or ("C1",):
            self.work.targets[channel] = target(channel)
            self.work.due["push", channel] = NOW

    async def _gone(self, connection: str) -> None:
        self.gone.append(connection)
        if connection == "C-BUSY":
            raise StoreUnavailable("not now")

    async def push(self, outcome: Outcome | None = None) -> int:
        if outcome is not None:
            self.client.outcomes[TOPIC] = outcome
        return await self.pushing.push_due("push")


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (Accepted("id"), "accepted"),
        (RetryLater(None, "busy"), "retry-later"),
        (CertificateRefused(403, "BadCertificate"), "certificate-refused"),
        (Misconfigured(400, "BadTopic"), "misconfigured"),
        (Broken(500, "strange"), "broken"),
    ],
)
async def test_every_push_is_counted_by_what_came_of_it(outcome: Outcome, word: str) -> None:
    station = Station("C1", "C2")
    await station.push(outcome)
    assert station.counted == [word, word]


async def test_nothing_due_is_nothing_sent() -> None:
    station = Station()
    station.work.due["push", "C1"] = NOW + 1
    assert await station.push() == 0
    assert station.client.pushes == []


async def test_a_push_names_token_topic_and_magic_and_is_kept_for_a_week() -> None:
    station = Station("C1", "C1/ANN")
    assert await station.push() == 2
    first, second = station.client.pushes
    assert (first.token, first.topic, first.magic) == (b"C1", TOPIC, "magic")
    assert first.expiration == (NOW + 7 * DAY) // 1000
    assert second.token == b"C1/ANN"
    assert first.push_id != second.push_id


async def test_an_accepted_push_is_done_and_recorded() -> None:
    station = Station()
    await station.push(Accepted("id"))
    assert station.work.finished == ["C1"]
    assert [(r.channel_id, r.at, r.outcome) for r in station.work.records] == [("C1", NOW, "accepted")]
    assert station.work.returned == {}
    assert station.events.told == []


async def test_work_of_a_channel_that_cannot_be_pushed_any_more_is_done_without_a_push() -> None:
    station = Station()
    station.work.targets.clear()
    assert await station.push() == 1
    assert station.work.finished == ["C1"]
    assert station.work.records == []


async def test_work_that_is_due_later_is_of_another_kind() -> None:
    station = Station()
    assert await station.pushing.push_due("push-later") == 0
    assert station.client.pushes == []


@pytest.mark.parametrize("timestamp", [None, to_datetime(NOW - 1000), to_datetime(NOW)])
async def test_a_token_that_apple_calls_dead_is_pushed_no_more(timestamp: datetime | None) -> None:
    station = Station()
    await station.push(Unregistered(timestamp))
    assert station.work.unreachable == {"C1": "Apple: unregistered"}
    (event,) = station.work.events
    assert (event.type, event.device_id, event.connection_id) == ("push.unregistered", "UDID-1", "C1")
    assert event.data == {"channel": "C1", "reason": "Unregistered"}
    assert station.work.finished == ["C1"]
    assert station.work.records[0].outcome == "Unregistered"


async def test_who_waits_for_the_place_of_what_no_push_can_reach_is_told() -> None:
    station = Station("C1", "C1/ANN", "C-BUSY")
    station.work.due["push", "C2"] = NOW
    await station.push(Unregistered(None))
    assert sorted(station.gone) == ["C-BUSY", "C1", "C2"], "of the devices, not of their users"
    assert sorted(station.work.finished) == ["C-BUSY", "C1", "C1/ANN", "C2"]


async def test_a_token_that_is_newer_than_apples_word_stays() -> None:
    station = Station()
    await station.push(Unregistered(to_datetime(NOW - 1001)))
    assert station.work.unreachable == {}
    assert station.work.finished == ["C1"]


async def test_a_token_that_was_replaced_during_the_push_stays() -> None:
    class Replacing(FakePushService):
        async def send_many(
            self, pushes: Iterable[Push], report: Callable[[Push, Outcome], None], *, at_once: int = 1000
        ) -> None:
            await super().send_many(pushes, report, at_once=at_once)
            station.work.targets["C1"] = target("C1", token=b"newer")

    station = Station()
    client = Replacing()
    client.outcomes[TOPIC] = Unregistered(None)
    pushing = Pushing(
        station.work, station.vault, station.events, client, Clock(), station.counted.append, nobody_waits
    )
    await pushing.push_due("push")
    assert client.pushes[0].token == b"C1"
    assert station.work.unreachable == {}


@pytest.mark.parametrize(("attempts", "least", "most"), [(0, 1, 2), (1, 2, 4), (5, 32, 64), (20, 1800, 3600)], ids=str)
async def test_a_busy_service_is_tried_again_later_and_later(attempts: int, least: int, most: int) -> None:
    waits: set[int] = set()
    for _ in range(30):
        station = Station()
        station.work.attempts = attempts
        await station.push(RetryLater(None, "TooManyRequests"))
        waits.add(station.work.returned["C1"] - NOW)
        assert station.work.finished == []
        assert station.work.records[0].outcome == "TooManyRequests"
    assert least * SECOND <= min(waits) <= max(waits) <= most * SECOND
    assert len(waits) > 1, "with jitter"


async def test_not_before_the_time_that_the_service_asks_for() -> None:
    station = Station()
    await station.push(RetryLater(7200.0, "ServiceUnavailable"))
    assert station.work.returned == {"C1": NOW + 2 * HOUR}


@pytest.mark.parametrize("outcome", [Misconfigured(400, "BadDeviceToken"), Broken(404, "BadPath")])
async def test_what_is_wrong_on_this_side_alarms_and_costs_no_token(outcome: Outcome) -> None:
    station = Station()
    await station.push(outcome)
    assert station.events.kinds == ["push.misconfigured"]
    assert station.events.told[0].data["channel"] == "C1"
    assert station.work.unreachable == {}
    assert station.work.finished == ["C1"]
    assert station.client.unloaded == []


async def test_a_refused_certificate_stops_its_topic_once() -> None:
    station = Station("C1", "C2", "C3")
    station.work.targets["C3"] = target("C3", topic="com.apple.mgmt.other")
    await station.push(CertificateRefused(403, "BadCertificate"))
    assert station.client.unloaded == [TOPIC]
    assert station.events.kinds == ["push.topic-stopped"]
    assert station.events.told[0].data == {"topic": TOPIC, "reason": "BadCertificate"}
    assert station.vault.certificates[TOPIC].stopped == "BadCertificate"
    assert sorted(station.work.finished) == ["C1", "C2", "C3"]
    assert {r.channel_id: r.outcome for r in station.work.records}["C3"] == "accepted"


async def test_a_topic_that_no_certificate_is_held_for_is_not_told_as_stopped() -> None:
    station = Station()
    station.vault.certificates.clear()
    await station.push(CertificateRefused(None, "no push certificate is loaded for this topic"))
    assert station.events.told == []
    assert station.work.finished == ["C1"]


async def test_a_batch_is_bounded() -> None:
    station = Station(*(f"C{number}" for number in range(BATCH + 5)))
    assert await station.push() == BATCH
    assert await station.push() == 5


async def test_no_secret_is_told() -> None:
    station = Station()
    station.work.targets["C1"] = target("C1", token=b"secret token", magic="secret magic")
    for outcome in (Misconfigured(400, "BadTopic"), Unregistered(None), CertificateRefused(403, "Forbidden")):
        station.work.due["push", "C1"] = NOW
        await station.push(outcome)
    told = repr((station.events.told, station.work.events, station.work.records, station.client.pushes))
    assert "secret" not in told


async def test_certificates_are_loaded_but_for_topics_that_apple_has_refused() -> None:
    station = Station()
    station.vault = FakeVault(push_certificate("a"), push_certificate("b", stopped="BadCertificate"))
    pushing = Pushing(
        station.work, station.vault, station.events, station.client, Clock(), station.counted.append, nobody_waits
    )
    await pushing.load_certificates()
    assert station.client.loaded == ["a"]
