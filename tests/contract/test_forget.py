"""A device that is forgotten leaves nothing behind."""

from dataclasses import replace

from contract import values as v
from contract.conftest import Home
from corral.lifecycle.change import Escrow
from corral.lifecycle.state import EscrowKind, Phase, Snapshot
from corral.store.contacts import Heard
from corral.store.devices import Committed
from corral.store.events import Place
from corral.store.store import Store
from corral.store.work import PushRecord

MARK = "a phrase that is of this device alone"


async def fill(store: Store, number: int, mark: str) -> None:
    """Put something of this device into every place there is."""
    change = v.enrolled(number)
    old = v.connection(f"old {number}", f"D{number}", phase=Phase.ENDED, proof=mark)
    escrow = Escrow(connection_id=f"C{number}", kind=EscrowKind.UNLOCK_TOKEN, value=mark.encode(), at=1)
    await store.devices.commit(
        replace(
            change,
            device=v.device(f"D{number}", name=mark),
            connections=(*change.connections, old),
            channels=(*change.channels, v.channel(f"C{number}", mark)),
            grant=v.grant(f"G{number}", f"C{number}", serial_number=mark),
            escrow=(escrow,),
            unenrolling=f"C{number}",
            events=(
                v.event(mark, device_id=f"D{number}"),
                v.event(mark, device_id=None, connection_id=f"old {number}"),
            ),
            work=(v.work(f"C{number}"),),
        )
    )
    await store.queue.enqueue(v.command(f"{mark} {number}", body=mark.encode()), [f"C{number}"])
    channels = (f"C{number}", f"C{number}/{mark}", f"old {number}")
    who = v.contact(f"cert {number}", f"D{number}", command_uuid=f"{mark} {number}")
    await store.devices.exchange(v.report(f"{mark} {number}", contact=who))
    await store.contacts.flush([Heard(channel_id=each, last_seen=v.NOW, count=1) for each in channels], [])
    await store.work.record_pushes([PushRecord(channel_id=each, at=v.NOW, outcome=mark) for each in channels])


async def test_nothing_of_a_forgotten_device_is_left(store: Store) -> None:
    await fill(store, 1, MARK)
    assert await store.devices.forget("D1")
    assert await store.devices.load(v.contact(named="C1")) == Snapshot()
    assert await store.directory.device("D1") is None
    assert await store.directory.resolve("C1") is None
    assert await store.directory.counts() == {}
    assert await store.grants.certificates("C1") == ()
    assert await store.grants.grant_state("G1") is None
    assert await store.queue.results(f"{MARK} 1", None) == ()
    assert await store.queue.command_body(f"{MARK} 1") is None
    assert await store.contacts.last_seen(["C1", "old 1"]) == {}
    assert await store.events.read(0, 9) == ()
    assert await store.events.timeline("D1", Place.of(v.NOW * 2), 10) == ()
    assert await store.work.next_due("push") is None
    assert not await store.devices.forget("D1")


async def test_another_device_and_what_both_were_sent_stay(store: Store) -> None:
    for number in (1, 2):
        await fill(store, number, f"mark {number}")
    await store.queue.enqueue(v.command("for both"), ["C1", "C2"])
    kept = await store.devices.load(v.contact("cert 2", "D2", breaker_since=1))
    detail = await store.directory.device("D2")
    assert await store.devices.forget("D1")
    after = await store.devices.load(v.contact("cert 2", "D2", breaker_since=1))
    assert replace(after, breaker=kept.breaker) == kept
    assert await store.directory.device("D2") == detail
    assert await store.queue.command_body("for both") == b"<plist>for both</plist>"
    assert await store.queue.command_body("mark 2 2") == b"mark 2"
    assert {each.event.type for each in await store.events.read(0, 99)} == {"mark 2"}


async def test_a_forgotten_device_may_come_again(store: Store) -> None:
    await store.devices.commit(v.enrolled())
    await store.devices.forget("D1")
    assert await store.devices.commit(v.enrolled()) == Committed()


async def test_forgetting_is_for_ever(home: Home) -> None:
    async with home.open() as store:
        await fill(store, 1, MARK)
        await store.devices.forget("D1")
    async with home.open() as store:
        assert await store.directory.device("D1") is None
