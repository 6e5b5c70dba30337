"""The outbox: in the order of the commits, nothing skipped, nothing lost."""

import asyncio

import pytest

from contract import values as v
from contract.conftest import Home
from corral.apple.report import Status
from corral.lifecycle.change import Change
from corral.store.contacts import Attempt, Heard
from corral.store.events import Place, TimelineEntry
from corral.store.store import Store
from corral.store.timeline import read_place, write_place
from corral.store.work import PushRecord

HOUR = 3_600_000


async def test_events_come_back_as_they_were_told_in_order(home: Home) -> None:
    full = v.event(data={"text": "Zoë\x00", "number": 3, "nothing": None, "list": [1, "two"], "yes": True})
    bare = v.event(device_id=None, connection_id=None)
    async with home.open() as store:
        await store.events.append((full, bare))
        await store.events.append(())
        await store.devices.commit(Change(events=(v.event("third"),)))
    async with home.open() as store:
        found = await store.events.read(0, 10)
        assert [each.event for each in found] == [full, bare, v.event("third")]
        assert [each.sequence for each in found] == sorted({each.sequence for each in found})


async def test_a_reader_goes_on_after_its_cursor(store: Store) -> None:
    await store.events.append(tuple(v.event(f"e{n}") for n in range(5)))
    first = await store.events.read(0, 2)
    second = await store.events.read(first[-1].sequence, 10)
    assert [each.event.type for each in (*first, *second)] == ["e0", "e1", "e2", "e3", "e4"]
    assert await store.events.read(second[-1].sequence, 10) == ()


async def test_a_reader_beside_many_writers_skips_nothing(store: Store) -> None:
    """Numbers may be given in another order than commits become visible; a cursor must not run past a late one."""
    written = 300

    async def write(number: int) -> None:
        await asyncio.sleep(number % 7 / 2000)
        await store.events.append((v.event(data={"n": number}), v.event(data={"n": number + 1000})))

    writing = [asyncio.create_task(write(number)) for number in range(written)]
    seen: list[int] = []
    cursor = 0
    while len(seen) < 2 * written:
        for each in await store.events.read(cursor, 50):
            assert each.sequence > cursor
            cursor = each.sequence
            seen.append(each.event.data["n"])
        await asyncio.sleep(0)
        if all(task.done() for task in writing) and not await store.events.read(cursor, 1):
            break
    await asyncio.gather(*writing)
    assert sorted(seen) == sorted([*range(written), *range(1000, 1000 + written)])


async def test_a_number_is_never_given_twice(home: Home) -> None:
    """Not even after the newest events were deleted: a reader's cursor would run past the next ones."""
    async with home.open() as store:
        await store.devices.commit(v.enrolled())
        await store.events.append((v.event(), v.event()))
        newest = (await store.events.read(0, 9))[-1].sequence
        await store.devices.forget("D1")
        assert await store.events.last() == newest
    async with home.open() as store:
        await store.events.append((v.event(device_id=None),))
        assert (await store.events.read(0, 9))[0].sequence > newest


END = Place.of(v.NOW + 2 * HOUR)


@pytest.fixture
async def told(fleet: Store) -> Store:
    """A device to which everything has happened that a timeline tells."""
    await fleet.events.append((v.event("certificate.issued", device_id=None, at=v.NOW - 9), v.event(at=v.NOW - 8)))
    await fleet.events.append((v.event("of another", device_id="D2", connection_id="C2"),))
    await fleet.devices.commit(Change(channels=(v.channel(user_id="jane"),)))
    await fleet.queue.enqueue(v.command("U1", created_at=v.NOW + 1), ["C1", "C2"])
    await fleet.queue.enqueue(v.command("U2", created_at=v.NOW + 2), ["C1/jane"])
    await fleet.work.record_pushes([PushRecord(channel_id="C1", at=v.NOW + 3, outcome="accepted")])
    hour = v.NOW - v.NOW % HOUR + HOUR
    await fleet.contacts.flush(
        [
            Heard(channel_id="C1", last_seen=hour + 5, count=4),
            Heard(channel_id="C1/jane", last_seen=hour + 5, count=1),
            Heard(channel_id="C2", last_seen=hour + 5, count=9),
        ],
        [Attempt(channel_id="C1", command_uuid="U1", at=v.NOW + 4)],
    )
    await fleet.devices.exchange(v.report("U1", Status.ERROR, now=v.NOW + 5))
    await fleet.queue.cancel("U2", None, v.event("command.cancelled", at=v.NOW + 6), v.NOW + 6)
    return fleet


def tell(entry: TimelineEntry) -> tuple[object, ...]:
    match entry.kind:
        case "event":
            words = (entry.data["type"],)
        case "push":
            words = (entry.data["channel"], entry.data["outcome"])
        case "delivery":
            words = (entry.data["channel"], entry.data["request_type"], entry.data["step"])
        case "result":
            words = (entry.data["channel"], entry.data["request_type"], entry.data["status"])
        case _:
            words = (entry.data["channel"], entry.data["count"])
    return (entry.at - v.NOW, entry.kind, *words)


async def test_a_timeline_tells_all_that_has_happened_to_a_device_newest_first(told: Store) -> None:
    hour = HOUR - v.NOW % HOUR
    entries = await told.events.timeline("D1", END, 100)
    assert {entry.connection_id for entry in entries} == {"C1"}
    assert [tell(entry) for entry in entries] == [
        (hour, "contacts", "C1", 4),
        (hour, "contacts", "C1/jane", 1),
        (6, "event", "command.cancelled"),
        (6, "delivery", "C1/jane", "DeviceInformation", "cancelled"),
        (5, "result", "C1", "DeviceInformation", "Error"),
        (4, "delivery", "C1", "DeviceInformation", "delivered"),
        (3, "push", "C1", "accepted"),
        (2, "delivery", "C1/jane", "DeviceInformation", "queued"),
        (1, "delivery", "C1", "DeviceInformation", "queued"),
        (-8, "event", "test.happened"),
        (-9, "event", "certificate.issued"),
    ]


async def test_a_timeline_has_pages_that_lose_nothing(told: Store) -> None:
    """Also where much has happened at the same time, of one kind and of several."""
    await told.events.append(tuple(v.event(f"at once {n}", at=v.NOW + 4) for n in range(7)))
    for number in range(4):
        await told.queue.enqueue(v.command(f"at once {number}", created_at=v.NOW + 4), ["C1"])
    everything = await told.events.timeline("D1", END, 1000)
    for size in (1, 2, 3, 5):
        pages: list[TimelineEntry] = []
        before = END
        while page := await told.events.timeline("D1", before, size):
            assert len(page) <= size
            pages += page
            before = read_place(write_place(page[-1].place)) or END
        assert pages == list(everything)


async def test_a_page_of_a_timeline_begins_behind_the_one_before_whatever_happens_meanwhile(told: Store) -> None:
    await told.events.append((v.event("first", at=v.NOW + 7), v.event("second", at=v.NOW + 7)))
    (*_, last) = await told.events.timeline("D1", Place.of(v.NOW + 8), 1)
    assert last.data["type"] == "second"
    await told.events.append((v.event("third", at=v.NOW + 7), v.event("later", at=v.NOW + 8)))
    (following,) = await told.events.timeline("D1", last.place, 1)
    assert following.data["type"] == "first"


@pytest.mark.parametrize(
    "text", ["", "1", "1.2", "1.7.3", "1.-1.3", "1.0.x", "x.0.1", "1.0.", "1.6.", "9" * 30 + ".0.1"]
)
def test_what_is_no_place_in_a_timeline_is_none(text: str) -> None:
    assert read_place(text) is None


async def test_a_device_that_nobody_knows_has_no_timeline(told: Store) -> None:
    assert await told.events.timeline("nobody", END, 10) == ()
