"""What a change does to a life that ends: its queue is dropped, its channels fall silent, its pushes are forgotten."""

from contract import values as v
from corral.apple.report import Status
from corral.lifecycle.change import Change
from corral.lifecycle.state import Consequence, DeliveryState, Phase, Snapshot
from corral.store.devices import Committed, Next
from corral.store.store import Store


async def states(store: Store, device_id: str = "D1") -> dict[tuple[str, str], DeliveryState]:
    found = await store.queue.list(device_id=device_id, command_uuid=None, state=None, before=None, limit=100)
    return {(each.delivery.channel_id, each.delivery.command_uuid): each.delivery.state for each in found}


async def test_silence_drops_what_is_open_on_all_channels(fleet: Store) -> None:
    await fleet.devices.commit(Change(channels=(v.channel(user_id="jane"),)))
    await fleet.queue.enqueue(v.command("open"), ["C1", "C1/jane", "C2"])
    await fleet.queue.enqueue(v.command("deferred"), ["C1"])
    await fleet.devices.exchange(v.report("deferred", Status.NOT_NOW))
    await fleet.queue.enqueue(v.command("done"), ["C1"])
    await fleet.devices.exchange(v.report("done"))
    over = v.connection(phase=Phase.ENDED, open=False)
    change = Change(device_id="D1", expects=1, connections=(over,), silence=("C1",), at=v.NOW + 5)
    assert await fleet.devices.commit(change) == Committed()
    assert await states(fleet) == {
        ("C1", "open"): DeliveryState.DROPPED,
        ("C1/jane", "open"): DeliveryState.DROPPED,
        ("C1", "deferred"): DeliveryState.DROPPED,
        ("C1", "done"): DeliveryState.ACKNOWLEDGED,
    }
    assert await states(fleet, "D2") == {("C2", "open"): DeliveryState.OPEN}
    detail = await fleet.directory.device("D1")
    assert detail is not None
    assert {each.id: each.ended_at for each in detail.channels} == {"C1": v.NOW + 5, "C1/jane": v.NOW + 5}
    assert await fleet.devices.next("C1", v.NOW, after_idle=True) == Next("C1")


async def test_silence_removes_push_work_of_that_life_alone(fleet: Store) -> None:
    await fleet.queue.enqueue(v.command(), ["C1", "C2"])
    await fleet.queue.enqueue(v.command("later", not_before=v.NOW + 9), ["C1", "C2"])
    await fleet.devices.commit(Change(silence=("C1",), at=v.NOW))
    for kind in ("push", "push-later"):
        assert [work.key for work in await fleet.work.lease(kind, v.NOW + 9, v.NOW + 10, 10)] == ["C2"]


async def test_a_channel_that_had_ended_before_keeps_its_time(fleet: Store) -> None:
    await fleet.devices.commit(Change(channels=(v.channel(user_id="jane", ended_at=v.NOW),)))
    await fleet.devices.commit(Change(silence=("C1",), at=v.NOW + 5))
    detail = await fleet.directory.device("D1")
    assert detail is not None
    assert {each.id: each.ended_at for each in detail.channels} == {"C1": v.NOW + 5, "C1/jane": v.NOW}


async def test_one_change_ends_a_life_and_fills_the_queue_of_the_next(fleet: Store) -> None:
    """The channel of the new life is there when its first command and its push are."""
    await fleet.queue.enqueue(v.command("of the old life"), ["C1"])
    change = Change(
        device_id="D1",
        expects=1,
        connections=(v.connection(phase=Phase.ENDED, open=False), v.connection("C9", created_at=v.NOW + 1)),
        channels=(v.channel("C9"),),
        certificates=(v.certificate(connection_id="C9"),),
        silence=("C1",),
        enqueue=(v.enqueue("first", "C9", consequence=Consequence.DEVICE_CONFIGURED),),
        work=(v.work("C9"),),
        at=v.NOW,
    )
    assert await fleet.devices.commit(change) == Committed()
    assert await fleet.devices.exchange(v.idle()) == Next("C9", "first", b"<plist>first</plist>")
    assert [work.key for work in await fleet.work.lease("push", v.NOW, v.NOW + 1, 9)] == ["C9"]
    assert (await states(fleet))["C1", "of the old life"] is DeliveryState.DROPPED


async def test_the_result_that_ends_a_life_closes_its_own_delivery_first(fleet: Store) -> None:
    await fleet.devices.commit(Change(enqueue=(v.enqueue("remove"),), at=v.NOW))
    await fleet.queue.enqueue(v.command("behind it"), ["C1"])
    report = v.report("remove")
    assert isinstance(await fleet.devices.exchange(report), Snapshot)
    over = v.connection(phase=Phase.ENDED, open=False)
    change = Change(
        device_id="D1", expects=1, connections=(over,), result=v.result("remove"), silence=("C1",), at=v.NOW
    )
    assert await fleet.devices.commit(change) == Committed()
    assert await states(fleet) == {
        ("C1", "remove"): DeliveryState.ACKNOWLEDGED,
        ("C1", "behind it"): DeliveryState.DROPPED,
    }


async def test_a_change_defers_and_keeps_results_like_an_exchange(fleet: Store) -> None:
    await fleet.devices.commit(Change(enqueue=(v.enqueue("remove"),), at=v.NOW))
    for _ in range(2):
        await fleet.devices.commit(Change(result=v.result("remove", Status.NOT_NOW)))
    (found,) = await fleet.queue.list(device_id="D1", command_uuid=None, state=None, before=None, limit=9)
    assert (found.delivery.deferred_at, found.delivery.not_now_count) == (v.NOW, 2)
    for body in (b"first", b"second"):
        await fleet.devices.commit(Change(result=v.result("remove", Status.ERROR, body=body)))
    (stored,) = await fleet.queue.results("remove", None)
    assert stored.body == b"first"


async def test_what_the_life_cycle_queues_is_queued_once(fleet: Store) -> None:
    change = Change(enqueue=(v.enqueue(priority=7, not_before=v.NOW + 1, expires_at=v.NOW + 2),), at=v.NOW)
    await fleet.devices.commit(change)
    await fleet.devices.commit(change)
    (found,) = await fleet.queue.list(device_id="D1", command_uuid=None, state=None, before=None, limit=9)
    assert found.created_at == v.NOW
    assert found.delivery.priority == 7
    assert (found.delivery.not_before, found.delivery.expires_at) == (v.NOW + 1, v.NOW + 2)
    assert found.delivery.consequence is Consequence.REMOVE_PROFILE
    assert await fleet.queue.command_body("U1") == b"<plist>U1</plist>"
