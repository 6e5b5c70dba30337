"""Several processes over one database: each is a store of its own here, with its own connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from contract import values as v
from corral.apple.report import Status
from corral.lifecycle.change import Change, Event
from corral.lifecycle.state import DeliveryState, Phase
from corral.sealing import Sealer
from corral.store.devices import Committed, Next, Stale
from corral.store.errors import StoreUnavailable
from corral.store.events import EVENT
from corral.store.postgres import PostgresStore, open_postgres
from postgres_server import connect


@pytest.fixture
async def other(store: PostgresStore, url: str, sealer: Sealer) -> AsyncIterator[PostgresStore]:
    async with open_postgres(url, sealer) as opened:
        yield opened


async def test_of_two_changes_of_one_device_one_is_stale(store: PostgresStore, other: PostgresStore) -> None:
    for number in range(1, 30):
        change = v.enrolled(number)
        outcomes = await asyncio.gather(store.devices.commit(change), other.devices.commit(change))
        assert sorted(type(each).__name__ for each in outcomes) == ["Committed", "Stale"]


async def test_changes_of_many_devices_from_both_do_not_stop_each_other(
    store: PostgresStore, other: PostgresStore
) -> None:
    """In opposite order, so that transactions that locked in the order of arrival would wait for each other."""
    numbers = range(100, 220)
    assert set(await asyncio.gather(*(store.devices.commit(v.enrolled(number)) for number in numbers))) == {Committed()}

    async def update(through: PostgresStore, number: int) -> None:
        while True:
            seen = await through.devices.load(v.contact(f"cert {number}", f"D{number}"))
            assert seen.device is not None
            work = (v.work(f"shared {number % 7}"), v.work(f"C{number}"))
            change = Change(
                device_id=f"D{number}", expects=seen.device.version, channels=(v.channel(f"C{number}"),), work=work
            )
            if await through.devices.commit(change) == Committed():
                return

    await asyncio.gather(
        *(update(store, number) for number in numbers), *(update(other, number) for number in reversed(numbers))
    )
    shown = await store.directory.devices(search=None, phase=None, after=None, limit=1000)
    assert {summary.device.version for summary in shown} == {3}


async def test_a_link_is_used_as_often_as_it_says_however_many_come_at_once(
    store: PostgresStore, other: PostgresStore
) -> None:
    await store.grants.add_link(v.link(uses=7), b"digest")
    outcomes = await asyncio.gather(
        *(
            through.devices.commit(replace(v.enrolled(number), link_used="L1"))
            for number in range(1, 21)
            for through in (store if number % 2 else other,)
        )
    )
    assert outcomes.count(Committed()) == 7
    assert outcomes.count(Stale()) == 13
    used = await store.grants.link("L1")
    assert used is not None
    assert used.used == 7
    assert len(await store.directory.devices(search=None, phase="connected", after=None, limit=100)) == 7


async def test_work_is_leased_to_one(store: PostgresStore, other: PostgresStore) -> None:
    await store.work.add("push", [f"K{number:03}" for number in range(300)], v.NOW)
    leased = await asyncio.gather(
        *(through.work.lease("push", v.NOW, v.NOW + 1000, 20) for through in (store, other) for _ in range(8))
    )
    keys = [work.key for works in leased for work in works]
    assert len(keys) == len(set(keys)) == 300
    assert await other.work.lease("push", v.NOW, v.NOW + 1000, 20) == ()


async def test_a_worker_that_is_held_up_holds_nobody_up(store: PostgresStore, url: str) -> None:
    await store.work.add("push", ["a", "b"], v.NOW)
    held = await connect(url)
    try:
        await held.execute("BEGIN; SELECT * FROM work WHERE key = 'a' FOR UPDATE")
        async with asyncio.timeout(20):
            assert [work.key for work in await store.work.lease("push", v.NOW, v.NOW + 1000, 9)] == ["b"]
    finally:
        await held.close()


async def test_work_that_one_puts_wakes_the_workers_of_all(store: PostgresStore, other: PostgresStore) -> None:
    mine, theirs = v.Woken(), v.Woken()
    store.on_work(mine)
    other.on_work(theirs)
    await store.devices.commit(v.enrolled(work=(v.work(),)))
    assert mine == ["push"]
    async with asyncio.timeout(20):
        while not theirs:  # noqa: ASYNC110 - the store calls a plain function
            await asyncio.sleep(0.01)
    assert set(theirs) == {"push"}
    assert mine == ["push"], "its own notification wakes nobody again"


async def test_notifications_are_heard_again_after_their_connection_was_cut(
    store: PostgresStore, other: PostgresStore, url: str
) -> None:
    theirs = v.Woken()
    other.on_work(theirs)
    cutter = await connect(url)
    try:
        await cutter.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    finally:
        await cutter.close()
    number = 0
    async with asyncio.timeout(20):
        while "push" not in theirs[-1:] or number < 3:
            theirs.clear()
            number += 1
            with contextlib.suppress(StoreUnavailable):
                await store.work.add("push", [f"K{number}"], v.NOW)
            await asyncio.sleep(0.5)


async def test_a_device_that_is_forgotten_while_it_is_queued_for_leaves_nothing(
    store: PostgresStore, other: PostgresStore, url: str
) -> None:
    """Whichever comes first: there are no foreign keys to see to it."""
    for number in range(1, 40):
        await store.devices.commit(v.enrolled(number))
        channels = [f"C{number}"] * 3 + ["C1000"]
        _, gone = await asyncio.gather(
            store.queue.enqueue(v.command(f"U{number}"), channels), other.devices.forget(f"D{number}")
        )
        assert gone
    left = await connect(url)
    try:
        for table in ("device", "channel", "delivery", "command"):
            count = await left.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - names of tables
            if table != "command":
                assert count == 0, table
    finally:
        await left.close()


async def test_what_ends_a_life_counts_for_a_report_that_another_process_hears(
    store: PostgresStore, other: PostgresStore
) -> None:
    await store.devices.commit(v.enrolled())
    await store.queue.enqueue(v.command(), ["C1"])
    assert await other.devices.exchange(v.idle()) == Next("C1", "U1", b"<plist>U1</plist>")
    closed = replace(v.connection(), open=False)
    assert await store.devices.commit(Change(device_id="D1", expects=1, connections=(closed,))) == Committed()
    assert not isinstance(await other.devices.exchange(v.report()), Next)
    assert await store.queue.results("U1", None) == ()


async def test_one_result_is_kept_of_those_that_come_by_both(store: PostgresStore, other: PostgresStore) -> None:
    await store.devices.commit(v.enrolled())
    await store.queue.enqueue(v.command(), ["C1"])
    reports = (v.report(status=Status.ACKNOWLEDGED), v.report(status=Status.ERROR))
    await asyncio.gather(store.devices.exchange(reports[0]), other.devices.exchange(reports[1]))
    results = await store.queue.results("U1", None)
    assert len(results) == 1
    records = await store.queue.list(device_id="D1", command_uuid=None, state=None, before=None, limit=9)
    assert records[0].delivery.state in (DeliveryState.ACKNOWLEDGED, DeliveryState.ERROR)


async def test_a_second_connected_life_is_fenced_off_whoever_began_it(
    store: PostgresStore, other: PostgresStore
) -> None:
    await store.devices.commit(v.enrolled())
    lives = [Change(connections=(v.connection(f"C{n}", phase=Phase.CONNECTED),)) for n in (2, 3)]
    assert await store.devices.commit(lives[0]) == Stale()
    assert await other.devices.commit(lives[1]) == Stale()


async def test_an_event_that_is_committed_late_is_not_skipped(store: PostgresStore, url: str) -> None:
    """Its number is lower than that of one that is there already; a reader waits for it."""
    await store.events.append((v.event("first"),))
    first = await store.events.read(0, 10)
    late = await connect(url)
    try:
        await late.execute("BEGIN")
        await late.execute("INSERT INTO event (type, at, data) VALUES ('late', 1, '{}')")
        await store.events.append((v.event("early"),))
        assert [each.event.type for each in first] == ["first"]
        assert await store.events.read(first[-1].sequence, 10) == ()
        await late.execute("COMMIT")
    finally:
        await late.close()
    rest = await store.events.read(first[-1].sequence, 10)
    assert [each.event.type for each in rest] == ["late", "early"]
    assert [each.sequence for each in rest] == sorted(each.sequence for each in rest)


async def test_a_number_that_was_taken_before_its_transaction_id_is_waited_for_too(
    store: PostgresStore, url: str
) -> None:
    """However the inserting transaction came by its number: its id is there first."""
    probe = await connect(url)
    try:
        await probe.execute("BEGIN")
        row = await probe.fetchrow(
            "INSERT INTO event (type, at, data) VALUES ('x', 1, '{}')"
            " RETURNING transaction = pg_current_xact_id() AS same, sequence"
        )
        assert row["same"]
        await probe.execute("ROLLBACK")
    finally:
        await probe.close()
    await store.events.append((v.event("after the gap"),))
    assert [each.event.type for each in await store.events.read(0, 10)] == ["after the gap"]


async def test_readers_miss_no_event_of_many_writers(store: PostgresStore, other: PostgresStore) -> None:
    written = 0

    async def write(through: PostgresStore, name: str) -> None:
        nonlocal written
        for number in range(60):
            await through.events.append((v.event(f"{name} {number}"),))
            written += 1

    async def read(through: PostgresStore) -> list[str]:
        seen: list[str] = []
        after = 0
        while len(seen) < 360:
            for each in await through.events.read(after, 7):
                assert each.sequence > after
                after = each.sequence
                seen.append(each.event.type)
            await asyncio.sleep(0)
        return seen

    writers = [write(through, f"{place} {n}") for place, through in (("a", store), ("b", other)) for n in range(3)]
    async with asyncio.timeout(60):
        *_, one, two = await asyncio.gather(*writers, read(store), read(other))
    assert one == two
    assert one is not None
    assert len(set(one)) == written == 360


async def test_a_bad_value_fails_alone_among_those_of_its_batch(store: PostgresStore) -> None:
    bad = replace(v.enrolled(13), channels=(v.channel("C13", token_updated_at=2**70),))
    changes = [v.enrolled(number) for number in range(1, 9)]
    *outcomes, failed = await asyncio.gather(
        *(store.devices.commit(change) for change in (*changes, bad)), return_exceptions=True
    )
    assert set(outcomes) == {Committed()}
    assert isinstance(failed, (asyncpg.PostgresError, ValueError))
    assert await store.directory.device("D13") is None


async def test_stale_changes_fail_alone_among_those_of_their_batch(store: PostgresStore) -> None:
    assert await store.devices.commit(v.enrolled(1)) == Committed()
    assert await store.devices.commit(Change(grant=v.grant("spent"))) == Committed()
    stale_device = v.enrolled(1)
    stale_grant = replace(v.enrolled(2), grant=v.grant("spent", version=7))
    fenced = Change(device_id="D1", expects=1, connections=(v.connection("C1b"),))
    good = [v.enrolled(number) for number in range(3, 9)]
    *outcomes, one, two, three = await asyncio.gather(
        *(store.devices.commit(change) for change in (*good, stale_device, stale_grant, fenced))
    )
    assert set(outcomes) == {Committed()}
    assert (one, two, three) == (Stale(), Stale(), Stale())
    assert await store.directory.device("D2") is None


async def test_text_that_postgresql_cannot_hold_is_kept_without_it(store: PostgresStore) -> None:
    await store.devices.commit(replace(v.enrolled(), device=v.device(name="a\0b")))
    seen = await store.devices.load(v.contact())
    assert seen.device is not None
    assert seen.device.name == "a\N{REPLACEMENT CHARACTER}b"
    assert await store.directory.resolve("no\0body") is None


async def test_a_sealed_value_that_does_not_open_fails_its_reader_alone(store: PostgresStore, url: str) -> None:
    for number in (1, 2):
        await store.devices.commit(v.enrolled(number))
    held = await connect(url)
    try:
        await held.execute("UPDATE channel SET token = 'broken' WHERE id = 'C2'")
    finally:
        await held.close()
    good, bad = await asyncio.gather(
        store.devices.load(v.contact()), store.devices.load(v.contact("cert 2", "D2")), return_exceptions=True
    )
    assert not isinstance(good, BaseException)
    assert good.channel == v.channel()
    assert type(bad).__name__ == "StoreUnavailable"


async def test_others_are_told_of_events_a_few_times_a_second_and_of_the_last_one(
    store: PostgresStore, other: PostgresStore, url: str
) -> None:
    """Of work they are told at once: a push must not wait."""
    heard, woken = list[str](), asyncio.Event()
    other.on_work(lambda kind: woken.set() if kind == EVENT else None)

    def hear(_connection: object, _process: int, _channel: str, payload: object) -> None:
        heard.extend(str(payload).split(" ")[1:])

    listener = await connect(url)
    try:
        await listener.add_listener("corral_work", hear)
        for number in range(50):
            await store.events.append((Event(type="push.token-changed", at=number, device_id="D1"),))
            await asyncio.sleep(0.01)
        woken.clear()
        await store.events.append((Event(type="push.token-changed", at=50, device_id="D1"),))
        async with asyncio.timeout(20):
            await woken.wait()
    finally:
        await listener.close()
    assert 2 <= heard.count(EVENT) <= 8
