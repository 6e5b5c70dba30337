"""The audit trail: with the change or not at all, linked in order, and nothing of it changes unseen."""

import asyncio
from dataclasses import replace

import pytest

from contract import values as v
from corral.lifecycle.actor import Actor, act_as
from corral.lifecycle.change import Change
from corral.store.access import AccessChange, Outcome
from corral.store.audit import BEGINNING, AuditEntry, AuditOutcome, AuditQuery, End
from corral.store.devices import Committed, Stale
from corral.store.store import Store

ANN = Actor(kind="user", id="P1", name="ann", operation="block_device", address="10.0.0.1", agent="curl", request="r-1")
BOB = replace(ANN, id="P2", name="bob")


def entry(number: int = 1, **fields: object) -> AuditEntry:
    plain = AuditEntry(
        actor=ANN, at=v.NOW + number, outcome=AuditOutcome.REFUSED, what="block_device", data={"number": number}
    )
    return replace(plain, **fields)  # pyright: ignore[reportArgumentType] - as each test gives them


async def whats(store: Store, **filters: object) -> list[str]:
    query = AuditQuery(limit=100, **filters)  # pyright: ignore[reportArgumentType] - as each test gives them
    return [each.entry.what for each in await store.audit.read(query)]


async def linked_up(store: Store) -> list[int]:
    """The places, having gone along the whole chain."""
    at, places = BEGINNING, list[int]()
    for each in await store.audit.linked(0, 1000):
        assert each.follows(at.link), each
        at = End(each.place, each.link)
        places.append(each.place)
    return places


async def test_a_change_of_no_more_than_events_and_work_is_audited_too(store: Store) -> None:
    assert await store.devices.commit(v.enrolled()) == Committed()
    with act_as(ANN):
        change = Change(device_id="D1", expects=1, events=(v.event("device.woken"),), work=(v.work(),))
    assert await store.devices.commit(change) == Committed()
    assert await whats(store) == ["device.woken"]


async def test_what_somebody_causes_is_kept_with_the_change_and_what_a_device_says_is_not(store: Store) -> None:
    assert isinstance(await store.devices.commit(v.enrolled(1, events=(v.event("connection.connected"),))), Committed)
    assert await store.audit.read(AuditQuery(limit=9)) == ()
    with act_as(ANN):
        told = v.event("device.blocked", device_id="D1", data={"by": "ann"})
    change = Change(device_id="D1", expects=1, device=v.device("D1"), events=(told,), at=v.NOW)
    assert isinstance(await store.devices.commit(change), Committed)
    (kept,) = await store.audit.read(AuditQuery(limit=9))
    assert kept.entry == AuditEntry(
        actor=ANN,
        at=told.at,
        outcome=AuditOutcome.DONE,
        what="device.blocked",
        device_id="D1",
        data={"by": "ann"},
    )
    assert kept.place is None
    assert isinstance(await store.devices.commit(change), Stale)
    assert len(await store.audit.read(AuditQuery(limit=9))) == 1, "what was not done leaves nothing"


async def test_every_change_of_an_installation_takes_its_events_along(store: Store) -> None:
    """In the same commit, so with the audit entry; and without it where nothing was changed."""
    with act_as(ANN):
        told = (v.event("x", device_id=None, connection_id=None),)
    vault, grants, ade = store.vault, store.grants, store.ade
    await vault.put_secret("a", b"b", told)
    await vault.put_push_certificate(v.push_certificate(), told)
    await vault.close_breaker(v.NOW, told)
    await grants.add_link(v.link(), v.fingerprint("token"), told)
    assert await grants.revoke_link("L1", v.NOW, told)
    await ade.put_server(v.ade_server(), told)
    await ade.put_profile(v.ade_profile("standard", "first"), told)
    await ade.put_rules("first", [v.ade_rule()], told)
    await ade.assign([v.assignment("S1", "first")], told)
    await ade.remove_profile("first", "standard", told)
    await ade.remove_server("first", told)
    await store.devices.commit(v.enrolled(1))
    assert await store.queue.enqueue(v.command("U1"), ["C1"], told) == ("C1",)
    assert await store.devices.forget("D1", told)
    assert len(await store.audit.read(AuditQuery(limit=100))) == len(await store.events.read(0, 100)) == 13
    assert not await grants.revoke_link("L1", v.NOW, told)
    assert not await store.devices.forget("D1", told)
    assert await store.queue.enqueue(v.command("U2"), ["C1"], told) == ()
    assert not await store.accounts.revoke_session("nobody", v.NOW, told)
    assert await store.access.commit(AccessChange(at=v.NOW, revoke="nobody", events=told)) is Outcome.MISSING
    assert len(await store.audit.read(AuditQuery(limit=100))) == 13


async def test_entries_are_read_newest_first_by_what_one_looks_for(store: Store) -> None:
    await store.audit.note(entry(1))
    await store.audit.note(entry(2, actor=BOB, what="end_device", outcome=AuditOutcome.FAILED))
    await store.audit.note(entry(3, device_id="D1", what="third", actor=replace(ANN, operation="renew_device")))
    assert await whats(store) == ["third", "end_device", "block_device"]
    assert await whats(store, actor="ann") == await whats(store, actor="P1") == ["third", "block_device"]
    assert await whats(store, what="end_device") == ["end_device"]
    assert await whats(store, operation="renew_device") == ["third"]
    assert await whats(store, device_id="D1") == ["third"]
    assert await whats(store, outcome=AuditOutcome.FAILED) == ["end_device"]
    assert await whats(store, since=v.NOW + 2, until=v.NOW + 3) == ["end_device"]
    newest, *_ = await store.audit.read(AuditQuery(limit=1))
    assert await whats(store, before=newest.sequence, actor="ann") == ["block_device"]


async def test_what_waits_is_linked_in_order_and_a_piece_at_a_time(store: Store) -> None:
    assert await store.audit.chain(10) == 0
    for number in range(5):
        await store.audit.note(entry(number, data={"text": 'quoted "ä" \\', "number": number}))
    assert (await store.audit.ends()).waiting == 5
    assert [await store.audit.chain(2) for _ in range(4)] == [2, 2, 1, 0]
    assert await linked_up(store) == [1, 2, 3, 4, 5]
    last = (await store.audit.linked(4, 9))[0]
    ends = await store.audit.ends()
    assert (ends.anchor, ends.head, ends.waiting) == (BEGINNING, End(5, last.link), 0)
    assert [each.place for each in await store.audit.read(AuditQuery(limit=9))] == [5, 4, 3, 2, 1]


async def test_several_who_link_at_once_make_one_chain(store: Store) -> None:
    for number in range(30):
        await store.audit.note(entry(number))
    while (await store.audit.ends()).waiting:
        await asyncio.gather(*(store.audit.chain(7) for _ in range(4)))
    assert await linked_up(store) == list(range(1, 31))


async def test_the_oldest_are_forgotten_and_the_chain_goes_on_from_there(store: Store) -> None:
    for number in range(6):
        await store.audit.note(entry(number))
    assert await store.audit.forget(v.NOW + 100, 10) == 0, "what is not linked yet stays"
    await store.audit.chain(10)
    before = await store.audit.linked(0, 10)
    assert await store.audit.forget(v.NOW + 3, 2) == 2
    assert await store.audit.forget(v.NOW + 3, 2) == 1
    assert await store.audit.forget(v.NOW + 3, 2) == 0
    ends = await store.audit.ends()
    assert ends.anchor == End(3, before[2].link)
    assert await store.audit.linked(0, 10) == before[3:]
    await store.audit.note(entry(9))
    await store.audit.chain(10)
    assert (await store.audit.linked(6, 1))[0].follows(before[5].link)
    assert await store.audit.forget(v.NOW + 100, 10) == 4
    await store.audit.note(entry(10))
    await store.audit.chain(10)
    assert [each.place for each in await store.audit.linked(0, 10)] == [8]


@pytest.mark.parametrize("text", ["", "plain", "ünïcode 🐎", 'quo"ted\\', "\x7f\u2028", "x" * 5000])
async def test_any_text_is_hashed_as_it_is_kept(text: str, store: Store) -> None:
    await store.audit.note(entry(actor=replace(ANN, name=text, agent=text), data={text: [text, None, 1.5]}))
    await store.audit.chain(10)
    assert await linked_up(store) == [1]
    (kept,) = await store.audit.read(AuditQuery(limit=1))
    assert kept.entry.actor.name == text
