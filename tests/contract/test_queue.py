"""The queue as people steer it."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from contract import values as v
from corral.apple.report import Status
from corral.lifecycle.change import Change, Event
from corral.lifecycle.state import Consequence, DeliveryState, Phase
from corral.store.contacts import Attempt
from corral.store.devices import Next
from corral.store.queue import CommandRecord
from corral.store.store import Store


async def records(store: Store, **filters: Any) -> tuple[CommandRecord, ...]:
    plain: dict[str, Any] = {"device_id": None, "command_uuid": None, "state": None, "before": None, "limit": 100}
    return await store.queue.list(**{**plain, **filters})


async def states(store: Store) -> dict[tuple[str, str], str]:
    found = await records(store)
    return {(each.delivery.channel_id, each.delivery.command_uuid): each.delivery.state.value for each in found}


async def test_a_command_is_queued_for_many_with_push_work_in_one_commit(fleet: Store) -> None:
    woken = v.Woken()
    fleet.on_work(woken)
    assert await fleet.queue.enqueue(v.command(), ["C3", "C1", "C2"]) == ("C3", "C1", "C2")
    assert woken == ["push"]
    assert {work.key for work in await fleet.work.lease("push", v.NOW, v.NOW + 1, 9)} == {"C1", "C2", "C3"}
    sequences = {each.delivery.channel_id: each.delivery.sequence for each in await records(fleet)}
    assert sequences["C3"] < sequences["C1"] < sequences["C2"]
    assert await fleet.queue.command_body("U1") == b"<plist>U1</plist>"
    assert await fleet.queue.command_body("nobody") is None


async def test_only_channels_of_a_life_that_goes_on_are_queued_for(fleet: Store) -> None:
    await fleet.devices.commit(Change(connections=(v.connection("C1", "D1", phase=Phase.ENDED),)))
    await fleet.devices.commit(Change(connections=(v.connection("C2", "D2", phase=Phase.ENDING),)))
    await fleet.devices.commit(Change(channels=(v.channel("C3", "jane", ended_at=v.NOW), v.channel("C3", "joe"))))
    await fleet.devices.commit(
        Change(connections=(v.connection("C4", "D1", phase=Phase.AUTHENTICATING),), channels=(v.channel("C4"),))
    )
    wanted = ["C1", "C2", "C3", "C3/jane", "C3/joe", "C4", "nobody", "C2"]
    assert await fleet.queue.enqueue(v.command(), wanted) == ("C2", "C3", "C3/joe")
    assert set(await states(fleet)) == {("C2", "U1"), ("C3", "U1"), ("C3/joe", "U1")}


async def test_a_command_for_nobody_leaves_no_trace(fleet: Store) -> None:
    assert await fleet.queue.enqueue(v.command(), ["nobody"]) == ()
    assert await fleet.queue.enqueue(v.command(), []) == ()
    assert await fleet.queue.command_body("U1") is None
    assert await fleet.work.next_due("push") is None


async def test_a_repeated_call_adds_only_whom_it_had_not_reached(fleet: Store) -> None:
    await fleet.queue.enqueue(v.command(), ["C1"])
    await fleet.devices.exchange(v.report())
    await fleet.work.finish(await fleet.work.lease("push", v.NOW, v.NOW + 1, 9))
    changed = v.command(body=b"another body")
    assert await fleet.queue.enqueue(changed, ["C1", "C2"]) == ("C1", "C2")
    assert await states(fleet) == {("C1", "U1"): "acknowledged", ("C2", "U1"): "open"}
    assert await fleet.queue.command_body("U1") == b"<plist>U1</plist>"
    assert [work.key for work in await fleet.work.lease("push", v.NOW, v.NOW + 1, 9)] == ["C2"]


async def test_a_command_for_later_is_pushed_later(fleet: Store) -> None:
    await fleet.queue.enqueue(v.command("now"), ["C1"])
    await fleet.queue.enqueue(v.command("later", not_before=v.NOW + 50), ["C1"])
    assert await fleet.work.next_due("push") == v.NOW
    assert await fleet.work.next_due("push-later") == v.NOW + 50


async def test_of_commands_of_which_the_last_counts_only_that_stays_open(fleet: Store) -> None:
    lock = {"request_type": "DeviceLock", "replaces_like": True}
    await fleet.queue.enqueue(v.command("first", **lock), ["C1", "C2"])
    await fleet.queue.enqueue(v.command("other"), ["C1"])
    await fleet.queue.enqueue(v.command("second", **lock, created_at=v.NOW + 5), ["C1"])
    assert await states(fleet) == {
        ("C1", "first"): "superseded",
        ("C2", "first"): "open",
        ("C1", "other"): "open",
        ("C1", "second"): "open",
    }
    (superseded,) = await records(fleet, state=DeliveryState.SUPERSEDED)
    assert superseded.finished_at == v.NOW + 5
    await fleet.queue.enqueue(v.command("first", **lock), ["C1", "C2"])
    assert (await states(fleet))["C1", "second"] == "open", "a repeated call supersedes nothing that came after it"


async def test_nothing_supersedes_what_the_life_cycle_itself_has_queued(fleet: Store) -> None:
    for uuid, consequence in (("renew", Consequence.RENEWAL), ("remove", Consequence.REMOVE_PROFILE)):
        queued = v.enqueue(uuid, request_type="InstallProfile", consequence=consequence)
        await fleet.devices.commit(Change(enqueue=(queued,), at=v.NOW))
    await fleet.queue.enqueue(v.command(request_type="InstallProfile", replaces_like=True), ["C1"])
    assert set((await states(fleet)).values()) == {"open"}


async def test_cancelling_closes_what_is_open_and_tells_it_for_each(fleet: Store) -> None:
    await fleet.queue.enqueue(v.command(), ["C1", "C2", "C3"])
    await fleet.devices.exchange(v.report())
    told = Event(type="command.cancelled", at=v.NOW + 5, data={"by": "me"})
    assert await fleet.queue.cancel("U1", None, told, v.NOW + 5) == 2
    assert await states(fleet) == {
        ("C1", "U1"): "acknowledged",
        ("C2", "U1"): "cancelled",
        ("C3", "U1"): "cancelled",
    }
    events = [each.event for each in await fleet.events.read(0, 9)]
    assert [(each.type, each.device_id, each.connection_id, each.data["by"]) for each in events] == [
        ("command.cancelled", "D2", "C2", "me"),
        ("command.cancelled", "D3", "C3", "me"),
    ]
    assert await fleet.queue.cancel("U1", None, told, v.NOW + 6) == 0
    assert len(await fleet.events.read(0, 9)) == 2
    assert await fleet.devices.next("C2", v.NOW, after_idle=True) == Next("C2")


async def test_cancelling_in_one_channel_leaves_the_others(fleet: Store) -> None:
    await fleet.queue.enqueue(v.command(), ["C1", "C2"])
    assert await fleet.queue.cancel("U1", "C2", v.event(), v.NOW) == 1
    assert await states(fleet) == {("C1", "U1"): "open", ("C2", "U1"): "cancelled"}


@pytest.mark.parametrize(
    ("consequence", "cancelled"),
    [
        (Consequence.PLAIN, 1),
        (Consequence.ERASE_DEVICE, 1),
        (Consequence.DEVICE_CONFIGURED, 1),
        (Consequence.USER_CONFIGURED, 1),
        (Consequence.RENEWAL, 0),
        (Consequence.REMOVE_PROFILE, 0),
    ],
)
async def test_renewals_and_removals_cannot_be_cancelled(
    fleet: Store, consequence: Consequence, cancelled: int
) -> None:
    await fleet.queue.enqueue(v.command(consequence=consequence), ["C1"])
    assert await fleet.queue.cancel("U1", None, v.event(), v.NOW) == cancelled


async def test_clearing_cancels_all_that_is_plain_on_all_channels_of_a_life(fleet: Store) -> None:
    await fleet.devices.commit(Change(channels=(v.channel(user_id="jane"),)))
    await fleet.queue.enqueue(v.command("plain"), ["C1", "C1/jane", "C2"])
    await fleet.queue.enqueue(v.command("deferred"), ["C1"])
    await fleet.devices.exchange(v.report("deferred", Status.NOT_NOW))
    await fleet.queue.enqueue(v.command("erase", consequence=Consequence.ERASE_DEVICE), ["C1"])
    told = v.event("queue.cleared")
    assert await fleet.queue.clear("C1", told, v.NOW) == 3
    assert await states(fleet) == {
        ("C1", "plain"): "cancelled",
        ("C1/jane", "plain"): "cancelled",
        ("C2", "plain"): "open",
        ("C1", "deferred"): "cancelled",
        ("C1", "erase"): "open",
    }
    assert [each.event for each in await fleet.events.read(0, 9)] == [told]
    assert await fleet.queue.clear("C1", told, v.NOW) == 0
    assert len(await fleet.events.read(0, 9)) == 1


async def test_the_list_is_newest_first_by_filters_and_in_pages(fleet: Store) -> None:
    for number in range(5):
        await fleet.queue.enqueue(v.command(f"U{number}"), ["C1", "C2"])
    await fleet.devices.exchange(v.report("U3"))
    everything = [each.delivery.sequence for each in await records(fleet)]
    assert everything == sorted(everything, reverse=True)
    assert len(everything) == 10
    assert [each.delivery.command_uuid for each in await records(fleet, device_id="D1")] == [
        "U4",
        "U3",
        "U2",
        "U1",
        "U0",
    ]
    assert {each.device_id for each in await records(fleet, command_uuid="U2")} == {"D1", "D2"}
    assert len(await records(fleet, state=DeliveryState.OPEN)) == 9
    assert len(await records(fleet, device_id="D1", state=DeliveryState.OPEN)) == 4
    assert await records(fleet, device_id="nobody") == ()
    pages: list[int] = []
    before = None
    while page := await records(fleet, before=before, limit=3):
        pages += [each.delivery.sequence for each in page]
        before = page[-1].delivery.sequence
    assert pages == everything


async def test_a_record_has_its_command_its_attempts_and_its_result(fleet: Store) -> None:
    queued = v.command(priority=3, not_before=v.NOW - 1, expires_at=v.NOW + 100)
    await fleet.queue.enqueue(queued, ["C1"])
    (fresh,) = await records(fleet)
    assert (fresh.device_id, fresh.connection_id, fresh.created_at, fresh.created_by) == (
        "D1",
        "C1",
        v.NOW,
        "a test",
    )
    assert (fresh.delivered_at, fresh.attempts, fresh.finished_at, fresh.result_status) == (None, 0, None, None)
    assert (fresh.delivery.priority, fresh.delivery.not_before, fresh.delivery.expires_at) == (
        3,
        v.NOW - 1,
        v.NOW + 100,
    )
    handed = Attempt(channel_id="C1", command_uuid="U1", at=v.NOW + 1, count=2)
    await fleet.contacts.flush([], [handed, replace(handed, at=v.NOW + 3, count=1)])
    await fleet.devices.exchange(v.report(status=Status.ERROR, now=v.NOW + 4))
    (done,) = await records(fleet)
    assert (done.delivered_at, done.attempts, done.finished_at, done.result_status, done.result_unreadable) == (
        v.NOW + 3,
        3,
        v.NOW + 4,
        "Error",
        False,
    )


async def test_what_is_over_its_time_expires_with_an_event_each(fleet: Store) -> None:
    await fleet.queue.enqueue(v.command("early", expires_at=v.NOW + 1), ["C1", "C2"])
    await fleet.queue.enqueue(v.command("late", expires_at=v.NOW + 5), ["C1"])
    await fleet.queue.enqueue(v.command("never"), ["C1"])
    assert await fleet.queue.expire(v.NOW, 10) == 0
    assert await fleet.queue.expire(v.NOW + 1, 1) == 1
    assert await fleet.queue.expire(v.NOW + 5, 10) == 2
    assert await fleet.queue.expire(v.NOW + 5, 10) == 0
    assert await states(fleet) == {
        ("C1", "early"): "expired",
        ("C2", "early"): "expired",
        ("C1", "late"): "expired",
        ("C1", "never"): "open",
    }
    events = [each.event for each in await fleet.events.read(0, 9)]
    assert sorted((each.type, each.device_id, each.data["command"]) for each in events) == [
        ("command.expired", "D1", "early"),
        ("command.expired", "D1", "late"),
        ("command.expired", "D2", "early"),
    ]


async def test_a_fleet_is_queued_for_in_one_call(store: Store) -> None:
    numbers = range(400)
    await asyncio.gather(*(store.devices.commit(v.enrolled(n)) for n in numbers))
    wanted = [f"C{n}" for n in numbers]
    assert await store.queue.enqueue(v.command(), wanted) == tuple(wanted)
    assert len(await store.work.lease("push", v.NOW, v.NOW + 1, 1000)) == 400


async def test_the_last_answers_to_a_type_are_found_for_many_channels_newest_first(fleet: Store) -> None:
    for number, kind in enumerate(("DeviceInformation", "ProfileList", "DeviceInformation", "DeviceInformation"), 1):
        uuid = f"U{number}"
        await fleet.queue.enqueue(v.command(uuid, request_type=kind), ["C1", "C2", "C3"])
        await fleet.devices.exchange(v.report(uuid, now=v.NOW + number))
    other = v.contact("cert 2", "D2", command_uuid="U1")
    await fleet.devices.exchange(v.report("U1", contact=other, now=v.NOW + 9))
    await fleet.devices.exchange(v.report("U3", Status.ERROR, contact=v.contact("cert 3", "D3", command_uuid="U3")))

    async def found(kind: str, *channels: str, each: int = 1) -> list[tuple[str, str]]:
        answers = await fleet.queue.recent(kind, channels, each)
        return [(answer.channel_id, answer.body.decode()) for answer in answers]

    assert await found("DeviceInformation", "C1", "C2", "C3", "nobody") == [
        ("C2", "result of U1"),
        ("C1", "result of U4"),
    ]
    assert await found("DeviceInformation", "C1", each=2) == [("C1", "result of U4"), ("C1", "result of U3")]
    assert await found("ProfileList", "C1", "C2", each=5) == [("C1", "result of U2")]
    assert await found("DeviceInformation") == []
