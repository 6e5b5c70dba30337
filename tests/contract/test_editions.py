"""Editing what one has looked at: a commit that rests on an older edition writes nothing."""

import asyncio
from dataclasses import replace

import pytest

from contract import values as v
from contract.test_audit import ANN
from corral.lifecycle.actor import act_as
from corral.lifecycle.change import Event
from corral.lifecycle.edition import EDITING, room_of
from corral.lifecycle.vocabulary import VOCABULARY
from corral.store.errors import EditedSince
from corral.store.store import Store


def edited(seen: dict[str, int] | None, type_: str = "policy.changed") -> tuple[Event, ...]:
    with act_as(replace(ANN, seen=None if seen is None else tuple(seen.items()))):
        return (v.event(type_, device_id=None, connection_id=None),)


def test_what_edits_is_in_the_vocabulary() -> None:
    assert VOCABULARY.keys() >= EDITING
    told = ["policy.changed", "webhook.rotated", "webhook.resent", "connection.connected"]
    assert [room_of(each) for each in told] == ["policy", "webhook", None, None]


async def test_every_edit_counts_and_nothing_else_does(store: Store) -> None:
    assert await store.editions.read() == {}
    await store.vault.put_secret("a", b"1", edited(None))
    await store.vault.put_secret("a", b"2", (v.event("policy.changed", device_id=None),))
    await store.vault.put_secret("a", b"3", edited(None, "link.created"))
    await store.vault.put_secret("a", b"4", edited(None, "role.changed"))
    assert await store.editions.read() == {"policy": 2, "role": 1}


async def test_who_has_seen_the_last_edition_edits_it_and_others_do_not(store: Store) -> None:
    await store.vault.put_secret("a", b"first", edited({}))
    await store.vault.put_secret("a", b"second", edited({"policy": 1}))
    for seen in ({}, {"policy": 0}, {"policy": 1}, {"policy": 3}, {"role": 2}):
        with pytest.raises(EditedSince):
            await store.vault.put_secret("a", b"late", edited(seen))
    assert await store.vault.get_secret("a") == b"second"
    assert len(await store.events.read(0, 10)) == 2
    await store.vault.put_secret("a", b"third", edited({"policy": 2, "role": 7}))
    assert await store.editions.read() == {"policy": 3}


@pytest.mark.parametrize("seen", [{}, {"policy": 1}])
async def test_of_many_at_once_one_edits(store: Store, seen: dict[str, int]) -> None:
    if seen:
        await store.vault.put_secret("a", b"", edited(None))
    puts = (store.vault.put_secret("a", b"%d" % number, edited(seen)) for number in range(10))
    outcomes = await asyncio.gather(*puts, return_exceptions=True)
    assert sum(each is None for each in outcomes) == 1
    assert sum(isinstance(each, EditedSince) for each in outcomes) == 9
