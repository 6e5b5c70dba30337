"""Readers that wait for events: told of what they want, woken when it comes, bounded, and let go at the end."""

import asyncio

import pytest

from contract import values as v
from corral.service.errors import OverCapacity
from corral.service.events import feed as event_feed
from corral.service.events.feed import MOST_OF_ONE, EventFeed, Selection
from corral.store.events import EVENT
from service.fakes import FakeEvents

ALL = Selection()


class House:
    def __init__(self) -> None:
        self.events = FakeEvents()
        self.feed = EventFeed(self.events)

    async def happen(self, *kinds: str, device: str = "D1") -> None:
        await self.events.append(tuple(v.event(kind, device_id=device) for kind in kinds))
        self.feed.wake(EVENT)


@pytest.fixture
async def house() -> House:
    return House()


async def test_a_page_has_what_was_asked_for_and_says_where_to_go_on(house: House) -> None:
    await house.happen("a.one", "b.one", "a.two", "b.two", "a.three")
    page = await house.feed.read(0, 2, Selection(("a.*",)))
    assert ([each.event.type for each in page.events], page.next) == (["a.one", "a.two"], 3)
    page = await house.feed.read(page.next, 2, Selection(("a.*",)))
    assert ([each.event.type for each in page.events], page.next) == (["a.three"], 5)
    page = await house.feed.read(0, 9, Selection(("none.*",)))
    assert (page.events, page.next) == ((), 5)
    await house.happen("a.four", device="D2")
    assert [each.event.type for each in (await house.feed.read(0, 9, Selection((), "D2"))).events] == ["a.four"]


async def test_a_reader_that_waits_is_woken_by_what_it_wants(house: House) -> None:
    waiting = asyncio.create_task(house.feed.wait(0, 9, Selection(("b.*",)), 5))
    await asyncio.sleep(0.01)
    await house.happen("a.one")
    await asyncio.sleep(0.01)
    assert not waiting.done()
    await house.happen("b.one")
    page = await asyncio.wait_for(waiting, 0.5)
    assert ([each.event.type for each in page.events], page.next) == (["b.one"], 2)


async def test_a_reader_that_waits_for_nothing_gets_an_empty_page_in_time(house: House) -> None:
    page = await asyncio.wait_for(house.feed.wait(0, 9, ALL, 0.05), 0.5)
    assert (page.events, page.next) == ((), 0)


async def test_a_follower_gets_everything_in_order_and_a_sign_of_life(house: House) -> None:
    pages = house.feed.follow(0, ALL, 0.05)
    await house.happen("a", "b")
    assert [each.event.type for each in (await anext(pages)).events] == ["a", "b"]
    silent = await asyncio.wait_for(anext(pages), 0.5)
    assert (silent.events, silent.next) == ((), 2)
    await house.happen("c")
    assert [each.event.type for each in (await asyncio.wait_for(anext(pages), 0.5)).events] == ["c"]
    house.feed.close()
    assert [page async for page in pages] == []


async def test_the_end_of_the_service_is_the_end_of_waiting(house: House) -> None:
    waiting = asyncio.create_task(house.feed.wait(0, 9, ALL, 30))
    await asyncio.sleep(0.01)
    house.feed.close()
    assert (await asyncio.wait_for(waiting, 0.5)).events == ()


async def test_there_are_so_many_readers_at_most(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_feed, "MOST_READERS", 2)
    pages = house.feed.follow(0, ALL, 0.01)
    await anext(pages)
    waiting = asyncio.create_task(house.feed.wait(0, 9, ALL, 30))
    await asyncio.sleep(0.01)
    with pytest.raises(OverCapacity):
        await house.feed.wait(0, 9, ALL, 1)
    await pages.aclose()
    assert (await house.feed.wait(0, 9, ALL, 0.01)).events == ()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    house.feed.check_room("")


async def test_nobody_takes_the_room_of_all_others(house: House) -> None:
    mine, others = Selection(reader="mine"), Selection(reader="another's")
    waiting = [asyncio.create_task(house.feed.wait(0, 9, mine, 30)) for _ in range(MOST_OF_ONE)]
    await asyncio.sleep(0.01)
    with pytest.raises(OverCapacity, match="You wait"):
        await house.feed.wait(0, 9, mine, 1)
    assert (await house.feed.wait(0, 9, others, 0.01)).events == ()
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    house.feed.check_room("mine")
