"""Work is done once, by whoever holds its lease; what is put anew meanwhile is not lost."""

import asyncio
from dataclasses import replace
from typing import Any

from contract import values as v
from contract.conftest import Home
from corral.lifecycle.change import Change
from corral.lifecycle.state import CertificateStatus, Phase
from corral.store.store import Store
from corral.store.work import LeasedWork

FAR = v.NOW + 10_000


async def lease(store: Store, now: int = v.NOW, until: int = FAR, limit: int = 10) -> tuple[LeasedWork, ...]:
    return await store.work.lease("push", now, until, limit)


async def test_work_is_leased_oldest_first_and_only_when_due(store: Store) -> None:
    for key, due in (("c", 3), ("a", 1), ("b", 2), ("future", 9)):
        await store.work.add("push", [key], v.NOW + due)
    await store.work.add("another kind", ["x"], v.NOW)
    first = await lease(store, v.NOW + 3, limit=2)
    assert [(work.kind, work.key, work.due_at, work.attempts) for work in first] == [
        ("push", "a", v.NOW + 1, 0),
        ("push", "b", v.NOW + 2, 0),
    ]
    assert [work.key for work in await lease(store, v.NOW + 3)] == ["c"]
    assert await lease(store, v.NOW + 3) == ()


async def test_one_row_a_kind_and_key_of_which_the_earlier_time_wins(store: Store) -> None:
    for due in (5, 2, 8):
        await store.work.add("push", ["a", "b"], v.NOW + due)
    assert await store.work.next_due("push") == v.NOW + 2
    assert [work.due_at for work in await lease(store)] == []
    assert [work.due_at for work in await lease(store, v.NOW + 9)] == [v.NOW + 2] * 2


async def test_work_outlives_the_process(home: Home) -> None:
    async with home.open() as store:
        await store.work.add("push", ["a"], v.NOW)
        await lease(store, until=v.NOW + 5)
    async with home.open() as store:
        # Where nobody else can be alive it is free at once; where others may be, when its lease is over.
        assert [work.key for work in await lease(store, v.NOW + 5)] == ["a"]


async def test_finished_work_is_gone(store: Store) -> None:
    await store.work.add("push", ["a", "b"], v.NOW)
    await store.work.finish(await lease(store))
    assert await store.work.next_due("push") is None
    assert await lease(store, FAR + 1) == ()
    await store.work.finish([])


async def test_a_lease_that_ran_out_is_taken_over_and_its_former_holder_can_do_nothing(store: Store) -> None:
    await store.work.add("push", ["a"], v.NOW)
    (first,) = await lease(store, until=v.NOW + 5)
    (second,) = await lease(store, v.NOW + 5)
    assert second.lease != first.lease
    await store.work.finish([first])
    await store.work.put_back([(first, v.NOW)])
    assert await lease(store, v.NOW + 6) == (), "the second holder still has it"
    await store.work.finish([second])
    assert await store.work.next_due("push") is None


async def test_work_put_back_comes_again_with_its_attempt_counted(store: Store) -> None:
    await store.work.add("push", ["a"], v.NOW)
    for attempts in range(3):
        (work,) = await lease(store, v.NOW + attempts)
        assert work.attempts == attempts
        await store.work.put_back([(work, v.NOW + attempts + 1)])
        assert await store.work.next_due("push") == v.NOW + attempts + 1
        assert await lease(store, v.NOW + attempts) == ()
    await store.work.put_back([])


async def test_work_put_anew_during_its_lease_survives_finishing(store: Store) -> None:
    """The second command was queued while the push for the first was under way."""
    for again in (v.NOW, v.NOW + 50):
        await store.work.add("push", ["a"], v.NOW)
        (work,) = await lease(store)
        await store.work.add("push", ["a"], again)
        assert await lease(store, v.NOW + 60) == (), "nobody else may push meanwhile"
        await store.work.finish([work])
        assert await store.work.next_due("push") == again
        (anew,) = await lease(store, v.NOW + 60)
        assert (anew.attempts, anew.due_at) == (0, again)
        await store.work.finish([anew])
        assert await store.work.next_due("push") is None


async def test_work_put_anew_during_its_lease_comes_no_later_for_being_put_back(store: Store) -> None:
    await store.work.add("push", ["a"], v.NOW)
    (work,) = await lease(store)
    await store.work.add("push", ["a"], v.NOW + 3)
    await store.work.put_back([(work, v.NOW + 500)])
    assert await store.work.next_due("push") == v.NOW + 3


async def test_work_put_anew_is_part_of_a_lease_that_is_taken_over(store: Store) -> None:
    await store.work.add("push", ["a"], v.NOW)
    await lease(store, until=v.NOW + 5)
    await store.work.add("push", ["a"], v.NOW + 1)
    (second,) = await lease(store, v.NOW + 5)
    await store.work.finish([second])
    assert await store.work.next_due("push") is None


async def test_next_due_tells_when_a_worker_has_to_look_again(store: Store) -> None:
    assert await store.work.next_due("push") is None
    await store.work.add("push", ["a"], v.NOW + 5)
    await store.work.add("push", ["b"], v.NOW + 3)
    assert await store.work.next_due("push") == v.NOW + 3
    assert await store.work.next_due("another kind") is None
    await lease(store, v.NOW + 3)
    assert await store.work.next_due("push") == v.NOW + 5


async def test_workers_that_race_share_the_work(store: Store) -> None:
    keys = [f"k{n}" for n in range(300)]
    await store.work.add("push", keys, v.NOW)
    leased = await asyncio.gather(*(lease(store, limit=50) for _ in range(8)))
    taken = [work.key for some in leased for work in some]
    assert sorted(taken) == sorted(keys)


async def test_workers_are_woken_after_the_commit_that_puts_their_work(fleet: Store) -> None:
    woken: list[tuple[str, int | None]] = []
    due: list[int | None] = []

    def wake(kind: str) -> None:
        async def look() -> None:
            due.append(await fleet.work.next_due(kind))

        woken.append((kind, None))
        looking.append(asyncio.ensure_future(look()))

    looking: list[asyncio.Future[None]] = []
    fleet.on_work(wake)
    await fleet.devices.commit(Change(work=(v.work(), v.work("x", kind="push-later"))))
    assert sorted(kind for kind, _ in woken) == ["push", "push-later"]
    await asyncio.gather(*looking)
    assert due == [v.NOW, v.NOW], "the work is there when they look"


async def test_nobody_is_woken_for_a_change_that_was_stale(fleet: Store) -> None:
    woken = v.Woken()
    fleet.on_work(woken)
    await fleet.devices.commit(Change(device_id="D1", expects=9, work=(v.work(),)))
    late = Change(work=(v.work(),), link_used="nobody")
    await fleet.devices.commit(late)
    assert woken == []
    assert await fleet.work.next_due("push") is None


async def test_everybody_who_asked_is_woken(fleet: Store) -> None:
    first, second = v.Woken(), v.Woken()
    fleet.on_work(first)
    fleet.on_work(second)
    await fleet.work.add("push", ["a"], v.NOW)
    assert first == second == ["push"]


async def test_certificates_that_end_soon_are_found_until_their_renewal_is_planned(store: Store) -> None:
    heard = {"heard_at": v.NOW, "not_after": v.NOW + 9}
    cases: tuple[dict[str, Any], ...] = (
        {**heard, "not_after": v.NOW + 5},
        heard,
        {**heard, "not_after": v.NOW + 10},
        {**heard, "heard_at": None},
        {**heard, "status": CertificateStatus.RETIRED},
        {**heard, "authority": "another"},
        {},
    )
    for number, fields in enumerate(cases, 1):
        plain = v.enrolled(number)
        certificate = v.certificate(f"cert {number}", f"C{number}", device_id=f"D{number}", **fields)
        life = replace(plain.connections[0], profile=b"facts")
        await store.devices.commit(replace(plain, connections=(life,), certificates=(certificate,)))
    found = await store.work.expiring(v.NOW + 10, 10)
    assert [(each.connection_id, each.device_id, each.issued_at, each.not_after) for each in found] == [
        ("C1", "D1", v.NOW, v.NOW + 5),
        ("C2", "D2", v.NOW, v.NOW + 9),
    ]
    assert len(await store.work.expiring(v.NOW + 10, 1)) == 1
    await store.work.add("renew", ["C1"], v.NOW)
    assert [each.connection_id for each in await store.work.expiring(v.NOW + 10, 10)] == ["C2"]


async def test_lives_that_cannot_repeat_their_profile_or_are_over_are_not_renewed(store: Store) -> None:
    for number, fields in enumerate(({"profile": b""}, {"phase": Phase.ENDED}, {"phase": Phase.ENDING}), 1):
        plain = v.enrolled(number)
        certificate = replace(plain.certificates[0], heard_at=v.NOW, not_after=v.NOW + 5)
        life = replace(plain.connections[0], **{"profile": b"facts", **fields})
        await store.devices.commit(replace(plain, connections=(life,), certificates=(certificate,)))
    assert await store.work.expiring(v.NOW + 10, 10) == ()


async def test_lives_of_other_authorities_are_found_until_they_have_a_time(store: Store) -> None:
    for number, issuer in enumerate(("", "old", "new"), 1):
        plain = v.enrolled(number)
        certificate = replace(plain.certificates[0], heard_at=v.NOW, issuer=issuer)
        life = replace(plain.connections[0], profile=b"facts")
        await store.devices.commit(replace(plain, connections=(life,), certificates=(certificate,)))
    await store.work.add("renew", ["C1"], v.NOW + 100)

    async def found(begun_by: int, limit: int = 10) -> list[str]:
        return sorted(each.connection_id for each in await store.work.superseded(["", "old"], begun_by, limit))

    assert await found(v.NOW + 99) == ["C1", "C2"], "what is due later is not what the move is due by"
    assert await found(v.NOW + 100) == ["C2"]
    assert len(await found(v.NOW + 99, limit=1)) == 1
    (begun,) = await store.work.lease("renew", v.NOW + 100, v.NOW + 101, 1)
    await store.work.put_back([(begun, v.NOW + 1000)])
    assert await found(v.NOW + 100) == ["C2"], "what was begun is looked at again at its own time"
    assert await store.work.superseded([], v.NOW, 10) == ()


async def test_lives_that_cannot_be_renewed_are_found_until_they_were_warned_of(store: Store) -> None:
    for number, fields in enumerate(
        ({"authority": "foreign"}, {}, {"warned_days": 7}, {"warned_days": 60}, {"heard_at": None}), 1
    ):
        plain = v.enrolled(number)
        certificate = replace(plain.certificates[0], **{"heard_at": v.NOW, "not_after": v.NOW + number, **fields})
        profile = b"facts" if number == 1 else b""
        life = replace(plain.connections[0], profile=profile)
        await store.devices.commit(replace(plain, connections=(life,), certificates=(certificate,)))
    assert await store.work.unrenewable(v.NOW + 10, 30, 10) == ("C1", "C2", "C4")
    assert await store.work.unrenewable(v.NOW + 10, 60, 10) == ("C1", "C2")
    assert await store.work.unrenewable(v.NOW + 10, 0, 10) == ("C1", "C2", "C3", "C4")
    assert await store.work.unrenewable(v.NOW + 2, 30, 10) == ("C1",)
    assert await store.work.unrenewable(v.NOW + 10, 30, 1) == ("C1",)
    assert dict(await store.directory.unrenewed()) == {7: 1, 60: 1}
