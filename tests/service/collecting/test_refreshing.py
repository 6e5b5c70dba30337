"""Reports that somebody wants now."""

from contract import values as v
from corral.apple.platform import Platform
from corral.store.devices import Next

from .conftest import Place


async def test_a_device_is_asked_for_what_its_schedule_says_and_woken(place: Place) -> None:
    await place.connect(1)
    (found,) = await place.refreshing.refresh(["D1"], "ann")
    assert found.device == "D1"
    assert {"DeviceInformation", "SecurityInfo", "ProfileList"} <= {*found.asked}
    assert found.not_taken == ("UserList",)
    assert {each.created_by for each in await place.commands()} == {"ann"}
    assert [work.key for work in await place.store.work.lease("push", v.NOW, v.NOW + 1, 9)] == ["C1"]
    told = (await place.store.events.read(0, 99))[-1].event
    assert (told.type, told.data["by"], told.data["devices"]) == ("inventory.asked-for", "ann", ["D1"])


async def test_what_it_has_not_answered_yet_is_not_asked_for_twice(place: Place) -> None:
    await place.connect(1)
    await place.refreshing.refresh(["D1"], "ann", ("SecurityInfo",))
    works = await place.store.work.lease("push", v.NOW, v.NOW + 1, 9)
    await place.store.work.finish(works)
    (found,) = await place.refreshing.refresh(["D1"], "ann", ("SecurityInfo", "UserList"))
    assert (found.asked, found.waiting, found.not_taken) == ((), ("SecurityInfo",), ("UserList",))
    assert await place.reports() == ["SecurityInfo"]
    assert [work.key for work in await place.store.work.lease("push", v.NOW, v.NOW + 1, 9)] == ["C1"], "it is woken"


async def test_each_gets_its_word(place: Place) -> None:
    await place.connect(1, Platform.MACOS, "15.2")
    await place.connect(2)
    await place.end(2)
    found = await place.refreshing.refresh(["nobody", "SERIAL-D1", "D2"], "ann", ("UserList",))
    assert [(each.device, each.known) for each in found] == [("nobody", False), ("D1", True), ("D2", True)]
    assert [bool(each.problem) for each in found] == [True, False, True]
    assert found[1].asked == ("UserList",)


async def test_what_follows_a_change_is_asked_for_once_behind_all_of_them(place: Place) -> None:
    await place.connect(1)
    for number in range(3):
        await place.store.queue.enqueue(v.command(f"install {number}", request_type="InstallProfile"), ["C1"])
        await place.refreshing.refresh(["D1"], "ann", ("ProfileList",), told=False)
    assert (await place.reports()).count("ProfileList") == 1
    order: list[str] = []
    while True:
        found = await place.store.devices.exchange(v.idle())
        if not isinstance(found, Next) or not found.command_uuid:
            break
        order.append(found.command_uuid)
        await place.store.devices.exchange(v.report(order[-1]))
    assert order[:3] == ["install 0", "install 1", "install 2"]
    assert await place.reports() == []
