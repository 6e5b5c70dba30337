"""What is remembered of Automated Device Enrollment, in every back-end."""

from dataclasses import replace

import pytest

from contract import values as v
from contract.conftest import Home
from corral.store.ade import RuleField, SyncState
from corral.store.store import Store


@pytest.fixture
async def ade(store: Store) -> Store:
    """A store with two servers."""
    for name in ("second", "first"):
        await store.ade.put_server(v.ade_server(name))
    return store


async def serials(store: Store, server: str | None = None, *, deleted: bool = False) -> list[tuple[str, str]]:
    found = await store.ade.devices(server, 100, deleted=deleted)
    return [(each.device.server, each.device.serial_number) for each in found]


async def test_servers_are_kept_with_their_secrets(home: Home) -> None:
    bare = v.ade_server("b", token=None)
    whole = v.ade_server("a", token_expires_at=v.NOW, org_name="Example", default_profile="standard")
    async with home.open() as store:
        await store.ade.put_server(bare)
        await store.ade.put_server(whole)
    async with home.open() as store:
        assert await store.ade.servers() == (whole, bare)
        assert await store.ade.server("b") == bare
        assert await store.ade.server("c") is None
        changed = replace(bare, token=b"new token")
        await store.ade.put_server(changed)
        assert await store.ade.server("b") == changed


async def test_a_page_of_devices_comes_with_its_cursor(ade: Store) -> None:
    assert await ade.ade.state("first") == SyncState(server="first")
    page = [v.ade_device("S2"), v.ade_device("S1", description="IPAD, \u00e4")]
    await ade.ade.take(page, v.ade_state(cursor="after page 1"))
    await ade.ade.take([v.ade_device("S2", profile_uuid="P1")], v.ade_state(cursor="after page 2", failures=3))
    await ade.ade.take([], v.ade_state(cursor="after page 3"))
    assert (await ade.ade.state("first")).cursor == "after page 3"
    found = await ade.ade.devices("first", 10)
    assert [each.device for each in found] == [page[1], v.ade_device("S2", profile_uuid="P1")]
    assert [each.assignment for each in found] == [None, None]


async def test_devices_are_listed_in_pages_by_server_and_serial(ade: Store) -> None:
    await ade.ade.take([v.ade_device(s) for s in ("S3", "S1", "S2")], v.ade_state())
    await ade.ade.take([v.ade_device("S2", "second")], v.ade_state("second"))
    assert await serials(ade) == [("first", "S1"), ("first", "S2"), ("first", "S3"), ("second", "S2")]
    assert await serials(ade, "second") == [("second", "S2")]
    page = await ade.ade.devices(None, 2, ("first", "S2"))
    assert [(each.device.server, each.device.serial_number) for each in page] == [("first", "S3"), ("second", "S2")]
    assert [each.device.server for each in await ade.ade.find("S2")] == ["first", "second"]
    assert [each.device.serial_number for each in await ade.ade.some("first", ["S3", "S1", "S9"])] == ["S1", "S3"]


async def test_what_a_whole_fetch_does_not_see_is_gone(ade: Store) -> None:
    await ade.ade.take([v.ade_device("S1"), v.ade_device("S2"), v.ade_device("S3")], v.ade_state())
    await ade.ade.take([v.ade_device("S2", seen_at=v.NOW + 5)], v.ade_state())
    await ade.ade.take([v.ade_device("S1", "second")], v.ade_state("second"))
    assert await ade.ade.end_fetch("first", v.NOW + 5, v.NOW + 9) == ("S1", "S3")
    assert await ade.ade.end_fetch("first", v.NOW + 5, v.NOW + 9) == ()
    assert await serials(ade) == [("first", "S2"), ("second", "S1")]
    assert len(await serials(ade, "first", deleted=True)) == 3
    gone = (await ade.ade.find("S3"))[0].device
    assert gone.deleted_at == v.NOW + 9
    await ade.ade.take([replace(gone, deleted_at=None)], v.ade_state())
    assert ("first", "S3") in await serials(ade)


async def test_assignments_wait_for_their_device_and_their_time(ade: Store) -> None:
    given = [v.assignment(s, due_at=v.NOW + at) for s, at in (("S1", 2), ("S2", 1), ("S3", 9), ("S4", 0))]
    await ade.ade.assign([*given, v.assignment("S5")])
    assert await ade.ade.due("first", v.NOW + 5, 10) == ()
    await ade.ade.take([v.ade_device(f"S{n}") for n in (1, 2, 3, 5)], v.ade_state())
    assert await ade.ade.due("first", v.NOW + 5, 10) == (given[1], given[0])
    assert await ade.ade.due("first", v.NOW + 5, 1) == (given[1],)
    assert await ade.ade.next_due("first") == v.NOW + 1
    assert await ade.ade.next_due("second") is None
    settled = [replace(each, due_at=None, attempts=1, outcome="SUCCESS") for each in given[:2]]
    await ade.ade.settle(settled)
    assert await ade.ade.due("first", v.NOW + 5, 10) == ()
    assert (await ade.ade.find("S1"))[0].assignment == settled[0]


async def test_a_newer_assignment_is_not_settled_by_the_answer_to_an_older(ade: Store) -> None:
    older = v.assignment(due_at=v.NOW)
    newer = replace(older, profile="other", assigned_at=v.NOW + 1, by_person=True)
    await ade.ade.take([v.ade_device()], v.ade_state())
    await ade.ade.assign([older])
    await ade.ade.assign([newer])
    await ade.ade.settle([replace(older, due_at=None, outcome="SUCCESS")])
    assert (await ade.ade.find("S1"))[0].assignment == newer


async def test_profiles_and_rules_belong_to_a_server(ade: Store) -> None:
    one, other = v.ade_profile("a"), v.ade_profile("b", document='{"x": 1}')
    for each in (other, one, v.ade_profile("a", "second")):
        await ade.ade.put_profile(each)
    assert await ade.ade.profiles("first") == (one, other)
    again = replace(one, uuid="P2")
    await ade.ade.put_profile(again)
    await ade.ade.remove_profile("first", "b")
    assert await ade.ade.profiles("first") == (again,)
    rules = (v.ade_rule(1), v.ade_rule(2, field=RuleField.SERIAL, pattern="C0*"))
    await ade.ade.put_rules("first", rules[::-1])
    assert await ade.ade.rules("first") == rules
    await ade.ade.put_rules("first", rules[:1])
    assert await ade.ade.rules("first") == rules[:1]
    await ade.ade.put_rules("first", ())
    assert await ade.ade.rules("first") == ()


async def test_a_server_goes_with_all_that_is_its(ade: Store) -> None:
    for name in ("first", "second"):
        await ade.ade.take([v.ade_device(server=name)], v.ade_state(name))
        await ade.ade.assign([v.assignment(server=name, due_at=v.NOW)])
        await ade.ade.put_profile(v.ade_profile(server=name))
        await ade.ade.put_rules(name, [v.ade_rule(server=name)])
    await ade.ade.remove_server("first")
    assert [each.name for each in await ade.ade.servers()] == ["second"]
    assert await serials(ade) == [("second", "S1")]
    assert (await ade.ade.profiles("first"), await ade.ade.rules("first")) == ((), ())
    assert await ade.ade.state("first") == SyncState(server="first")
    assert len(await ade.ade.due("second", v.NOW, 10)) == 1
