"""What a question finds is held against what `--check` takes, and what falls short is named."""

import asyncio
from array import array
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from benchmarks.load import Job, LoadFailed, LoadGenerator, percentile
from benchmarks.plot import Series, lines
from benchmarks.processes import child, wait_for_port
from benchmarks.questions.clients import Clients, Point
from benchmarks.questions.order import Order
from benchmarks.questions.overload import MOST_GROWTH, Overload
from benchmarks.questions.starting import MOST_SECONDS, Starting

from corral.cli.process import free_port

REQUEST = b"PUT /mdm HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
CALM = Overload(
    accepted=1000.0,
    refused=500.0,
    accepted_p99=300.0,
    refused_p99=100.0,
    before=20_000.0,
    after=19_000.0,
    memory=(100, 120, 110),
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
    [{"refused": 0.0}, {"refused_p99": 301.0}, {"after": 9_000.0}, {"memory": (100, 101 + MOST_GROWTH, 100)}],
    ids=lambda change: next(iter(change)),
)
def test_an_overload_that_does_more_than_refuse_is_named(change: dict[str, float]) -> None:
    assert not CALM.shortcomings()
    assert len(replace(CALM, **change).shortcomings()) == 1


def test_a_device_that_got_something_else_is_named() -> None:
    assert not Order(devices=10, seconds=1.0, wrong=[]).shortcomings()
    (found,) = Order(devices=10, seconds=1.0, wrong=["A: queued [1], got [1, 1]"]).shortcomings()
    assert "1 of 10" in found
    assert "got [1, 1]" in found


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
