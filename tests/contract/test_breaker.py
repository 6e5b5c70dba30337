"""How many connections were told to leave lately is known to everybody who would tell another."""

import asyncio

from contract import values as v
from contract.conftest import Home
from corral.lifecycle.change import Change, Room
from corral.lifecycle.state import Breaker
from corral.store.devices import Committed, Stale
from corral.store.errors import StoreRefused
from corral.store.store import Store


async def look(store: Store, since: int = 0) -> Breaker:
    return (await store.devices.load(v.contact(breaker_since=since))).breaker


async def test_distinct_connections_are_counted_within_the_window(home: Home) -> None:
    async with home.open() as store:
        for connection, at in (("C1", 1), ("C2", 2), ("C3", 3), ("C1", 3), ("C4", 4)):
            assert await store.devices.commit(Change(unenrolling=connection, at=at)) == Committed()
    async with home.open() as store:
        assert await look(store) == Breaker(counted=frozenset({"C1", "C2", "C3", "C4"}))
        assert await look(store, 3) == Breaker(counted=frozenset({"C1", "C3", "C4"}))
        assert await look(store, 5) == Breaker()


async def test_the_count_is_the_same_wherever_it_is_read(fleet: Store) -> None:
    await fleet.devices.commit(Change(unenrolling="C2", at=v.NOW))
    assert (await fleet.devices.load_connection("C1", v.NOW)).breaker.counted == {"C2"}
    assert (await fleet.devices.load_connection("C1", v.NOW + 1)).breaker.counted == frozenset()


async def test_a_change_without_a_time_counts_from_its_event(store: Store) -> None:
    """What `unenroll` alone returns names no time."""
    await store.devices.commit(Change(unenrolling="C1", events=(v.event(at=v.NOW),)))
    assert (await look(store, v.NOW)).counted == {"C1"}


async def test_an_open_breaker_stays_open_until_a_person_closes_it(home: Home) -> None:
    async with home.open() as store:
        assert await store.vault.breaker_opened_at() is None
        await store.devices.commit(Change(unenrolling="C1", at=v.NOW))
        await store.devices.commit(Change(trip_breaker=True, at=v.NOW + 1))
        await store.devices.commit(Change(trip_breaker=True, at=v.NOW + 2))
    async with home.open() as store:
        assert await store.vault.breaker_opened_at() == v.NOW + 1
        assert (await look(store)).open
        await store.vault.close_breaker(v.NOW + 3)
        assert await store.vault.breaker_opened_at() is None
        assert await look(store) == Breaker(), "counted from here"


async def test_with_the_breaker_open_a_change_that_would_tell_another_is_stale(store: Store) -> None:
    """It was decided on while the breaker was still closed; decided again, it is held back."""
    await store.devices.commit(Change(trip_breaker=True, at=v.NOW))
    late = Change(unenrolling="C9", at=v.NOW, events=(v.event(),))
    assert await store.devices.commit(late) == Stale()
    assert await store.events.read(0, 9) == ()
    await store.vault.close_breaker(v.NOW)
    assert await store.devices.commit(late) == Committed()


async def test_no_more_are_told_than_there_is_room_for_however_many_decided_at_once(store: Store) -> None:
    room = Room(v.NOW, 3)
    await store.devices.commit(Change(unenrolling="C0", at=v.NOW - 1))
    await store.devices.commit(Change(unenrolling="C1", at=v.NOW, room=room))
    outcomes = await asyncio.gather(
        *(
            store.devices.commit(Change(unenrolling=f"C{number}", at=v.NOW + 1, room=room, events=(v.event(),)))
            for number in range(2, 22)
        )
    )
    assert outcomes.count(Committed()) == 2
    assert outcomes.count(Stale()) == 18
    assert len((await look(store, v.NOW)).counted) == 3
    assert len(await store.events.read(0, 99)) == 2, "the others have written nothing"


async def test_who_is_counted_already_needs_no_room_and_other_windows_count_for_themselves(store: Store) -> None:
    for number in (1, 2):
        assert await store.devices.commit(Change(unenrolling=f"C{number}", at=v.NOW)) == Committed()
    assert await store.devices.commit(Change(unenrolling="C1", at=v.NOW, room=Room(v.NOW, 2))) == Committed()
    assert await store.devices.commit(Change(unenrolling="C3", at=v.NOW + 1, room=Room(v.NOW, 2))) == Stale()
    assert await store.devices.commit(Change(unenrolling="C3", at=v.NOW + 1, room=Room(v.NOW + 1, 2))) == Committed()
    assert (await look(store)).counted == {"C1", "C2", "C3"}


async def test_several_processes_together_do_not_pass_the_limit(home: Home) -> None:
    """SQLite has one process only, which is its own proof."""
    async with home.open() as first:
        try:
            async with home.open() as second:
                room = Room(v.NOW, 5)
                outcomes = await asyncio.gather(
                    *(
                        (first, second)[number % 2].devices.commit(
                            Change(unenrolling=f"C{number}", at=v.NOW, room=room)
                        )
                        for number in range(40)
                    )
                )
        except StoreRefused:
            return
        assert outcomes.count(Committed()) == 5
        assert len((await look(first)).counted) == 5
