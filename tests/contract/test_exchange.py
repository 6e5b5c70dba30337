"""An exchange passes ordinary traffic and nothing else; what does not pass has written nothing."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from contract import values as v
from contract.conftest import Home
from corral.apple.report import Status
from corral.lifecycle.change import Change
from corral.lifecycle.state import CertificateStatus, Consequence, DeliveryState, Phase, Snapshot
from corral.store.devices import Ask, Next
from corral.store.queue import CommandRecord
from corral.store.store import Store

USER_CHANNEL = "C1/jane@example.org"
JANE = "jane@example.org"
FINAL = (Status.ACKNOWLEDGED, Status.ERROR, Status.COMMAND_FORMAT_ERROR)


async def change_life(store: Store, **fields: Any) -> None:
    await store.devices.commit(Change(connections=(v.connection(**fields),)))


async def record(store: Store, uuid: str = "U1") -> CommandRecord:
    (found,) = await store.queue.list(device_id=None, command_uuid=uuid, state=None, before=None, limit=2)
    return found


async def with_jane(store: Store) -> None:
    await store.devices.commit(Change(channels=(v.channel(user_id=JANE),)))


async def test_idle_gets_nothing_from_an_empty_queue(fleet: Store) -> None:
    assert await fleet.devices.exchange(v.idle()) == Next("C1")


async def test_idle_gets_the_command_byte_for_byte(fleet: Store) -> None:
    body = b"<plist>\x00\xff\r\n bytes as they came</plist>\n"
    await fleet.queue.enqueue(v.command(body=body), ["C1"])
    assert await fleet.devices.exchange(v.idle()) == Next("C1", "U1", body)
    assert await fleet.devices.exchange(v.idle(v.contact("cert 2", "D2"))) == Next("C2")


async def test_a_command_is_offered_until_its_result_is_in(fleet: Store) -> None:
    await fleet.queue.enqueue(v.command(), ["C1"])
    for _ in range(3):
        assert await fleet.devices.exchange(v.idle()) == Next("C1", "U1", b"<plist>U1</plist>")
    assert await fleet.devices.exchange(v.report()) == Next("C1")
    assert await fleet.devices.exchange(v.idle()) == Next("C1")


async def test_a_result_is_answered_by_the_next_command(fleet: Store) -> None:
    for uuid in ("U1", "U2", "U3"):
        await fleet.queue.enqueue(v.command(uuid), ["C1"])
    answers = [await fleet.devices.exchange(v.report(uuid)) for uuid in ("U1", "U2", "U3")]
    assert [answer.command_uuid for answer in answers if isinstance(answer, Next)] == ["U2", "U3", ""]


@pytest.mark.parametrize("status", FINAL)
async def test_a_result_is_durable_with_its_bytes(home: Home, status: Status) -> None:
    body = bytes(range(256)) * 40
    async with home.open() as store:
        await store.devices.commit(v.enrolled())
        await store.queue.enqueue(v.command(), ["C1"])
        await store.devices.exchange(v.report(status=status, body=body, unreadable=True, now=v.NOW + 7))
    async with home.open() as store:
        (stored,) = await store.queue.results("U1", None)
        assert (stored.channel_id, stored.command_uuid) == ("C1", "U1")
        assert (stored.status, stored.received_at, stored.unreadable) == (status.value, v.NOW + 7, True)
        assert stored.body == body
        closed = await record(store)
        assert closed.finished_at == v.NOW + 7
        assert closed.result_status == status.value
        assert closed.result_unreadable
        assert closed.delivery.state in (
            DeliveryState.ACKNOWLEDGED,
            DeliveryState.ERROR,
            DeliveryState.FORMAT_ERROR,
        )


async def test_a_repeated_result_is_stored_once_and_the_first_one_wins(fleet: Store) -> None:
    await fleet.queue.enqueue(v.command(), ["C1"])
    await fleet.devices.exchange(v.report(body=b"first"))
    assert await fleet.devices.exchange(v.report(status=Status.ERROR, body=b"second")) == Next("C1")
    (stored,) = await fleet.queue.results("U1", None)
    assert (stored.body, stored.status) == (b"first", "Acknowledged")
    assert (await record(fleet)).delivery.state is DeliveryState.ACKNOWLEDGED


async def test_a_result_of_a_command_that_is_gone_is_stored_once(fleet: Store) -> None:
    for _ in range(2):
        assert await fleet.devices.exchange(v.report("never queued")) == Next("C1")
    (stored,) = await fleet.queue.results("never queued", None)
    assert stored.body == b"result of never queued"


async def test_a_late_result_of_a_cancelled_command_is_kept_and_leaves_it_cancelled(fleet: Store) -> None:
    await fleet.queue.enqueue(v.command(), ["C1"])
    await fleet.queue.cancel("U1", None, v.event(), v.NOW)
    await fleet.devices.exchange(v.report())
    assert (await record(fleet)).delivery.state is DeliveryState.CANCELLED
    assert len(await fleet.queue.results("U1", "C1")) == 1


async def test_the_same_command_has_a_result_for_each_channel(fleet: Store) -> None:
    await fleet.queue.enqueue(v.command(), ["C1", "C2"])
    await fleet.devices.exchange(v.report(body=b"of C1"))
    second = v.contact("cert 2", "D2", command_uuid="U1")
    await fleet.devices.exchange(v.report(body=b"of C2", contact=second))
    assert {each.channel_id: each.body for each in await fleet.queue.results("U1", None)} == {
        "C1": b"of C1",
        "C2": b"of C2",
    }
    assert [each.body for each in await fleet.queue.results("U1", "C2")] == [b"of C2"]


async def test_not_now_defers_counts_and_pushes_again_later(fleet: Store) -> None:
    await fleet.queue.enqueue(v.command("U1"), ["C1"])
    await fleet.queue.enqueue(v.command("U2"), ["C1"])
    for work in await fleet.work.lease("push", v.NOW, v.NOW + 1, 10):
        await fleet.work.finish([work])
    woken = v.Woken()
    fleet.on_work(woken)
    ask = v.report(status=Status.NOT_NOW, push_again_at=v.NOW + 600)
    assert await fleet.devices.exchange(ask) == Next("C1", "U2", b"<plist>U2</plist>")
    assert await fleet.queue.results("U1", None) == ()
    deferred = (await record(fleet)).delivery
    assert (deferred.state, deferred.deferred_at, deferred.not_now_count) == (DeliveryState.OPEN, v.NOW, 1)
    assert woken == ["push-later"]
    assert await fleet.work.next_due("push-later") == v.NOW + 600
    assert await fleet.work.lease("push-later", v.NOW + 599, v.NOW + 700, 10) == ()
    (later,) = await fleet.work.lease("push-later", v.NOW + 600, v.NOW + 700, 10)
    assert later.key == "C1"


async def test_a_deferred_command_comes_again_only_to_idle(fleet: Store) -> None:
    await fleet.queue.enqueue(v.command("U1"), ["C1"])
    assert await fleet.devices.exchange(v.report(status=Status.NOT_NOW)) == Next("C1")
    assert await fleet.devices.exchange(v.report("another")) == Next("C1")
    assert await fleet.devices.exchange(v.idle()) == Next("C1", "U1", b"<plist>U1</plist>")
    assert await fleet.devices.exchange(v.report(status=Status.NOT_NOW, now=v.NOW + 5)) == Next("C1")
    assert (await record(fleet)).delivery.not_now_count == 2
    await fleet.devices.exchange(v.report())
    assert await fleet.devices.exchange(v.idle()) == Next("C1")
    assert (await record(fleet)).delivery.state is DeliveryState.ACKNOWLEDGED


async def test_one_session_does_all_that_was_deferred_before_and_nothing_twice(fleet: Store) -> None:
    for uuid in ("U1", "U2", "U3"):
        await fleet.queue.enqueue(v.command(uuid), ["C1"])
        await fleet.devices.exchange(v.report(uuid, Status.NOT_NOW))
    following = await fleet.devices.exchange(v.idle())
    offered: list[str] = []
    for status in (Status.NOT_NOW, Status.ACKNOWLEDGED, Status.ACKNOWLEDGED):
        assert isinstance(following, Next)
        offered.append(following.command_uuid)
        following = await fleet.devices.exchange(v.report(following.command_uuid, status))
    assert (offered, following) == (["U1", "U2", "U3"], Next("C1"))
    assert await fleet.devices.exchange(v.idle()) == Next("C1", "U1", b"<plist>U1</plist>")


async def test_not_now_to_what_is_no_longer_open_does_nothing(fleet: Store) -> None:
    await fleet.queue.enqueue(v.command(), ["C1"])
    await fleet.devices.exchange(v.report())
    for uuid in ("U1", "never queued"):
        assert await fleet.devices.exchange(v.report(uuid, Status.NOT_NOW)) == Next("C1")
    assert (await record(fleet)).delivery.not_now_count == 0
    assert await fleet.work.next_due("push-later") is None


async def test_idle_writes_nothing(home: Home) -> None:
    async with home.open() as store:
        await store.devices.commit(v.enrolled())
        await store.queue.enqueue(v.command(), ["C1"])
        before = home.raw()
        for _ in range(50):
            await store.devices.exchange(v.idle())
        assert home.raw() == before


async def test_a_user_channel_has_a_queue_of_its_own(fleet: Store) -> None:
    await with_jane(fleet)
    jane = v.contact(user_id=JANE)
    await fleet.queue.enqueue(v.command("of the user"), [USER_CHANNEL])
    await fleet.queue.enqueue(v.command("of the device"), ["C1"])
    assert await fleet.devices.exchange(v.idle(jane)) == Next(
        USER_CHANNEL, "of the user", b"<plist>of the user</plist>"
    )
    done = replace(jane, command_uuid="of the user")
    assert await fleet.devices.exchange(v.report("of the user", contact=done)) == Next(USER_CHANNEL)
    assert await fleet.devices.exchange(v.idle()) == Next("C1", "of the device", b"<plist>of the device</plist>")


async def refused(store: Store, who: v.Contact | None = None, now: int = v.NOW) -> None:
    """Neither Idle nor a report passes; both get what `load` gives, and nothing is written."""
    base = who or v.contact()
    for ask in (
        v.idle(base, now),
        *(v.report(status=status, contact=replace(base, command_uuid="U1"), now=now) for status in FINAL),
        v.report(status=Status.NOT_NOW, contact=replace(base, command_uuid="U1"), now=now),
    ):
        answer = await store.devices.exchange(ask)
        assert isinstance(answer, Snapshot)
        assert answer == await store.devices.load(ask.contact)
    assert await store.queue.results("U1", None) == ()
    for found in await store.queue.list(device_id=None, command_uuid="U1", state=None, before=None, limit=9):
        assert found.delivery.state is DeliveryState.OPEN
        assert found.delivery.not_now_count == 0
    assert await store.work.next_due("push-later") is None


@pytest.fixture
async def queued(fleet: Store) -> Store:
    await fleet.queue.enqueue(v.command(), ["C1"])
    return fleet


async def test_an_unknown_certificate_does_not_pass(queued: Store) -> None:
    await refused(queued, v.contact("never seen"))
    await refused(queued, replace(v.contact(), fingerprint=b""))


@pytest.mark.parametrize("status", sorted(set(CertificateStatus) - {CertificateStatus.BOUND}))
async def test_a_certificate_that_is_not_bound_does_not_pass(queued: Store, status: CertificateStatus) -> None:
    await queued.devices.commit(Change(certificates=(v.certificate(status=status),)))
    await refused(queued)


async def test_a_certificate_passes_until_it_expires(queued: Store) -> None:
    end = v.certificate().not_after
    assert isinstance(await queued.devices.exchange(v.idle(now=end - 1)), Next)
    await refused(queued, now=end)


async def test_a_certificate_of_another_device_does_not_pass(queued: Store) -> None:
    await refused(queued, v.contact("cert 2", "D1"))
    await refused(queued, v.contact("cert 1", "D2"))
    await refused(queued, v.contact("cert 1", "d1"))


async def test_a_life_that_is_not_open_does_not_pass(queued: Store) -> None:
    await change_life(queued, open=False)
    await refused(queued)


async def test_a_life_passes_until_it_is_to_be_looked_at_again(queued: Store) -> None:
    await change_life(queued, recheck_at=v.NOW + 10)
    assert isinstance(await queued.devices.exchange(v.idle(now=v.NOW + 9)), Next)
    await refused(queued, now=v.NOW + 10)


async def test_a_user_channel_must_exist_and_not_be_ended(queued: Store) -> None:
    jane = v.contact(user_id=JANE)
    await refused(queued, jane)
    await with_jane(queued)
    assert await queued.devices.exchange(v.idle(jane)) == Next(USER_CHANNEL)
    await queued.devices.commit(Change(channels=(v.channel(user_id=JANE, ended_at=v.NOW),)))
    await refused(queued, jane)


@pytest.mark.parametrize("consequence", sorted(set(Consequence) - {Consequence.PLAIN}))
async def test_a_result_with_a_consequence_does_not_pass(fleet: Store, consequence: Consequence) -> None:
    await fleet.queue.enqueue(v.command(consequence=consequence), ["C1"])
    for status in (*FINAL, Status.NOT_NOW):
        answer = await fleet.devices.exchange(v.report(status=status))
        assert isinstance(answer, Snapshot)
        assert answer.delivery is not None
        assert answer.delivery.consequence is consequence
    assert await fleet.queue.results("U1", None) == ()
    passed = await fleet.devices.exchange(v.idle())
    assert isinstance(passed, Next), "the command itself is handed out like any other"
    assert passed.command_uuid == "U1"


async def test_ending_a_life_closes_it_for_the_very_next_exchange(queued: Store) -> None:
    assert isinstance(await queued.devices.exchange(v.idle()), Next)
    over = v.connection(phase=Phase.ENDED, open=False)
    await queued.devices.commit(Change(connections=(over,)))
    assert isinstance(await queued.devices.exchange(v.idle()), Snapshot)


async def test_two_hundred_exchanges_and_commits_at_once(store: Store) -> None:
    numbers = range(100)
    await asyncio.gather(*(store.devices.commit(v.enrolled(n)) for n in numbers))
    for uuid in ("U1", "U2"):
        await store.queue.enqueue(v.command(uuid), [f"C{n}" for n in numbers])

    def asked(n: int, uuid: str) -> Ask:
        return v.report(uuid, contact=v.contact(f"cert {n}", f"D{n}", command_uuid=uuid), body=f"{n}".encode())

    async def run(n: int) -> None:
        first = await store.devices.exchange(v.idle(v.contact(f"cert {n}", f"D{n}")))
        assert first == Next(f"C{n}", "U1", b"<plist>U1</plist>")
        second, _ = await asyncio.gather(
            store.devices.exchange(asked(n, "U1")),
            store.devices.commit(Change(device_id=f"D{n}", expects=1, events=(v.event(device_id=f"D{n}"),))),
        )
        assert second == Next(f"C{n}", "U2", b"<plist>U2</plist>")
        assert await store.devices.exchange(asked(n, "U2")) == Next(f"C{n}")

    await asyncio.gather(*map(run, numbers))
    for uuid in ("U1", "U2"):
        stored = {each.channel_id: each.body for each in await store.queue.results(uuid, None)}
        assert stored == {f"C{n}": f"{n}".encode() for n in numbers}
    assert len(await store.events.read(0, 1000)) == 100
