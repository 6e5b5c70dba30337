"""What devices were asked to tell of themselves, and what has changed it since."""

from dataclasses import replace

from contract import values as v
from contract.test_queue import records, states
from corral.lifecycle.change import Change, Event
from corral.lifecycle.collecting import COLLECT, SOON, Inquiry
from corral.lifecycle.state import DAY, DeliveryState, Phase
from corral.store.collection import Asking
from corral.store.queue import QueuedCommand
from corral.store.store import Store


def asking(uuid: str, report: str, *channels: str, **fields: object) -> Asking:
    plain = v.command(uuid, request_type=report, priority=-100, unless_open=-100)
    return Asking(command=replace(plain, **fields), channel_ids=channels)  # pyright: ignore[reportArgumentType] - fields


async def inquiries(store: Store, *channels: str) -> dict[tuple[str, str], Inquiry]:
    return {(each.channel_id, each.report): each for each in await store.collection.inquiries(channels)}


async def pushed(store: Store) -> list[str]:
    works = await store.work.lease("push", v.NOW, v.NOW + 1, 99)
    await store.work.finish(works)
    return sorted(work.key for work in works)


async def test_all_that_is_asked_goes_out_in_one_commit_and_one_wake(fleet: Store) -> None:
    woken = v.Woken()
    fleet.on_work(woken)
    asked = await fleet.collection.ask(
        [asking("U1", "SecurityInfo", "C1", "C2", "nobody"), asking("U2", "ProfileList", "C1")],
        (Event(type="inventory.asked-for", at=v.NOW, data={"by": "ann"}),),
    )
    assert asked == (frozenset({"C1", "C2"}), frozenset({"C1"}))
    assert set(await states(fleet)) == {("C1", "U1"), ("C2", "U1"), ("C1", "U2")}
    assert woken.count("push") == 1
    assert await pushed(fleet) == ["C1", "C2"]
    assert {key: (each.asked_at, each.state) for key, each in (await inquiries(fleet, "C1", "C2", "C3")).items()} == {
        ("C1", "SecurityInfo"): (v.NOW, DeliveryState.OPEN),
        ("C2", "SecurityInfo"): (v.NOW, DeliveryState.OPEN),
        ("C1", "ProfileList"): (v.NOW, DeliveryState.OPEN),
    }
    assert [each.event.type for each in await fleet.events.read(0, 99)][-1] == "inventory.asked-for"
    assert await fleet.collection.ask([]) == ()


async def test_who_has_an_open_command_of_the_kind_gets_no_second(fleet: Store) -> None:
    await fleet.collection.ask([asking("U1", "SecurityInfo", "C1")])
    await pushed(fleet)
    assert await fleet.collection.ask([asking("U2", "SecurityInfo", "C1", "C2")]) == (frozenset({"C2"}),)
    assert await pushed(fleet) == ["C2"]
    assert set(await states(fleet)) == {("C1", "U1"), ("C2", "U2")}
    assert (await inquiries(fleet, "C1"))["C1", "SecurityInfo"].asked_at == v.NOW
    await fleet.devices.exchange(v.report())  # answers U1
    later = asking("U3", "SecurityInfo", "C1", created_at=v.NOW + 9)
    assert await fleet.collection.ask([later]) == (frozenset({"C1"}),)
    assert (await inquiries(fleet, "C1"))["C1", "SecurityInfo"].asked_at == v.NOW + 9


async def test_what_people_have_queued_before_it_counts_by_its_priority(fleet: Store) -> None:
    await fleet.queue.enqueue(v.command("theirs", request_type="ProfileList"), ["C1", "C2"])
    assert await fleet.collection.ask([asking("U1", "ProfileList", "C1")]) == (frozenset({"C1"}),)
    nothing = await fleet.collection.ask([asking("U2", "ProfileList", "C2", unless_open=1000)])
    assert nothing == (frozenset(),)
    assert await fleet.queue.command_body("U2") is None
    await fleet.queue.enqueue(v.command("again", request_type="ProfileList"), ["C1"])
    assert ("C1", "again") in await states(fleet), "people get what they want"


async def test_an_answer_is_seen(fleet: Store) -> None:
    await fleet.collection.ask([asking("U1", "SecurityInfo", "C1")])
    await fleet.devices.exchange(v.report(now=v.NOW + 50))
    inquiry = (await inquiries(fleet, "C1"))["C1", "SecurityInfo"]
    assert (inquiry.state, inquiry.answered_at) == (DeliveryState.ACKNOWLEDGED, v.NOW + 50)


async def test_what_a_command_changes_is_looked_at_soon(fleet: Store) -> None:
    await fleet.devices.commit(Change(channels=(v.channel("C2", "jane"),)))
    await fleet.work.add(COLLECT, ["C1"], v.NOW + DAY)
    woken = v.Woken()
    fleet.on_work(woken)
    channels = ["C1", "C2", "C2/jane", "nobody"]
    await fleet.collection.stir("U1", ["ProfileList", "CertificateList"], channels, v.NOW)
    assert COLLECT in woken
    await fleet.queue.enqueue(v.command("U1", request_type="InstallProfile"), ["C1"])
    found = await inquiries(fleet, "C1", "C2", "C2/jane")
    assert set(found) == {
        (channel, report) for channel in ("C1", "C2") for report in ("ProfileList", "CertificateList")
    }
    first = found["C1", "ProfileList"]
    assert (first.asked_at, first.stirred_at, first.stirring, first.stirring_state) == (
        None,
        v.NOW,
        "InstallProfile",
        DeliveryState.OPEN,
    )
    assert found["C2", "ProfileList"].stirring_state is None, "it was never queued there"
    await fleet.devices.exchange(v.report(now=v.NOW + 30))
    done = (await inquiries(fleet, "C1"))["C1", "ProfileList"]
    assert (done.stirring_state, done.stirring_done_at) == (DeliveryState.ACKNOWLEDGED, v.NOW + 30)
    assert {work.key for work in await fleet.work.lease(COLLECT, v.NOW + SOON, v.NOW + DAY, 9)} == {"C1", "C2"}


async def test_one_that_does_not_take_it_is_passed_over(fleet: Store) -> None:
    await fleet.collection.pass_over("UserList", ["C1", "nobody"], v.NOW)
    assert await inquiries(fleet, "C1", "nobody") == {
        ("C1", "UserList"): Inquiry(channel_id="C1", report="UserList", asked_at=v.NOW)
    }
    assert await records(fleet) == ()


async def test_who_is_not_looked_at_is_found(fleet: Store) -> None:
    await fleet.work.add(COLLECT, ["C2"], v.NOW)
    await fleet.devices.commit(Change(connections=(v.connection("C3", "D3", phase=Phase.ENDED),)))
    assert [each.connection_id for each in await fleet.collection.uncollected("", 9)] == ["C1"]
    assert [each.device_id for each in await fleet.collection.uncollected("", 9)] == ["D1"]
    assert len(await fleet.collection.uncollected("C1", 9)) == 0


async def test_those_who_would_wait_longer_are_looked_at_sooner(fleet: Store) -> None:
    await fleet.work.add(COLLECT, ["C1", "C2"], v.NOW + DAY)
    await fleet.work.add(COLLECT, ["C3"], v.NOW)
    assert await fleet.collection.hurry(v.NOW + 50, 1) == 1
    assert await fleet.collection.hurry(v.NOW + 50, 9) == 1
    assert await fleet.collection.hurry(v.NOW + 50, 9) == 0
    assert len(await fleet.work.lease(COLLECT, v.NOW, v.NOW + 1, 9)) == 1
    assert len(await fleet.work.lease(COLLECT, v.NOW + 50, v.NOW + DAY, 9)) == 3


async def test_what_is_over_is_forgotten(fleet: Store) -> None:
    await fleet.collection.ask([asking("U1", "SecurityInfo", "C1", "C2")])
    await fleet.collection.forget(["C1"])
    assert set(await inquiries(fleet, "C1", "C2")) == {("C2", "SecurityInfo")}
    await fleet.collection.forget([])


async def test_the_longest_since_is_told_of_each_report(fleet: Store) -> None:
    assert await fleet.collection.oldest() == {}
    await fleet.collection.ask([asking("U1", "SecurityInfo", "C1"), asking("U2", "ProfileList", "C1")])
    await fleet.collection.ask([asking("U3", "SecurityInfo", "C2", created_at=v.NOW - 7)])
    await fleet.collection.stir("U4", ["UserList"], ["C1"], v.NOW)
    assert await fleet.collection.oldest() == {"SecurityInfo": v.NOW - 7, "ProfileList": v.NOW}


def test_the_values_are_of_the_queue() -> None:
    assert QueuedCommand(uuid="U", request_type="SecurityInfo", body=b"", created_at=0).unless_open is None
