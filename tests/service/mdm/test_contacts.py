"""Contacts are gathered in memory and written in one piece."""

import pytest

from corral.service.mdm.contacts import ContactBook
from corral.store.contacts import Attempt, Heard
from corral.store.errors import StoreUnavailable
from service.fakes import NOW, Clock, FakeContacts


async def test_contacts_of_a_channel_are_one_row_with_the_last_time() -> None:
    store, clock = FakeContacts(), Clock()
    book = ContactBook(store, clock)
    book.note("C1")
    clock.now += 10
    book.note("C1", "command")
    book.note("C2")
    clock.now += 10
    book.note("C1", "command")
    assert store.flushes == 0, "a contact writes nothing"
    await book.flush()
    assert store.heard == [
        Heard(channel_id="C1", last_seen=NOW + 20, count=3),
        Heard(channel_id="C2", last_seen=NOW + 10, count=1),
    ]
    assert store.attempts == [Attempt(channel_id="C1", command_uuid="command", at=NOW + 20, count=2)]


async def test_what_was_written_is_forgotten_and_nothing_is_not_written() -> None:
    store = FakeContacts()
    book = ContactBook(store, Clock())
    book.note("C1")
    await book.flush()
    await book.flush()
    assert store.flushes == 1
    assert len(store.heard) == 1


async def test_memory_does_not_grow_while_the_store_is_away() -> None:
    """What cannot be written is lost: last-seen times come again with the next contact."""
    store = FakeContacts()
    book = ContactBook(store, Clock())
    store.down = True
    book.note("C1")
    with pytest.raises(StoreUnavailable):
        await book.flush()
    store.down = False
    book.note("C2")
    await book.flush()
    assert [each.channel_id for each in store.heard] == ["C2"]
