"""The trace that a command was queued in goes with it to the device and back, and nowhere where there is none."""

import pytest

from contract import values as v
from corral.apple.report import Status
from corral.lifecycle.change import Change
from corral.lifecycle.state import Consequence
from corral.lifecycle.trace import MOST_FOLLOWED, within
from corral.store.devices import Next
from corral.store.store import Store
from corral.store.work import TRACES

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def queue(store: Store, uuid: str, trace: str | None, *channels: str, **values: object) -> None:
    with within(trace):
        command = v.command(uuid, **values)
    await store.queue.enqueue(command, channels or ["C1"])


async def test_a_poll_and_its_result_tell_the_trace(fleet: Store) -> None:
    await queue(fleet, "U1", TRACE)
    await queue(fleet, "U2", None)
    assert await fleet.devices.exchange(v.idle()) == Next("C1", "U1", b"<plist>U1</plist>", TRACE)
    assert await fleet.devices.next("C1", v.NOW, after_idle=True) == Next("C1", "U1", b"<plist>U1</plist>", TRACE)
    answer = await fleet.devices.exchange(v.report("U1"))
    assert answer == Next("C1", "U2", b"<plist>U2</plist>", None, TRACE)
    assert await fleet.devices.exchange(v.report("U2")) == Next("C1")
    assert await fleet.devices.exchange(v.report("U1")) == Next("C1", answered=TRACE), "told again, as it is"
    assert await fleet.devices.exchange(v.report("gone")) == Next("C1")


@pytest.mark.parametrize("status", [Status.NOT_NOW, Status.ERROR])
async def test_so_does_every_other_answer(fleet: Store, status: Status) -> None:
    await queue(fleet, "U1", TRACE)
    assert await fleet.devices.exchange(v.report("U1", status)) == Next("C1", answered=TRACE)
    following = await fleet.devices.exchange(v.idle())
    assert isinstance(following, Next)
    assert following.trace == (TRACE if status is Status.NOT_NOW else None)


async def test_what_has_a_consequence_is_told_with_what_is_known(fleet: Store) -> None:
    await queue(fleet, "U1", TRACE, consequence=Consequence.ERASE_DEVICE)
    snapshot = await fleet.devices.load(v.contact(command_uuid="U1"))
    assert snapshot.delivery is not None
    assert snapshot.delivery.trace == TRACE


async def test_what_a_decision_queues_has_the_trace_that_it_was_made_in(fleet: Store) -> None:
    with within(TRACE):
        queued = v.enqueue("U1", consequence=Consequence.PLAIN)
    await fleet.devices.commit(Change(enqueue=(queued, v.enqueue("U2"))))
    assert await fleet.devices.exchange(v.idle()) == Next("C1", "U1", b"<plist>U1</plist>", TRACE)
    following = await fleet.devices.exchange(v.report("U1"))
    assert isinstance(following, Next)
    assert (following.command_uuid, following.trace, following.answered) == ("U2", None, TRACE)


async def test_a_push_is_for_what_is_open_and_followed(fleet: Store) -> None:
    await queue(fleet, "U1", TRACE, "C1", "C2")
    await queue(fleet, "U2", None, "C3")
    await queue(fleet, "U3", TRACE[:-4] + "2-01", "C1")
    assert set(await fleet.work.traces(["C1", "C2", "C3", "gone"])) == {
        ("C1", TRACE),
        ("C1", TRACE[:-4] + "2-01"),
        ("C2", TRACE),
    }
    await fleet.devices.exchange(v.report("U1"))
    assert await fleet.work.traces(["C1"]) == (("C1", TRACE[:-4] + "2-01"),)
    assert await fleet.work.traces([]) == ()
    for number in range(2 * TRACES):
        await queue(fleet, f"more {number}", TRACE)
    assert len(await fleet.work.traces(["C1"])) == TRACES


async def test_an_event_tells_the_trace_that_it_happened_in(store: Store) -> None:
    with within(TRACE):
        await store.devices.commit(v.enrolled(events=(v.event("test.traced"),)))
    await store.events.append((v.event("test.untraced"),))
    found = await store.events.read(0, 10)
    assert [(each.event.type, each.event.trace) for each in found] == [("test.traced", TRACE), ("test.untraced", None)]


async def test_of_a_command_for_very_many_the_first_are_followed(store: Store) -> None:
    numbers = range(1, MOST_FOLLOWED + 21)
    for number in numbers:
        await store.devices.commit(v.enrolled(number))
    channels = sorted(f"C{number}" for number in numbers)
    await queue(store, "U1", TRACE, *channels)
    followed = {channel for channel, _ in await store.work.traces(channels)}
    assert followed == set(channels[:MOST_FOLLOWED])
