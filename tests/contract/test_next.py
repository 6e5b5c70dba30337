"""Which command is next: every back-end says what `lifecycle.queue` says."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import values as v
from contract.conftest import HOMES
from corral.apple.report import Status
from corral.lifecycle.queue import next_delivery
from corral.lifecycle.state import FOREVER, Consequence, Delivery
from corral.store.devices import Next
from corral.store.store import Store

TIMES = st.sampled_from([v.NOW - 2, v.NOW - 1, v.NOW, v.NOW + 1, v.NOW + 2])
COMMANDS = st.fixed_dictionaries(
    {
        "consequence": st.sampled_from(list(Consequence)),
        "priority": st.sampled_from([-1000, -1, 0, 1, 1000]),
        "not_before": st.one_of(st.just(0), TIMES),
        "expires_at": st.one_of(st.just(FOREVER), TIMES),
    }
)
FATES = st.sampled_from(["open", "open", "open", "deferred", "done", "cancelled"])
ONLY = st.one_of(st.none(), st.frozensets(st.sampled_from(list(Consequence))))


async def suffer(store: Store, uuid: str, fate: str) -> None:
    """Bring a queued command into this state; a consequential one gets its result as a change does."""
    match fate:
        case "deferred":
            await store.devices.commit(v.Change(result=v.result(uuid, Status.NOT_NOW)))
        case "done":
            await store.devices.commit(v.Change(result=v.result(uuid)))
        case "cancelled":
            await store.queue.cancel(uuid, None, v.event(), v.NOW)
        case _:
            pass


async def deliveries(store: Store) -> list[Delivery]:
    found = await store.queue.list(device_id="D1", command_uuid=None, state=None, before=None, limit=1000)
    return [each.delivery for each in found]


def wanted(queue: list[Delivery], *, after_idle: bool, only: frozenset[Consequence] | None = None) -> Next:
    found = next_delivery(queue, v.NOW, after_idle=after_idle, only=only)
    return Next("C1", found.command_uuid, body(found.command_uuid)) if found else Next("C1")


def body(uuid: str) -> bytes:
    return f"<plist>{uuid}</plist>".encode()


@pytest.mark.parametrize("back_end", sorted(HOMES))
@given(
    queue=st.lists(st.tuples(COMMANDS, FATES), max_size=8),
    only=ONLY,
)
@settings(max_examples=60, deadline=None)
async def test_next_is_what_the_pure_rule_says(
    back_end: str, queue: list[tuple[dict[str, Any], str]], only: frozenset[Consequence] | None
) -> None:
    with tempfile.TemporaryDirectory() as folder, HOMES[back_end](Path(folder)) as home:
        async with home.open() as store:
            await store.devices.commit(v.enrolled())
            await store.devices.commit(v.enrolled(2))
            for number, (fields, fate) in enumerate(queue):
                uuid = f"U{number}"
                await store.queue.enqueue(v.command(uuid, **fields), ["C1"])
                await store.queue.enqueue(v.command(f"other {number}", **fields), ["C2"])
                await suffer(store, uuid, fate)
            now = await deliveries(store)
            assert len(now) == len(queue)
            for after_idle in (True, False):
                expected = wanted(now, after_idle=after_idle, only=only)
                assert await store.devices.next("C1", v.NOW, after_idle=after_idle, only=only) == expected
                everything = wanted(now, after_idle=after_idle)
                assert await store.devices.next("C1", v.NOW, after_idle=after_idle) == everything
            assert await store.devices.exchange(v.idle()) == wanted(now, after_idle=True)
            now = await deliveries(store)
            unknown = v.report("never queued")
            assert await store.devices.exchange(unknown) == wanted(now, after_idle=False)


async def test_of_one_priority_the_first_queued_goes_first(fleet: Store) -> None:
    for uuid, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 5)):
        await fleet.queue.enqueue(v.command(uuid, priority=priority), ["C1"])
    order: list[str] = []
    while (following := await fleet.devices.next("C1", v.NOW, after_idle=True)).command_uuid:
        order.append(following.command_uuid)
        await fleet.devices.exchange(v.report(following.command_uuid))
    assert order == ["b", "d", "a", "c"]


async def test_an_unknown_channel_has_nothing(fleet: Store) -> None:
    assert await fleet.devices.next("nobody", v.NOW, after_idle=True) == Next("nobody")


async def test_nothing_is_allowed_by_an_empty_set(fleet: Store) -> None:
    await fleet.queue.enqueue(v.command(), ["C1"])
    assert await fleet.devices.next("C1", v.NOW, after_idle=True, only=frozenset()) == Next("C1")
