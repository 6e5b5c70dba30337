"""Which devices fit a question: every back-end says what `inventory.answering` says."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import values as v
from contract.conftest import HOMES
from contract.inventories import CHECK_IN, attributes, report, take
from corral.apple.inventory.facts import Facts
from corral.apple.inventory.items import ITEM_KINDS
from corral.apple.inventory.leaves import Remarks
from corral.apple.inventory.lists import item
from corral.apple.inventory.value import Value
from corral.inventory.answering import fits
from corral.inventory.asking import write_question
from corral.inventory.fields import FIELDS, Known
from corral.inventory.question import Everything, Question
from corral.lifecycle.change import Change, Escrow
from corral.lifecycle.state import EscrowKind, Phase
from corral.store import inventory_question
from corral.store.contacts import Heard
from corral.store.inventory import Taken
from corral.store.store import Store
from inventory.questions import NOW, devices, items, questions


@pytest.fixture(autouse=True, scope="module")
def few() -> Iterator[None]:
    """Tests here say how many devices are few, and how many are looked at one by one before sets are made."""
    before = inventory_question.FEW, inventory_question.WALKED
    yield
    inventory_question.FEW, inventory_question.WALKED = before


AT = st.sampled_from([NOW - 86_400_000, NOW, None])
KEYS = st.lists(st.sampled_from([b"key", None]), max_size=2)
"""What was given into escrow, one after the other; None: it was withdrawn."""
DEVICES = st.tuples(devices(), items(), AT, AT, KEYS)


@pytest.mark.parametrize("back_end", sorted(HOMES))
@given(fleet=st.lists(DEVICES, min_size=1, max_size=8), asked=st.lists(questions(), min_size=30, max_size=30))
@settings(max_examples=4, deadline=None)
async def test_a_question_is_answered_as_the_pure_rule_says(
    back_end: str,
    fleet: list[
        tuple[dict[str, Value], list[tuple[str, dict[str, Value]]], int | None, int | None, list[bytes | None]]
    ],
    asked: list[Question],
) -> None:
    with tempfile.TemporaryDirectory() as folder, HOMES[back_end](Path(folder)) as home:
        async with home.open() as store:
            known = {f"D{n}": await _arrive(store, n, *each) for n, each in enumerate(fleet)}
            for question in [Everything(), *asked]:
                expected = tuple(sorted(name for name, each in known.items() if fits(question, each, NOW)))
                # All are looked at, or sets are made behind the second, or the few are looked at that fit one part.
                for few, walked in ((0, 100), (0, 2), (100, 100)):
                    inventory_question.FEW, inventory_question.WALKED = few, walked
                    found = await store.inventory.select(question, NOW, after="", limit=100)
                    assert found == expected, write_question(question)
                    assert await store.inventory.count(question, NOW) == len(expected)


async def _arrive(
    store: Store,
    number: int,
    values: dict[str, Value],
    several: list[tuple[str, dict[str, Value]]],
    seen: int | None,
    told_at: int | None,
    keys: list[bytes | None],
) -> Known:
    change = v.enrolled(number)
    lives = tuple(replace(each, connected_at=NOW - number) for each in change.connections)
    await store.devices.commit(replace(change, connections=lives))
    if seen is not None:
        await store.contacts.flush([Heard(channel_id=f"C{number}", last_seen=seen, count=1)], [])
    made = [item(kind, {}, Remarks(), **fields) for kind, fields in several]
    told = Facts(
        attributes=values,
        about=frozenset(values),
        items=tuple(each for each in made if each is not None),
        kinds=frozenset(ITEM_KINDS),
    )
    await store.inventory.take([Taken(connection_id=f"C{number}", sequence=None, report=report(CHECK_IN, told))], NOW)
    for each in keys:
        given = Escrow(connection_id=f"C{number}", kind=EscrowKind.FILEVAULT_RECOVERY_KEY, value=each, at=NOW)
        await store.devices.commit(Change(escrow=(given,)))
    own: dict[str, Value] = {"state": "connected", "enrolled_at": NOW - number}
    own |= dict.fromkeys((each.name for each in FIELDS.values() if each.escrow), False)
    own["has_filevault_key"] = bool(keys and keys[-1])
    if seen is not None:
        own["last_seen"] = seen
    if told_at is not None:
        own["reported.availableosupdates"] = told_at
        no_updates = Facts(kinds=frozenset({"update"}))
        await take(store, report("AvailableOSUpdates", no_updates, told_at), number=number)
    kinds = {kind: tuple(dict(fields) for other, fields in several if other == kind) for kind, _ in several}
    return Known(values={**values, **own}, items=kinds)


async def test_ended_devices_fit_only_where_they_are_asked_for(store: Store) -> None:
    await store.devices.commit(v.enrolled())
    told = report(CHECK_IN, attributes(CHECK_IN, {"name": "a"}))
    await store.inventory.take([Taken(connection_id="C1", sequence=None, report=told)], NOW)
    ended = v.connection(phase=Phase.ENDED, ended_at=NOW)
    await store.devices.commit(Change(device_id="D1", expects=1, connections=(ended,), at=NOW))
    assert await store.inventory.select(Everything(), NOW, after="", limit=9) == ()
    assert await store.inventory.select(Everything(), NOW, after="", limit=9, ended=True) == ("D1",)


def test_all_that_is_kept_in_escrow_can_be_asked_for() -> None:
    assert sorted(each.escrow for each in FIELDS.values() if each.escrow) == sorted(EscrowKind)
