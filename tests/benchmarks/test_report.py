"""The verdict of `make bench ARGS=--check`: what falls short is named."""

from array import array
from dataclasses import replace
from datetime import UTC, datetime

from benchmarks.backend import DatabaseFloor
from benchmarks.floors import Floor
from benchmarks.report import LEAST, LEAST_OF_INSERTS, Report, Row, shortcomings
from benchmarks.workloads import Endurance, Measured

BARE = Floor(rate=10_000, cpu_ms=0.02)


def measured(requests: int) -> Measured:
    """That many requests in one second."""
    return Measured(
        work="idle polls",
        proof="header",
        done=requests,
        seconds=1.0,
        latencies=array("d", [0.001] * requests),
        cpu=0.1,
        generator_cpu=0.1,
        database_cpu=0.0,
        memory=(1, 1),
    )


def report(*rows: Row, endurance: Endurance | None = None) -> Report:
    return Report(
        at=datetime(2026, 1, 1, tzinfo=UTC),
        machine="m",
        devices=1,
        clients=1,
        database="SQLite",
        database_floors=(DatabaseFloor("durable inserts", 1.0),),
        echo=BARE,
        rows=[*rows],
        endurance=endurance,
    )


def test_a_row_at_its_least_holds() -> None:
    least = LEAST["idle polls", "header"]
    assert shortcomings(report(Row(measured(int(BARE.rate * least)), BARE))) == []


def test_a_row_below_its_least_is_named() -> None:
    (found,) = shortcomings(report(Row(measured(1000), BARE)))
    assert "idle polls (header) 0.10" in found


def test_polls_that_take_too_much_cpu_are_named() -> None:
    dear = replace(measured(9000), cpu=0.6, database_cpu=0.4)
    (found,) = shortcomings(report(Row(dear, BARE)))
    assert "0.111 ms of CPU" in found
    assert not shortcomings(report(Row(replace(dear, database_cpu=0.2), BARE)))


def test_writes_are_held_against_durable_inserts_on_postgresql() -> None:
    row = Row(replace(measured(5000), work="TokenUpdates"), BARE)
    least = LEAST_OF_INSERTS["TokenUpdates", "header"]
    on_postgresql = replace(report(row), database="PostgreSQL")
    for share, short in ((0.99, False), (1.01, True)):
        inserts = DatabaseFloor("durable inserts", 5000 / least * share)
        assert bool(shortcomings(replace(on_postgresql, database_floors=(inserts,)))) == short
    assert not shortcomings(replace(report(row), database_floors=(DatabaseFloor("durable inserts", 10**9),)))


def test_polls_that_write_and_memory_that_grows_are_named() -> None:
    calm = Endurance(polls=1000, seconds=1.0, memory=(100, 100), commits=2, written=0)
    assert shortcomings(report(endurance=calm)) == []
    busy = replace(calm, commits=100, memory=(100, 120))
    assert len(shortcomings(report(endurance=busy))) == 2
