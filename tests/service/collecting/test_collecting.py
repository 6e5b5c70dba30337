"""Who is asked for what, and when."""

import pytest

from contract import values as v
from corral.apple.platform import Platform
from corral.lifecycle.collecting import COLLECT, PRIORITY, REPORTS, next_turn
from corral.lifecycle.state import DAY, FOREVER, HOUR, MINUTE
from corral.service.collecting.collecting import AT_ONCE, Collecting
from corral.service.collecting.schedule import DEFAULT, Report, Schedule, ScheduleDocument, ScheduleRule, Schedules
from corral.service.commands.targeting import Targeting
from corral.service.errors import RequestRefused
from corral.service.inventory.looking import Inventory
from corral.service.inventory.taking_in import TakingIn

from .conftest import Place

USUAL = ["CertificateList", "DeviceInformation", "InstalledApplicationList", "ManagedApplicationList", "ProfileList"]


async def test_a_new_connection_is_asked_at_once_after_all_that_people_have_queued(place: Place) -> None:
    await place.connect(1)
    await place.store.queue.enqueue(v.command("theirs", request_type="RestartDevice"), ["C1"])
    await place.collect()
    assert await place.reports() == [*USUAL, "RestartDevice", "SecurityInfo"]
    asked = [each for each in await place.commands() if each.created_by == "inventory"]
    assert {each.delivery.priority for each in asked} == {PRIORITY}
    assert {each.delivery.expires_at for each in asked} == {v.NOW + 7 * DAY}
    assert place.asked == dict.fromkeys([*USUAL, "SecurityInfo"], 1)
    works = await place.store.work.lease("push", v.NOW, v.NOW + 1, 9)
    assert [work.key for work in works] == ["C1"]


async def test_each_is_asked_for_what_its_system_tells(place: Place) -> None:
    await place.connect(1, Platform.IOS, "18.2")
    await place.connect(2, Platform.MACOS, "15.2")
    await place.connect(3, Platform.TVOS, "18.2")
    await place.collect()
    phone, mac, tv = [set(await place.queries(f"D{number}")) for number in (1, 2, 3)]
    assert {"OSVersion", "SerialNumber", "BatteryLevel", "IMEI"} <= phone
    assert "HostName" in mac - phone
    assert not {"IMEI", "DevicePropertiesAttestation", "PushToken"} & (mac | tv)
    assert "DeviceCapacity" not in tv


async def test_user_enrollments_are_asked_for_less(place: Place) -> None:
    await place.connect(1, Platform.MACOS, "15.2", kind="user_enrollment_device")
    await place.collect()
    await place.answer(QueryResponses={})
    place.clock.now += MINUTE
    await place.collect()
    assert await place.reports() == []
    asked = {each.report for each in await place.store.collection.inquiries(["C1"])}
    assert asked == {"DeviceInformation", "SecurityInfo", "ProfileList", "CertificateList", "ManagedApplicationList"}
    assert place.asked["DeviceInformation"] == 1


@pytest.mark.parametrize(
    ("supervised", "wanted"), [(True, ["AvailableOSUpdates", "UserList"]), (False, ["AvailableOSUpdates"])]
)
async def test_what_depends_on_supervision_waits_for_the_answer_that_tells(
    place: Place, supervised: bool, wanted: list[str]
) -> None:
    """UserList of Macs needs it; AvailableOSUpdates does on iPhones and not on Macs, whose users tell nothing of it."""
    await place.connect(1, Platform.MACOS, "15.2")
    await place.collect()
    assert not {"AvailableOSUpdates", "UserList"} & {*await place.reports()}
    await place.answer(DeviceInformation={"QueryResponses": {"IsSupervised": supervised}})
    place.clock.now += MINUTE
    await place.collect()
    assert await place.reports() == wanted
    await place.answer()
    place.clock.now += 2 * MINUTE
    await place.collect()
    assert await place.reports() == []


async def test_it_is_asked_again_at_its_turn_daily_and_weekly(place: Place) -> None:
    await place.connect(1)
    await place.collect()
    await place.answer(DeviceInformation={"QueryResponses": {"IsSupervised": False}})
    place.clock.now += MINUTE
    await place.collect()
    asked: list[list[str]] = []
    for _ in range(8):
        place.clock.now = await place.due_at()
        await place.collect()
        asked.append(await place.reports())
        await place.answer()
    asked = [each for each in asked if each]
    daily, weekly = ["DeviceInformation", "SecurityInfo"], [*USUAL, "SecurityInfo"]
    assert all(each in (daily, weekly) for each in asked)
    assert daily in asked
    assert weekly in asked
    assert place.clock.now == next_turn(DAY, "D1", place.clock.now - 1)


async def test_a_silent_device_does_not_gather_commands(place: Place) -> None:
    await place.connect(1)
    for _ in range(10):
        await place.collect()
        place.clock.now += DAY
        await place.store.queue.expire(place.clock.now, 99)
    assert len(await place.reports()) == len({*await place.reports()}) <= len(USUAL) + 2
    assert place.asked["SecurityInfo"] == 2, "at first, and when that was given up after a week"


async def test_an_open_question_of_a_person_is_as_good(place: Place) -> None:
    await place.connect(1)
    for uuid, report in (("U1", "ProfileList"), ("U2", "DeviceInformation")):
        await place.store.queue.enqueue(v.command(uuid, request_type=report), ["C1"])
    await place.collect()
    assert (await place.reports()).count("ProfileList") == 1
    assert (await place.reports()).count("DeviceInformation") == 2, "of which they may have wanted a part"
    assert await place.due_at() <= v.NOW + HOUR


async def test_what_a_command_has_changed_is_asked_for_when_it_is_done(place: Place) -> None:
    await place.connect(1)
    await place.collect()
    await place.answer(DeviceInformation={"QueryResponses": {"IsSupervised": False}})
    place.clock.now += 2 * MINUTE
    await place.collect()
    await place.collecting.stirred("InstallApplication", "U1", ["C1"])
    await place.collecting.stirred("RestartDevice", "U1", ["C1"])
    await place.store.queue.enqueue(v.command("U1", request_type="InstallApplication"), ["C1"])
    place.clock.now = await place.due_at()
    await place.collect()
    assert await place.reports() == ["InstallApplication"]
    place.clock.now += 3 * MINUTE
    await place.answer()
    done_at = place.clock.now
    seen: dict[int, list[str]] = {}
    while place.clock.now < done_at + HOUR:
        place.clock.now = await place.due_at()
        await place.collect()
        reports = await place.reports()
        if reports:
            seen[place.clock.now - done_at] = reports
        await place.answer()
    assert [each for _, each in sorted(seen.items())][:2] == [["ManagedApplicationList"], ["InstalledApplicationList"]]
    assert min(seen) <= 10 * MINUTE
    assert max(seen) <= 20 * MINUTE or "DeviceInformation" in seen[max(seen)]


async def test_who_is_gone_is_looked_at_no_more(place: Place) -> None:
    await place.connect(1)
    await place.collect()
    await place.end(1)
    place.clock.now += 2 * DAY
    await place.collect()
    assert await place.store.work.next_due(COLLECT) is None
    assert await place.store.collection.inquiries(["C1"]) == ()


async def test_a_fleet_of_before_is_taken_up_over_a_day(place: Place) -> None:
    for number in range(1, 61):
        await place.connect(number)
    works = await place.store.work.lease(COLLECT, v.NOW, v.NOW + 1, 99)
    await place.store.work.finish(works)
    await place.collecting.notice()
    place.clock.now += HOUR
    await place.collecting.notice()
    works = await place.store.work.lease(COLLECT, v.NOW + DAY, FOREVER, 99)
    assert len(works) == 60
    assert len({work.due_at for work in works}) > 12


async def test_many_alike_are_asked_by_few_commands(place: Place) -> None:
    count = AT_ONCE + 50
    for number in range(1, count + 1):
        await place.connect(number, os_version=("18.2", "17.6.1")[number % 2])
    assert await place.collecting.collect() is True
    assert await place.collecting.collect() is False
    assert place.asked["SecurityInfo"] == count
    commands = {each.delivery.command_uuid for n in range(1, count + 1) for each in await place.commands(f"D{n}")}
    assert len(commands) <= 2 * 9


async def test_where_it_is_switched_off_nothing_is_asked(place: Place) -> None:
    schedules, targeting = (
        Schedules(place.store.vault, place.clock),
        Targeting(place.store.directory, place.store.queue),
    )
    fitting = Inventory(place.store.inventory, place.store.directory, place.clock).among
    off = Collecting(
        place.store.collection, place.store.work, schedules, targeting, place.clock, fitting, enabled=False
    )
    await place.connect(1)
    await off.stirred("InstallProfile", "U1", ["C1"])
    assert await off.collect() is False
    await off.notice()
    assert await place.reports() == []
    assert await place.store.work.next_due(COLLECT) is None


async def test_another_schedule_counts_soon(place: Place) -> None:
    await place.connect(1)
    await place.collect()
    await place.answer(DeviceInformation={"QueryResponses": {"IsSupervised": False}})
    place.clock.now += MINUTE
    await place.collect()
    rules = (
        ScheduleRule(reports=("SecurityInfo",), every="1h", platform=(Platform.IOS,)),
        ScheduleRule(reports=("SecurityInfo", "Restrictions"), every="never"),
    )
    await place.collecting.put_schedule(ScheduleDocument(rules=rules), "ann")
    told = (await place.store.events.read(0, 99))[-1].event
    assert (told.type, told.data["rules"]) == (
        "inventory.schedule-changed",
        ["SecurityInfo: 1h (iOS)", "SecurityInfo, Restrictions: never"],
    )
    place.clock.now += 2 * HOUR
    await place.collect()
    assert await place.reports() == ["SecurityInfo"]
    with pytest.raises(RequestRefused, match="15m"):
        await place.collecting.put_schedule(
            ScheduleDocument(rules=(ScheduleRule(reports=("UserList",), every="1m"),)), "ann"
        )


async def test_a_rule_may_be_for_those_who_fit_a_question(place: Place) -> None:
    await place.connect(1)
    await place.connect(2)
    rules = (
        ScheduleRule(reports=("Restrictions",), every="1h", query="device = D2"),
        ScheduleRule(reports=("SecurityInfo",), every="1d"),
    )
    await place.collecting.put_schedule(ScheduleDocument(rules=rules), "ann")
    taking_in = TakingIn(place.store.inventory, place.store.work, place.clock, lambda answers: None)
    while await taking_in.turn():
        pass
    place.clock.now += HOUR
    await place.collect()
    assert (await place.reports("D1"), await place.reports("D2")) == (
        ["SecurityInfo"],
        ["Restrictions", "SecurityInfo"],
    )
    wrong = ScheduleDocument(rules=(ScheduleRule(reports=("UserList",), every="1d", query="no such field"),))
    with pytest.raises(RequestRefused, match="field"):
        await place.collecting.put_schedule(wrong, "ann")


def test_the_first_rule_that_fits_decides() -> None:
    rules = (
        ScheduleRule(reports=("SecurityInfo",), every="never", platform=(Platform.TVOS,)),
        ScheduleRule(reports=("SecurityInfo", "UserList"), every="12h", platform=(Platform.MACOS,)),
        ScheduleRule(reports=("SecurityInfo",), every="7d"),
    )
    schedule = Schedule(ScheduleDocument(rules=rules))
    assert schedule.of(Platform.MACOS) == {"SecurityInfo": 12 * HOUR, "UserList": 12 * HOUR}
    assert schedule.of(Platform.TVOS) == {}
    assert schedule.of(None) == {"SecurityInfo": 7 * DAY}
    assert set(Schedule(DEFAULT).of(Platform.IOS)) <= {*REPORTS}
    assert Report.__args__ == REPORTS  # pyright: ignore[reportAttributeAccessIssue] - of a Literal


@pytest.mark.parametrize("every", ["", "14m", "91d", "daily", "0"])
def test_a_time_that_is_none_is_refused(every: str) -> None:
    with pytest.raises(ValueError, match=r"every|duration"):
        Schedule(ScheduleDocument(rules=(ScheduleRule(reports=("UserList",), every=every),)))
