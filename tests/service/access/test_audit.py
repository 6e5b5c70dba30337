"""Whether the trail holds: whatever is done to it by hand, a place is named."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from corral.lifecycle.actor import Actor
from corral.service.access.audit import AuditTrail, Verdict, Walk
from corral.store.audit import BEGINNING, AuditEntry, AuditOutcome, End, Linked, link_of
from corral.store.errors import StoreUnavailable
from corral.store.sqlite.connecting import typed
from corral.store.store import Store
from kept_databases import fresh_sqlite
from service.fakes import NOW

ANN = Actor(kind="user", id="P1", name="ann", operation="block_device")
COUNT = 12


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[Store]:
    async with fresh_sqlite(tmp_path / "corral.db", b"k" * 32) as opened:
        for number in range(COUNT):
            entry = AuditEntry(
                actor=ANN, at=NOW + number, outcome=AuditOutcome.DONE, what="device.blocked", data={"n": number}
            )
            await opened.audit.note(entry)
        yield opened


@pytest.fixture
async def trail(store: Store) -> AuditTrail:
    made = AuditTrail(store.audit)
    await made.round()
    return made


@pytest.fixture
def by_hand(trail: AuditTrail, tmp_path: Path) -> Callable[[str], None]:
    """As somebody who can write in the database, and has no sealing key."""
    del trail

    def change(statement: str) -> None:
        connection = apsw.Connection(str(tmp_path / "corral.db"))
        connection.set_busy_timeout(2000)
        typed(connection).execute(statement)
        connection.close()

    return change


async def test_what_nobody_has_touched_holds(trail: AuditTrail, store: Store) -> None:
    await store.audit.note(AuditEntry(actor=ANN, at=NOW, outcome=AuditOutcome.DONE, what="late"))
    verdict = await trail.verify()
    assert verdict.breaks == ()
    assert (verdict.entries, verdict.waiting) == (COUNT, 1)
    assert verdict.head is not None
    assert verdict.head.place == COUNT


TAMPERING = {
    "data": ("UPDATE audit SET data = '{}' WHERE place = 5", 5, "not what was linked"),
    "who": ("UPDATE audit SET actor_name = 'bob' WHERE place = 1", 1, "not what was linked"),
    "when": ("UPDATE audit SET at = at + 1 WHERE place = 12", 12, "not what was linked"),
    "outcome": ("UPDATE audit SET outcome = 'refused' WHERE place = 7", 7, "not what was linked"),
    "gone": ("DELETE FROM audit WHERE place = 5", 5, "1 entries are missing"),
    "first gone": ("DELETE FROM audit WHERE place <= 3", 1, "3 entries are missing"),
    "last gone": ("DELETE FROM audit WHERE place > 10", 11, "the last 2 entries are missing"),
    "all gone": ("DELETE FROM audit", 1, "the last 12 entries are missing"),
    "exchanged": (
        "UPDATE audit SET place = 100 WHERE place = 4; UPDATE audit SET place = 4 WHERE place = 5;"
        " UPDATE audit SET place = 5 WHERE place = 100",
        4,
        "not what was linked",
    ),
    "put in": (
        "INSERT INTO audit SELECT 99, at, outcome, what, device_id, data, actor_kind, actor_id, actor_name, operation,"
        " address, agent, request, 13, link FROM audit WHERE place = 12",
        13,
        "never linked here",
    ),
    "head": ("UPDATE audit_end SET value = x'00' WHERE name = 'head'", 0, "was not sealed here"),
}


@pytest.mark.parametrize("how", sorted(TAMPERING))
async def test_whatever_is_changed_by_hand_is_named(
    how: str, trail: AuditTrail, by_hand: Callable[[str], None]
) -> None:
    statement, place, why = TAMPERING[how]
    by_hand(statement)
    verdict = await trail.verify()
    assert verdict.breaks, how
    assert verdict.breaks[0].place == place
    assert why in verdict.breaks[0].why


async def test_all_breaks_are_found_and_not_only_the_first(trail: AuditTrail, by_hand: Callable[[str], None]) -> None:
    by_hand("UPDATE audit SET data = '{}' WHERE place IN (3, 9)")
    assert [each.place for each in (await trail.verify()).breaks] == [3, 9]


async def test_linking_it_anew_does_not_help_without_the_sealing_key(
    trail: AuditTrail, store: Store, by_hand: Callable[[str], None]
) -> None:
    entries = await store.audit.linked(0, 100)
    at = BEGINNING.link
    for each in entries:
        columns = each.columns if each.place != 5 else (*each.columns[:5], '{"n":"other"}', *each.columns[6:])
        at = link_of(at, replace(each, columns=columns).content)
        by_hand(f"UPDATE audit SET data = '{columns[5]}', link = x'{at.hex()}' WHERE place = {each.place}")  # noqa: S608 - by hand
    verdict = await trail.verify()
    assert [each.place for each in verdict.breaks] == [COUNT]
    assert "linked anew" in verdict.breaks[0].why


async def test_a_head_that_does_not_open_stops_the_linking(
    trail: AuditTrail, store: Store, by_hand: Callable[[str], None]
) -> None:
    by_hand("UPDATE audit_end SET value = x'0102' WHERE name = 'head'")
    await store.audit.note(AuditEntry(actor=ANN, at=NOW, outcome=AuditOutcome.DONE, what="late"))
    with pytest.raises(StoreUnavailable, match="ends of the audit trail"):
        await trail.round()
    assert (await store.audit.ends()).waiting == 1


async def test_what_retention_has_deleted_is_not_missing(trail: AuditTrail, store: Store) -> None:
    await store.audit.forget(NOW + 4, 100)
    verdict = await trail.verify()
    assert verdict.breaks == ()
    assert verdict.entries == COUNT - 4
    await store.audit.forget(NOW + 100, 100)
    empty: Verdict = await trail.verify()
    assert (empty.breaks, empty.entries, empty.anchor) == ((), 0, empty.head)


def test_a_walk_goes_on_behind_a_break_but_not_for_ever() -> None:
    walk = Walk(BEGINNING)
    walk.take(Linked(number, (number,), bytes(32)) for number in range(1, 1000))
    walk.arrive(End(999, bytes(32)))
    assert walk.entries == 999
    assert len(walk.breaks) == 100
