"""Which channels can be pushed, how pushes went, and who is to be pushed again."""

from dataclasses import replace
from typing import Any

import pytest

from contract import values as v
from corral.apple.checkin import TokenUpdate
from corral.apple.identifiers import Kind, Speaker
from corral.apple.report import Status
from corral.lifecycle.change import Change
from corral.lifecycle.decide import decide
from corral.lifecycle.evidence import Identity, Moment
from corral.lifecycle.policy import Policy
from corral.lifecycle.state import Consequence, Phase
from corral.store.contacts import Heard
from corral.store.store import Store
from corral.store.work import PushRecord, PushTarget

TARGET = PushTarget(
    channel_id="C1",
    connection_id="C1",
    device_id="D1",
    topic=v.TOPIC,
    token=v.TOKEN,
    magic=v.MAGIC,
    token_updated_at=v.NOW,
)


async def test_a_target_has_all_that_a_push_needs(fleet: Store) -> None:
    assert await fleet.work.push_targets(["C1", "nobody"]) == (TARGET,)
    assert await fleet.work.push_targets([]) == ()
    assert {each.channel_id for each in await fleet.work.push_targets(["C3", "C2", "C1"])} == {"C1", "C2", "C3"}


@pytest.mark.parametrize(
    "change",
    [
        Change(channels=(v.channel(ended_at=v.NOW),)),
        Change(channels=(v.channel(token=None),)),
        Change(channels=(v.channel(magic=None),)),
        Change(channels=(v.channel(unreachable="why"),)),
        Change(connections=(v.connection(phase=Phase.ENDED),)),
        Change(connections=(v.connection(phase=Phase.AUTHENTICATING),)),
    ],
)
async def test_what_cannot_be_pushed_is_no_target(fleet: Store, change: Change) -> None:
    await fleet.devices.commit(change)
    assert await fleet.work.push_targets(["C1", "C2"]) == (
        replace(TARGET, channel_id="C2", connection_id="C2", device_id="D2"),
    )


async def test_an_ending_life_is_pushed_for_its_removal(fleet: Store) -> None:
    await fleet.devices.commit(Change(connections=(v.connection(phase=Phase.ENDING),)))
    assert await fleet.work.push_targets(["C1"]) == (TARGET,)


async def test_many_targets_are_read_at_once(store: Store) -> None:
    numbers = range(1200)
    for n in numbers:
        await store.devices.commit(v.enrolled(n)) if n < 3 else None
    assert len(await store.work.push_targets([f"C{n}" for n in numbers])) == 3


async def test_the_last_push_is_shown_with_its_outcome(fleet: Store) -> None:
    await fleet.work.record_pushes(
        [
            PushRecord(channel_id="C1", at=v.NOW + 1, outcome="accepted"),
            PushRecord(channel_id="C1", at=v.NOW + 2, outcome="TooManyRequests"),
            PushRecord(channel_id="forgotten", at=v.NOW, outcome="accepted"),
        ]
    )
    await fleet.work.record_pushes([])
    detail = await fleet.directory.device("D1")
    assert detail is not None
    assert detail.last_push == (v.NOW + 2, "TooManyRequests")


async def test_a_dead_token_makes_its_channel_unreachable_until_the_next_one(fleet: Store) -> None:
    gone = v.event("push.unregistered")
    assert await fleet.work.mark_unreachable("C1", v.TOKEN, "Apple: unregistered", gone)
    assert await fleet.work.push_targets(["C1"]) == ()
    assert [each.event for each in await fleet.events.read(0, 9)] == [gone]
    await fleet.devices.commit(Change(channels=(v.channel(token=b"new"),)))
    assert await fleet.work.push_targets(["C1"]) == (replace(TARGET, token=b"new"),)


async def test_a_token_that_was_replaced_meanwhile_says_nothing_of_the_new_one(fleet: Store) -> None:
    assert not await fleet.work.mark_unreachable("C1", b"an older token", "why", v.event())
    assert not await fleet.work.mark_unreachable("nobody", v.TOKEN, "why", v.event())
    assert await fleet.work.push_targets(["C1"]) == (TARGET,)
    assert await fleet.events.read(0, 9) == ()


async def test_channels_that_waited_for_a_topic_become_reachable_when_it_arrives(fleet: Store) -> None:
    """In the words that the life cycle itself uses, so that the two cannot drift apart."""
    update = TokenUpdate(
        speaker=Speaker(device_id="D1", user_id="", kind=Kind.DEVICE, user_short_name=None, user_long_name=None),
        topic=v.TOPIC,
        push_magic=v.MAGIC,
        token=v.TOKEN,
        unlock_token=None,
        awaiting_configuration=False,
        not_on_console=False,
    )
    identity = Identity(fingerprint=v.fingerprint("cert 1"), not_after=v.certificate().not_after)
    snapshot = await fleet.devices.load(v.contact())
    moment = Moment(now=v.NOW, fresh_id=lambda: "fresh")
    await fleet.devices.commit(decide(snapshot, update, identity, Policy(), moment).change)
    await fleet.devices.commit(Change(channels=(v.channel("C2", unreachable="Apple: unregistered"),)))
    assert await fleet.work.push_targets(["C1", "C2"]) == ()
    woken = v.Woken()
    fleet.on_work(woken)
    assert await fleet.work.topic_arrived("another topic") == 0
    assert woken == []
    assert await fleet.work.topic_arrived(v.TOPIC) == 1
    assert [each.channel_id for each in await fleet.work.push_targets(["C1", "C2"])] == ["C1"]
    assert [work.key for work in await fleet.work.lease("push", v.NOW, v.NOW + 1, 9)] == ["C1"]
    assert woken == ["push"]


async def test_a_topic_that_arrives_again_pushes_those_that_missed_something(fleet: Store) -> None:
    """Nothing was pushed while Apple refused the former certificate."""
    await fleet.queue.enqueue(v.command(), ["C2"])
    await fleet.work.finish(await fleet.work.lease("push", v.NOW, v.NOW + 1, 9))
    assert await fleet.work.topic_arrived(v.TOPIC) == 0
    assert [work.key for work in await fleet.work.lease("push", v.NOW, v.NOW + 1, 9)] == ["C2"]


async def waiting(store: Store, silent_since: int = v.NOW, pushed_before: int = v.NOW) -> tuple[str, ...]:
    return await store.work.waiting_channels(silent_since, pushed_before, v.NOW, 10)


async def test_silent_channels_with_something_to_get_are_waiting(fleet: Store) -> None:
    assert await waiting(fleet) == ()
    await fleet.queue.enqueue(v.command(), ["C1"])
    assert await waiting(fleet) == ("C1",)
    await fleet.queue.enqueue(v.command("U2"), ["C1"])
    assert await waiting(fleet) == ("C1",), "once, however many commands wait"
    await fleet.devices.exchange(v.report("U1", Status.NOT_NOW))
    await fleet.devices.exchange(v.report("U2"))
    assert await waiting(fleet) == ("C1",), "a deferred command comes again after a push"
    await fleet.devices.exchange(v.report("U1"))
    assert await waiting(fleet) == ()


async def test_a_channel_that_was_heard_or_pushed_lately_is_not_waiting(fleet: Store) -> None:
    await fleet.queue.enqueue(v.command(), ["C1"])
    await fleet.contacts.flush([Heard(channel_id="C1", last_seen=v.NOW - 5, count=1)], [])
    assert await waiting(fleet, silent_since=v.NOW - 5) == ()
    assert await waiting(fleet, silent_since=v.NOW - 4) == ("C1",)
    await fleet.work.record_pushes([PushRecord(channel_id="C1", at=v.NOW - 3, outcome="accepted")])
    assert await waiting(fleet, pushed_before=v.NOW - 3) == ()
    assert await waiting(fleet, pushed_before=v.NOW - 2) == ("C1",)


async def test_what_cannot_be_delivered_or_pushed_is_not_waited_for(fleet: Store) -> None:
    await fleet.queue.enqueue(v.command("later", not_before=v.NOW + 1), ["C1"])
    await fleet.queue.enqueue(v.command("expired", expires_at=v.NOW), ["C2"])
    await fleet.queue.enqueue(v.command("unreachable"), ["C3"])
    await fleet.devices.commit(Change(channels=(v.channel("C3", unreachable="why"),)))
    assert await waiting(fleet) == ()


async def test_only_so_many_are_told_at_once(fleet: Store) -> None:
    await fleet.queue.enqueue(v.command(), ["C1", "C2", "C3"])
    assert len(await fleet.work.waiting_channels(v.NOW, v.NOW, v.NOW, 2)) == 2


async def test_lives_that_wait_in_setup_assistant_without_their_command_are_found(fleet: Store) -> None:
    async def await_configuration(number: int, **fields: Any) -> None:
        await fleet.devices.commit(Change(connections=(v.connection(f"C{number}", f"D{number}", **fields),)))

    configured = v.command("configured", consequence=Consequence.DEVICE_CONFIGURED)
    await await_configuration(1, awaiting_since=v.NOW - 9)
    await await_configuration(2, awaiting_since=v.NOW - 10)
    await await_configuration(3, awaiting_since=v.NOW - 10, phase=Phase.ENDING)
    assert await fleet.work.unconfigured(v.NOW - 9, 10) == (("C2", ""),)
    assert await fleet.work.unconfigured(v.NOW, 10) == (("C2", ""), ("C1", ""))
    assert await fleet.work.unconfigured(v.NOW, 1) == (("C2", ""),)
    await fleet.queue.enqueue(v.command("something else"), ["C2"])
    await fleet.queue.enqueue(configured, ["C1"])
    assert await fleet.work.unconfigured(v.NOW, 10) == (("C2", ""),)
    await fleet.queue.cancel("configured", "C1", v.event(), v.NOW)
    assert await fleet.work.unconfigured(v.NOW, 10) == (("C2", ""), ("C1", ""))


async def test_users_who_wait_without_their_command_are_found_while_they_are_there(fleet: Store) -> None:
    async def user(number: int, **fields: Any) -> None:
        awaiting = {"kind": "shared_ipad_user", "awaiting_since": v.NOW - number}
        await fleet.devices.commit(Change(channels=(v.channel(f"C{number}", user_id="ann", **awaiting | fields),)))

    for number, fields in ((1, {}), (2, {}), (3, {"ended_at": v.NOW})):
        await user(number, **fields)
    assert await fleet.work.unconfigured(v.NOW, 10) == (("C2", "ann"), ("C1", "ann"))
    assert await fleet.work.unconfigured(v.NOW - 1, 10) == (("C2", "ann"),)
    await fleet.queue.enqueue(v.command("configured", consequence=Consequence.USER_CONFIGURED), ["C2/ann"])
    assert await fleet.work.unconfigured(v.NOW, 10) == (("C1", "ann"),)
    ended = v.connection("C1", "D1", phase=Phase.ENDING)
    await fleet.devices.commit(Change(connections=(ended,)))
    assert await fleet.work.unconfigured(v.NOW, 10) == ()
