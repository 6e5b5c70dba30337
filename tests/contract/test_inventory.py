"""The inventory: answers are taken in once, in the order in which they came, and what they change is told."""

from dataclasses import replace

from contract import values as v
from contract.inventories import (
    DEVICE,
    answered,
    app,
    apps,
    arrive,
    attributes,
    lines,
    mac,
    report,
    take,
)
from corral.apple.inventory.attributes import SECURITY
from corral.inventory.asking import read_question
from corral.inventory.fields import FIELDS
from corral.lifecycle.change import Change
from corral.lifecycle.state import DAY, EndReason, Phase
from corral.store.devices import Committed
from corral.store.inventory import TAKEN_IN, Taken
from corral.store.retention import Kind
from corral.store.store import Store


async def fitting(store: Store, question: str, **how: bool) -> tuple[str, ...]:
    return await store.inventory.select(read_question(question), v.NOW, after="", limit=100, **how)


async def test_a_life_arrives_once_and_brings_what_its_device_said(store: Store) -> None:
    await store.devices.commit(v.enrolled())
    (arrival,) = await store.inventory.arrivals(10)
    assert (arrival.connection_id, arrival.device.serial_number) == ("C1", "SERIAL-D1")
    await arrive_again(store)
    assert await store.inventory.arrivals(10) == ()
    await arrive_again(store)
    found = await store.inventory.show("D1")
    assert found is not None
    said = {name: value for name, value in found.record.values.items() if not FIELDS[name].escrow}
    assert said == {"state": "connected", "os_version": "15.2"}


async def arrive_again(store: Store) -> None:
    told = report("CheckIn", attributes("CheckIn", {"os_version": "15.2"}))
    await store.inventory.take([Taken(connection_id="C1", sequence=None, report=told)], v.NOW)


async def test_only_acknowledged_answers_of_what_is_taken_in_wait_and_each_once(store: Store) -> None:
    await arrive(store)
    await store.queue.enqueue(v.command("open", request_type="SecurityInfo"), ["C1"])
    await answered(store, "DeviceLock")
    numbers = {name: await answered(store, name) for name in TAKEN_IN}
    waiting = await store.inventory.answers(100)
    assert [each.request_type for each in waiting] == list(TAKEN_IN)
    assert [each.sequence for each in waiting] == list(numbers.values())
    first = waiting[0]
    assert (first.connection_id, first.user_id, first.asked_at, first.received_at) == ("C1", "", v.NOW, v.NOW)
    assert first.body == f"result of {first.command_uuid}".encode()
    assert first.command == f"<plist>{first.command_uuid}</plist>".encode()
    assert (await store.inventory.waiting()).answers == len(TAKEN_IN)
    assert len(await store.inventory.answers(2)) == 2
    facts = attributes(DEVICE, mac())
    for _ in range(2):  # whoever comes second, with the same answers, does nothing
        await store.inventory.take(
            [Taken(connection_id="C1", sequence=numbers["DeviceInformation"], report=report(DEVICE, facts))], v.NOW
        )
    assert len(await store.inventory.answers(100)) == len(TAKEN_IN) - 1
    nothing = [Taken(connection_id="C1", sequence=each, report=None) for each in numbers.values()]
    await store.inventory.take(nothing, v.NOW)
    assert (await store.inventory.waiting()).answers == 0


async def test_answers_of_a_life_that_is_not_taken_in_itself_wait_for_it(store: Store) -> None:
    await store.devices.commit(v.enrolled())
    await take(store, report(SECURITY, attributes(SECURITY, {"filevault": True})))
    assert (await store.inventory.waiting()).answers == 1
    await arrive_again(store)
    (answer,) = await store.inventory.answers(10)
    told = report(SECURITY, attributes(SECURITY, {"filevault": True}))
    await store.inventory.take([Taken(connection_id="C1", sequence=answer.sequence, report=told)], v.NOW)
    assert await fitting(store, "filevault") == ("D1",)


async def test_what_changes_is_told_and_the_same_again_changes_nothing_but_when_it_came(store: Store) -> None:
    await arrive(store)
    first = attributes(DEVICE, mac(name="Ann's Mac"))
    assert await take(store, report(DEVICE, first)) == 0
    assert await take(store, report(DEVICE, first, v.NOW + 5)) == 0
    found = await store.inventory.show("D1")
    assert found is not None
    fresh = found.reports[DEVICE, ""]
    assert (fresh.asked_at, fresh.received_at) == (v.NOW - 995, v.NOW + 5)
    assert await store.inventory.freshness(["C1", "C9"]) == {
        "C1": {DEVICE: fresh, "CheckIn": found.reports["CheckIn", ""]}
    }
    changed = attributes(DEVICE, {"platform": "macOS", "os_version": "15.3"}, "name")
    assert await take(store, report(DEVICE, changed, v.NOW + 9)) == 2
    told = await store.inventory.history("D1", None, 10)
    assert lines(told) == [("name", "", "Ann's Mac", None), ("os_version", "", "15.2", "15.3")]
    assert {each.change.at for each in told} == {v.NOW + 9}
    assert await store.inventory.history(None, told[0].number, 10) == told[1:]
    assert await store.inventory.history("D2", None, 10) == ()
    assert await fitting(store, "os_version < 15.3") == ()


async def test_an_answer_that_comes_late_changes_nothing(store: Store) -> None:
    await arrive(store)
    await take(store, report(DEVICE, attributes(DEVICE, {"os_version": "15.3"}), v.NOW + 9))
    assert await take(store, report(DEVICE, attributes(DEVICE, {"os_version": "15.2"}), v.NOW + 8)) == 0
    assert await fitting(store, "os_version = 15.3") == ("D1",)


async def test_a_question_about_some_things_leaves_the_others(store: Store) -> None:
    await arrive(store)
    whole = report(DEVICE, attributes(DEVICE, {"capacity": 64, "name": "a"}))
    await take(store, whole, report(DEVICE, attributes(DEVICE, {"name": "b"}), v.NOW + 1))
    assert await fitting(store, "capacity = 64 and name = b") == ("D1",)
    assert await take(store, report(DEVICE, whole.facts, v.NOW + 2)) == 1, "back to what it was"
    assert await fitting(store, "name = a") == ("D1",)


async def test_items_are_kept_once_and_told_by_label(store: Store) -> None:
    for number in (1, 2):
        await arrive(store, number)
        await take(store, report("InstalledApplicationList", apps(app(), app("com.example.y"))), number=number)
    counted = await store.inventory.items("app", None, 0, 10)
    assert [(each.item.identifier, each.item.label, each.devices) for each in counted] == [
        ("com.example.x", "1.0", 2),
        ("com.example.y", "1.0", 2),
    ]
    update = report("InstalledApplicationList", apps(app(version="2.0"), app("com.example.z")), v.NOW + 1)
    assert await take(store, update, number=2) == 3
    assert lines(await store.inventory.history("D2", None, 10)) == [
        ("app", "com.example.z", None, "1.0"),
        ("app", "com.example.y", "1.0", None),
        ("app", "com.example.x", "1.0", "2.0"),
    ]
    counted = await store.inventory.items("app", "com.example.x", 0, 10)
    assert [(each.item.label, each.devices) for each in counted] == [("1.0", 1), ("2.0", 1)]
    assert await store.inventory.items("app", "com.example.x", counted[0].number, 10) == counted[1:]
    assert await fitting(store, "app.identifier = com.example.x and app.version < 2") == ("D1",)
    assert await fitting(store, "has app com.example.z") == ("D2",)


async def test_users_have_items_of_their_own(store: Store) -> None:
    await arrive(store)
    await take(
        store,
        report("InstalledApplicationList", apps(app())),
        report("InstalledApplicationList", apps(app()), user="ann"),
        report("InstalledApplicationList", apps(), v.NOW + 1),
    )
    found = await store.inventory.show("D1")
    assert found is not None
    assert [(each.user_id, each.item.identifier) for each in found.items] == [("ann", "com.example.x")]
    assert await fitting(store, "has app com.example.x") == ("D1",)


async def test_a_new_life_takes_the_place_of_the_former_whose_history_stays(store: Store) -> None:
    await arrive(store)
    await take(
        store,
        report(DEVICE, attributes(DEVICE, {"os_version": "15.2"})),
        report(DEVICE, attributes(DEVICE, {"os_version": "15.3"}), v.NOW + 1),
    )
    ended = v.connection(phase=Phase.ENDED, ended_at=v.NOW, end_reason=EndReason.CHECKED_OUT)
    await store.devices.commit(Change(device_id="D1", expects=1, connections=(ended,), at=v.NOW))
    assert await fitting(store, "os_version = 15.3") == ()
    assert await fitting(store, "os_version = 15.3 and state = ended", ended=True) == ("D1",)
    again = Change(
        device_id="D1",
        expects=2,
        connections=(v.connection("C2", "D1"),),
        channels=(v.channel("C2"),),
        certificates=(v.certificate("cert 2", "C2"),),
        at=v.NOW,
    )
    await store.devices.commit(again)
    (arrival,) = await store.inventory.arrivals(10)
    told = report("CheckIn", attributes("CheckIn", {"os_version": "15.4"}))
    await store.inventory.take([Taken(connection_id=arrival.connection_id, sequence=None, report=told)], v.NOW)
    assert await fitting(store, "os_version = 15.4") == ("D1",)
    assert await fitting(store, "os_version = 15.3", ended=True) == ()
    assert lines(await store.inventory.history("D1", None, 10)) == [("os_version", "", "15.2", "15.3")]


async def test_what_nobody_has_is_forgotten_and_what_is_old(store: Store) -> None:
    await arrive(store)
    await take(store, report("InstalledApplicationList", apps(app(), app("com.example.y"))))
    await take(store, report("InstalledApplicationList", apps(app("com.example.y")), v.NOW + 1))
    assert [await store.inventory.forget_unused(v.NOW, 10) for _ in range(2)] == [1, 0]
    assert [each.item.identifier for each in await store.inventory.items("app", None, 0, 10)] == ["com.example.y"]
    for before, rows in ((v.NOW + 1, 0), (v.NOW + 2, 1), (v.NOW + 2, 0)):
        assert (await store.retention.prune(Kind.INVENTORY, before, 10)).rows == rows
    assert await store.inventory.history("D1", None, 10) == ()


async def test_counts_pages_and_records(store: Store) -> None:
    for number in range(1, 6):
        await arrive(store, number, {"os_version": f"15.{number}"})
    question = read_question("os_version >= 15.2")
    assert await store.inventory.count(question, v.NOW) == 4
    assert await store.inventory.select(question, v.NOW, after="", limit=2) == ("D2", "D3")
    assert await store.inventory.select(question, v.NOW, after="D3", limit=5) == ("D4", "D5")
    records = await store.inventory.records(["D5", "D9", "D1"])
    assert [(each.device_id, each.values["os_version"]) for each in records] == [("D1", "15.1"), ("D5", "15.5")]


async def test_nothing_is_left_of_a_device_that_is_forgotten_but_what_others_have(store: Store) -> None:
    for number, name in ((1, "com.example.mine"), (2, "com.example.theirs")):
        await arrive(store, number)
        await take(store, report("InstalledApplicationList", apps(app(), app(name))), number=number)
    await take(store, report("InstalledApplicationList", apps(), v.NOW + 1))
    await take(store, report("InstalledApplicationList", apps(app(), app("com.example.mine")), v.NOW + 2))
    assert len(await store.inventory.history("D1", None, 10)) == 4
    assert await store.devices.forget("D1", ())
    assert await store.inventory.show("D1") is None
    assert await store.inventory.history("D1", None, 10) == ()
    left = await store.inventory.items("app", None, 0, 10)
    assert [(each.item.identifier, each.devices) for each in left] == [("com.example.x", 1), ("com.example.theirs", 1)]
    assert await store.inventory.forget_unused(v.NOW, 10) == 0


async def test_a_device_is_listed_found_and_aimed_at_as_it_says_last(store: Store) -> None:
    await arrive(store, name="Before", os_version="17.6.1", model="A")
    await arrive(store, 2, name="Other", os_version="17.6.1")
    await take(store, report(DEVICE, attributes(DEVICE, {"name": "Ann's iPhone", "os_version": "18.2"})))
    (found,) = await store.directory.devices(search="ann", phase=None, after=None, limit=9)
    device = found.device
    assert (device.id, device.name, device.os_version, device.model) == ("D1", "Ann's iPhone", "18.2", "A")
    assert (await store.directory.targets(["D1"], ""))["D1"].os_version == "18.2"
    (other,) = await store.directory.devices(search="other", phase=None, after=None, limit=9)
    assert other.device.os_version == "17.6.1"
    # One that is older, and one that tells of something else only.
    await take(store, report(DEVICE, attributes(DEVICE, {"os_version": "17.7"}), v.NOW - DAY))
    await take(store, report("SecurityInfo", attributes("SecurityInfo", {"filevault": True})))
    await take(store, report(DEVICE, attributes(DEVICE, {"capacity": 64}), v.NOW + 1))
    assert (await store.directory.targets(["D1"], ""))["D1"].os_version == "18.2"
    # What it says when it enrolls again counts from then on.
    fresh = (await store.devices.load(v.contact())).device
    assert fresh is not None
    again = Change(device_id="D1", expects=fresh.version, device=replace(fresh, os_version="18.3"), at=v.NOW)
    assert isinstance(await store.devices.commit(again), Committed)
    assert (await store.directory.targets(["D1"], ""))["D1"].os_version == "18.3"
