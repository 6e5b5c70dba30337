"""A working day in a hurry: its parts, and a small one as a whole."""

import asyncio
import json
import time
import uuid
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from benchmarks.day.herd import percentile
from benchmarks.day.hours import ARRIVALS, HOURS, Due, arrived_by, done_by
from benchmarks.day.picture import to_svg
from benchmarks.day.playing import Plan, play
from benchmarks.day.pushes import RemoteRegistry, serve_pushes
from benchmarks.day.watching import Point, read_herds
from benchmarks.processes import child
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from corral.apns.client import PushClient
from corral.apns.push import Push
from corral.cli.process import free_port
from corral.simulator.push_certificates import StandInApple


def test_a_day_does_all_of_its_work_once() -> None:
    shares = [done_by(hour / 10) for hour in range(int(HOURS * 10) + 1)]
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert shares == sorted(shares)
    due = Due(1000)
    assert sum(1 for share in shares for _ in due.take(share)) == 1000
    assert [arrived_by(hour) for hour in (0, *ARRIVALS, HOURS)] == [0.0, 0.0, 1.0, 1.0]


def test_work_is_steady_from_nine_to_five() -> None:
    rates = {round(done_by(hour + 1) - done_by(hour), 6) for hour in range(9, 17)}
    assert len(rates) == 1
    assert rates.pop() > done_by(4) - done_by(3)


def test_percentiles_are_right_to_a_tenth() -> None:
    # A bucket of 1 ms and one of 100 ms: log(100) / log(1.1) and log(10,000) / log(1.1).
    latencies = Counter({48: 990, 96: 10})
    assert percentile(latencies, 0.5) == pytest.approx(1.0, rel=0.1)
    assert percentile(latencies, 0.999) == pytest.approx(100.0, rel=0.1)
    assert percentile(Counter(), 0.5) == 0.0


def test_a_process_that_did_not_come_to_its_end_is_noticed(tmp_path: Path) -> None:
    report = tmp_path / "herd-0.jsonl"
    report.write_text(json.dumps({"at": 1.0, "statuses": {"200": 3}, "latencies": {"48": 3}}) + "\n")
    with pytest.raises(ValueError, match="herd-0"):
        read_herds([report])


def test_the_plot_can_be_read() -> None:
    day = [Point(hour, 10 * hour, hour, 0, 1.0, 5.0, 2e8, 1e8, 5e8, 0.5) for hour in range(24)]
    root = ElementTree.fromstring(to_svg("a <day>", day))  # noqa: S314 - our own
    curves = [each for each in root.iter() if each.tag.endswith("polyline")]
    assert len(curves) == 7
    assert all(len(each.attrib["points"].split()) == 24 for each in curves)


async def test_a_push_reaches_the_process_that_its_device_lives_in() -> None:
    apple, topic = StandInApple.create(datetime.now(UTC)), "com.apple.mgmt.External.day"
    port, registry = free_port(), free_port()
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with child(serve_pushes, apple.pem(), topic, port, registry):
        mine, other = await RemoteRegistry.connect(registry), await RemoteRegistry.connect(registry)
        woken = asyncio.Event()
        mine.register(b"m" * 32, topic, "M" * 36, woken.set)
        other.register(b"o" * 32, topic, "O" * 36, lambda: None)
        mine.register(b"g" * 32, topic, "G" * 36, woken.clear)
        mine.unregister(b"g" * 32)
        client = PushClient(f"https://127.0.0.1:{port}", trust_pem=apple.root_pem)
        client.load(topic, apple.push_certificate(topic, key.public_key(), datetime.now(UTC)), pem)
        try:
            outcomes: dict[bytes, str] = {}
            for token, magic in ((b"m" * 32, "M" * 36), (b"g" * 32, "G" * 36)):
                push = Push(token, topic, magic, int(time.time()) + 60, str(uuid.uuid4()))
                await client.send_many([push], lambda push, out: outcomes.__setitem__(push.token, type(out).__name__))
            assert outcomes == {b"m" * 32: "Accepted", b"g" * 32: "Unregistered"}
            await asyncio.wait_for(woken.wait(), 5)
        finally:
            await client.close()
    assert (mine.delivered, other.delivered) == (1, 0)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("database", ["postgres", "sqlite"])
async def test_a_day_of_two_minutes_goes_as_it_should(tmp_path: Path, database: str) -> None:
    plan = Plan(
        database=database,
        devices=2000,
        newcomers=50,
        seconds=120.0,
        processes=2,
        keys=20,
        commands=3.0,
        workers=2 if database == "postgres" else 1,
    )
    day = await play(plan, tmp_path)
    assert day.shortcomings() == []
    counts = day.herds.counts()
    assert counts["enrolled"] == 50
    assert counts["updated"] >= 15
    assert counts["restored"] >= 8
    assert day.asked.commands >= 2000 * 3 - 20
    # What was kept for three hours is far less than what the day has made.
    assert day.after["result"].count < day.asked.commands / 2
    assert day.after["contact_hour"].count < 2000 * 8
