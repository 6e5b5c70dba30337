"""What a question finds is held against what `--check` takes, and what falls short is named."""

import asyncio
from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from benchmarks.embedded import Embedded
from benchmarks.fleet import make_fleet
from benchmarks.floors import Floor
from benchmarks.load import Job, LoadFailed, LoadGenerator, percentile
from benchmarks.plot import Series, lines
from benchmarks.processes import child, wait_for_port
from benchmarks.questions.clients import Clients, Point
from benchmarks.questions.felt import Felt, Polls, rows
from benchmarks.questions.ground import QUICK, Ground
from benchmarks.questions.growth import Cost, Growth
from benchmarks.questions.hanging import Hanging
from benchmarks.questions.listings import AIM as AIM_OF_LISTINGS
from benchmarks.questions.listings import Listings, Waited
from benchmarks.questions.observed import Compared, Observed
from benchmarks.questions.order import Order
from benchmarks.questions.overload import MOST_GROWTH, Overload
from benchmarks.questions.reach import Reach
from benchmarks.questions.starting import MOST_SECONDS, Starting
from benchmarks.questions.watching import Memory
from benchmarks.questions.workers import Workers
from benchmarks.signing import Workshop
from benchmarks.stand_in import Seen
from benchmarks.workloads import Extent, Measured, enroll, one_command, token_updates

from benchmarks import crowd
from corral.cli.process import free_port

REQUEST = b"PUT /mdm HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
CALM = Overload(
    accepted=1000.0,
    refused=500.0,
    accepted_p99=300.0,
    refused_p99=100.0,
    before=20_000.0,
    after=19_000.0,
    memory=Memory(100, 120, 110),
)


def test_a_slow_start_is_named() -> None:
    assert not Starting([MOST_SECONDS] * 3).shortcomings()
    assert Starting([0.5, MOST_SECONDS + 0.1, MOST_SECONDS + 0.2]).shortcomings()


def test_throughput_that_collapses_is_named() -> None:
    steady = [
        Point("idle polls", clients, rate, 1.0, 2.0) for clients, rate in ((1, 500.0), (64, 1000.0), (1024, 900.0))
    ]
    assert not Clients("SQLite", steady).shortcomings()
    (found,) = Clients("SQLite", [*steady[:2], replace(steady[2], rate=100.0)]).shortcomings()
    assert "idle polls" in found


@pytest.mark.parametrize(
    "change",
    [{"refused": 0.0}, {"refused_p99": 301.0}, {"after": 9_000.0}, {"memory": Memory(100, 101 + MOST_GROWTH, 100)}],
    ids=lambda change: next(iter(change)),
)
def test_an_overload_that_does_more_than_refuse_is_named(change: dict[str, Any]) -> None:
    assert not CALM.shortcomings()
    assert len(replace(CALM, **change).shortcomings()) == 1


def test_a_device_that_got_something_else_is_named() -> None:
    assert not Order(devices=10, seconds=1.0, wrong=[]).shortcomings()
    (found,) = Order(devices=10, seconds=1.0, wrong=["A: queued [1], got [1, 1]"]).shortcomings()
    assert "1 of 10" in found
    assert "got [1, 1]" in found


FULL = Polls(rate=8000.0, p50=1.0, p99=6.0, waited=0.1)
USUAL = Felt(full=FULL, steady=replace(FULL, rate=1000.0))


def _with_p99(full: float, steady: float) -> Felt:
    return Felt(replace(USUAL.full, p99=full), replace(USUAL.steady, p99=steady))


def test_what_reaches_a_fleet_too_slowly_is_named() -> None:
    reach = Reach(
        crowd=100_000,
        queueing=1.9,
        pushing=59.0,
        seen=Seen(accepted=100_000, connections=1),
        memory=Memory(0, 1, 1),
        statements=(10, 200),
        usual=USUAL,
        while_queueing=_with_p99(60.0, 12.0),
        while_pushing=USUAL,
    )
    assert not reach.shortcomings()
    for change in (
        {"queueing": 2.1},
        {"pushing": 61.0},
        {"seen": Seen(accepted=100_000, connections=2)},
        {"while_queueing": _with_p99(6.0, 12.1)},
        {"while_pushing": _with_p99(6.0, 12.1)},
    ):
        assert len(replace(reach, **change).shortcomings()) == 1


def test_a_webhook_that_hangs_and_is_felt_is_named() -> None:
    calm = Hanging(USUAL, _with_p99(12.0, 12.0), _with_p99(60.0, 12.0), hung_calls=9, events=1000, rate=1000.0)
    assert not calm.shortcomings()
    assert len(replace(calm, with_webhooks=_with_p99(6.0, 13.0)).shortcomings()) == 1
    assert len(replace(calm, while_queueing=_with_p99(6.0, 13.0)).shortcomings()) == 1
    assert len(replace(calm, rate=400.0).shortcomings()) == 1


def test_what_polls_feel_is_told_for_both_manners_of_asking() -> None:
    told = rows(USUAL, (("at night", _with_p99(18.0, 9.0)),))
    assert [line.split("|")[1].strip() for line in told[2:]] == [
        "asking again at once, as usual",
        "asking again at once, at night",
        "at a steady rate, as usual",
        "at a steady rate, at night",
    ]
    assert [line.split("|")[4].strip() for line in told[2:]] == ["1.0", "3.0", "1.0", "1.5"]


def test_a_listing_that_keeps_people_waiting_is_named() -> None:
    waits = [Waited("/devices", AIM_OF_LISTINGS - 1, 3 * AIM_OF_LISTINGS, 100)]
    assert not Listings(100_000, waits).shortcomings()
    (found,) = Listings(100_000, [*waits, Waited("/audit", AIM_OF_LISTINGS + 1, 60.0, 3)]).shortcomings()
    assert "/audit" in found


def test_a_poll_that_grows_dearer_with_the_database_is_named() -> None:
    costs = [Cost("a few", 1000.0, 0.1, 1.0), Cost("many", 900.0, 0.12, 1.2)]
    assert not Growth(costs).shortcomings()
    (found,) = Growth([*costs, Cost("most", 500.0, 0.2, 2.0)]).shortcomings()
    assert "most" in found


def measured(rate: float, cpu: float) -> Measured:
    done = int(rate)
    return Measured("TokenUpdates", "header", done, 1.0, cpu, 0.0, 0.1, (1, 1), array("d", [0.001] * done))


def test_being_observed_at_too_high_a_price_is_named() -> None:
    even = [(measured(1000, 0.5), measured(960, 0.52))] * 3
    compared = Compared.of([*even, (measured(1000, 0.5), measured(500, 5.0))])
    assert compared.slower == pytest.approx(0.04)
    assert compared.dearer == pytest.approx(0.52 / 960 / (0.5 / 1000) - 1)
    assert not Observed([compared]).shortcomings()
    (found,) = Observed([replace(compared, slower=0.06)]).shortcomings()
    assert "TokenUpdates" in found


async def test_the_unobserved_service_does_the_same_and_leaves_no_word_of_it(tmp_path: Path) -> None:
    backend = Embedded(tmp_path / "fleet")
    told: dict[str, tuple[int, int, bool]] = {}
    with Workshop() as workshop, LoadGenerator() as generator:
        fleet = await make_fleet(tmp_path / "fleet", backend, 4, 1, workshop)
        ground = Ground(fleet, tmp_path, backend, workshop, generator, 2, QUICK)
        for name, program in (("on", "corral"), ("off", "benchmarks.unobserved")):
            place = replace(ground.place(name), program=program)
            before = told_in(backend, place.data)
            async with ground.site(place) as site:
                await enroll(site)
                await one_command(site, Extent(seconds=1.0, rounds=1, endurance=0))
                await token_updates(site, Extent(seconds=1.0, rounds=1, endurance=0))
                metrics = (await site.admin.get("/metrics")).text
                assert 'corral_connections{phase="connected"} 4.0' in metrics
            events, entries = (now - then for now, then in zip(told_in(backend, place.data), before, strict=True))
            told[program] = events, entries, 'route="mdm"' in metrics
    assert told["benchmarks.unobserved"] == (0, 0, False)
    events, entries, counted = told["corral"]
    assert events >= 3 * 4
    assert entries >= 1
    assert counted


def told_in(backend: Embedded, data: Path) -> list[int]:
    """Events and entries of the audit trail."""
    counts = ("SELECT count(*) AS n FROM event", "SELECT count(*) AS n FROM audit")
    return [backend.read(data, each)[0]["n"] for each in counts]


def test_polls_of_two_processes_are_held_against_two_bare_routes() -> None:
    row = Measured("idle polls", "header", 3000, 1.0, 0.1, 0.0, 0.1, (1, 1), array("d", [0.001] * 3000))
    assert not Workers(Floor(10_000, 0.02), [row]).shortcomings()
    assert Workers(Floor(20_000, 0.02), [row]).shortcomings()


async def test_a_crowd_is_connected_and_can_be_pushed_and_has_a_history(tmp_path: Path) -> None:
    backend = Embedded(tmp_path / "fleet")
    with Workshop() as workshop, LoadGenerator() as generator:
        fleet = await make_fleet(tmp_path / "fleet", backend, 4, 1, workshop)
        ground = Ground(fleet, tmp_path, backend, workshop, generator, 2, QUICK)
        place = ground.place("crowded")
        async with ground.site(place) as site:
            await enroll(site)
            await one_command(site, Extent(seconds=1.0, rounds=1, endurance=0))
        crowd.fill(backend, place.data, range(3, 23), ground.sealer())
        crowd.fill_history(backend, place.data, [crowd.connection_id(3), crowd.connection_id(4)], 5)
        async with backend.open_store(place.data, ground.sealer()) as store:
            assert (await store.directory.counts())["connected"] == 24
            targets = await store.work.push_targets([crowd.connection_id(7)])
            assert [(each.token, each.magic) for each in targets] == [(crowd.token(7), crowd.MAGIC)]
            device = crowd.device_id(3)
            listed = await store.queue.list(device_id=device, command_uuid=None, state=None, before=None, limit=100)
            assert len(listed) == 5
            assert {each.result_status for each in listed} == {"Acknowledged"}


def test_percentiles_are_in_milliseconds() -> None:
    assert percentile(array("d", [0.001] * 99 + [0.5]), 99) == 500.0
    assert percentile(array("d", [0.001] * 99 + [0.5]), 50) == 1.0
    assert percentile(array("d"), 99) == 0.0


def test_a_plot_of_curves_is_well_formed() -> None:
    drawn = lines("more & <more>", [Series("a & b", [(1, 10.0), (1024, 7.5)]), Series("c", [(1, 0.0), (1024, 3.0)])])
    root = ElementTree.fromstring(drawn)  # noqa: S314 - our own
    assert len(root.findall("{http://www.w3.org/2000/svg}polyline")) == 2


def test_the_load_generator_counts_refusals_only_where_they_are_allowed() -> None:
    port = free_port()
    with child(_refuse, port), LoadGenerator() as generator:
        wait_for_port(port)
        played = generator.play_now(Job(port, [((REQUEST, b""),)], times=10, clients=2, refusable=True))
        assert (len(played.refused), played.requests) == (10, 0)
        with pytest.raises(LoadFailed, match="503"):
            generator.play_now(Job(port, [((REQUEST, b""),)], times=10, clients=2))


def test_the_load_generator_keeps_to_a_steady_rate_and_counts_what_had_to_wait() -> None:
    port = free_port()
    with child(_refuse, port), LoadGenerator() as generator:
        wait_for_port(port)
        script = [((REQUEST, b""),)]
        played = generator.play_now(Job(port, script, times=100, seconds=0.5, clients=2, refusable=True, rate=100.0))
        assert 40 <= len(played.refused) <= 51
        late = generator.play_now(Job(port, script, times=2000, seconds=0.2, clients=1, refusable=True, rate=1e5))
        assert percentile(late.refused, 90) > 10 * percentile(late.refused, 1)


def _refuse(port: int) -> None:
    """A server that never has time."""
    asyncio.run(_serve_refusals(port))


async def _serve_refusals(port: int) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", port)
    await server.serve_forever()
