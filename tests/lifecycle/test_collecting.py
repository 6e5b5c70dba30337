"""When a device is asked for what it is and has."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.apple import catalog
from corral.lifecycle.collecting import GRID, REPORTS, STIRS, Inquiry, expires_at, next_turn, plan
from corral.lifecycle.state import DAY, HOUR, MINUTE, DeliveryState, Instant

NOW: Instant = 1_800_000_000_000
DAILY = {"SecurityInfo": DAY}
ASKED = Inquiry(
    channel_id="C", report="SecurityInfo", asked_at=NOW, state=DeliveryState.ACKNOWLEDGED, answered_at=NOW + 1
)


def turn(now: Instant = NOW, every: Instant = DAY, device: str = "D") -> Instant:
    return next_turn(every, device, now)


def test_reports_and_what_changes_them_are_commands_of_apples() -> None:
    assert all(catalog.answer_keys(report) for report in REPORTS)
    assert all(catalog.spec(request_type) for request_type in STIRS)
    assert {report for changed in STIRS.values() for report, _ in changed} <= {*REPORTS}


@given(st.integers(15 * MINUTE, 90 * DAY), st.text(max_size=40), st.integers(0, 2 * NOW))
def test_turns_come_as_often_as_they_should(every: Instant, device: str, now: Instant) -> None:
    first = next_turn(every, device, now)
    assert now < first <= now + every
    assert next_turn(every, device, first) == first + every
    assert next_turn(every, device, first - 1) == first


@given(st.text(max_size=40), st.integers(0, 2 * NOW))
def test_a_weekly_turn_is_one_of_the_daily_ones(device: str, now: Instant) -> None:
    weekly = next_turn(7 * DAY, device, now)
    assert next_turn(DAY, device, weekly - 1) == weekly
    assert weekly % GRID == 0


def test_a_fleet_is_spread_over_the_time() -> None:
    hours = Counter((next_turn(DAY, f"device {number}", NOW) - NOW - 1) // HOUR for number in range(24_000))
    assert len(hours) == 24
    assert max(hours.values()) < 1200


def test_what_was_never_asked_for_is_due() -> None:
    made = plan({}, {"SecurityInfo": DAY, "UserList": 7 * DAY}, "D", NOW)
    assert made.due == ("SecurityInfo", "UserList")
    assert NOW < made.again <= NOW + DAY
    assert plan({}, {}, "D", NOW).due == ()


def test_it_is_due_again_at_its_turn() -> None:
    asked = {"SecurityInfo": replace(ASKED, asked_at=turn())}
    following = turn(turn())
    assert plan(asked, DAILY, "D", following - 1).due == ()
    assert plan(asked, DAILY, "D", following - 1).again == following
    assert plan(asked, DAILY, "D", following).due == ("SecurityInfo",)


def test_a_turn_soon_after_it_was_asked_for_is_passed_over() -> None:
    just = {"SecurityInfo": replace(ASKED, asked_at=turn() - HOUR)}
    assert plan(just, DAILY, "D", turn()).due == ()
    assert plan(just, DAILY, "D", turn() + DAY).due == ("SecurityInfo",)
    before = {"SecurityInfo": replace(ASKED, asked_at=turn() - 7 * HOUR)}
    assert plan(before, DAILY, "D", turn()).due == ("SecurityInfo",)


def test_a_device_that_does_not_answer_gets_no_second_until_the_first_is_given_up() -> None:
    waiting = {"SecurityInfo": replace(ASKED, state=DeliveryState.OPEN, answered_at=None)}
    assert plan(waiting, DAILY, "D", NOW + 6 * DAY).due == ()
    assert expires_at(DAY, NOW) == NOW + 7 * DAY
    assert expires_at(30 * DAY, NOW) == NOW + 30 * DAY
    given_up = {"SecurityInfo": replace(ASKED, state=DeliveryState.EXPIRED, answered_at=NOW + 7 * DAY)}
    assert plan(given_up, DAILY, "D", NOW + 7 * DAY).due == ("SecurityInfo",)


def stirred(done_at: Instant | None, request_type: str = "InstallApplication") -> Inquiry:
    return Inquiry(
        channel_id="C",
        report="InstalledApplicationList",
        asked_at=NOW,
        state=DeliveryState.ACKNOWLEDGED,
        answered_at=NOW + 5,
        stirred_at=NOW + 10,
        stirring=request_type,
        stirring_state=DeliveryState.OPEN if done_at is None else DeliveryState.ACKNOWLEDGED,
        stirring_done_at=done_at,
    )


WEEKLY = {"InstalledApplicationList": 7 * DAY}


def test_what_a_command_changes_is_asked_for_soon_after_its_result() -> None:
    done_at = NOW + MINUTE
    inquiry = {"InstalledApplicationList": stirred(done_at)}
    made = plan(inquiry, WEEKLY, "D", done_at)
    assert (made.due, made.again) == ((), done_at + 10 * MINUTE)
    assert plan(inquiry, WEEKLY, "D", done_at + 10 * MINUTE).due == ("InstalledApplicationList",)
    told = {"InstalledApplicationList": replace(stirred(done_at), answered_at=done_at + 10 * MINUTE)}
    assert plan(told, WEEKLY, "D", done_at + HOUR).due == ()


@pytest.mark.parametrize("waited", [1000, 5 * MINUTE, 2 * HOUR])
def test_as_long_as_it_is_not_done_it_is_looked_for_ever_more_seldom(waited: Instant) -> None:
    inquiry = {"InstalledApplicationList": stirred(None)}
    now = NOW + 10 + waited
    made = plan(inquiry, WEEKLY, "D", now)
    assert (made.due, made.again) == ((), now + min(max(waited, MINUTE), HOUR))


def test_a_command_that_has_failed_changes_nothing() -> None:
    failed = replace(stirred(NOW + MINUTE), stirring_state=DeliveryState.ERROR)
    assert plan({"InstalledApplicationList": failed}, WEEKLY, "D", NOW + HOUR).due == ()
    gone = replace(stirred(NOW + MINUTE), stirring="", stirring_state=None, stirring_done_at=None)
    assert plan({"InstalledApplicationList": gone}, WEEKLY, "D", NOW + HOUR).due == ()


def test_a_list_that_was_answered_behind_the_change_needs_no_second() -> None:
    behind = replace(stirred(NOW + 20, "InstallProfile"), report="ProfileList", answered_at=NOW + 20)
    assert plan({"ProfileList": behind}, {"ProfileList": 7 * DAY}, "D", NOW + HOUR).due == ()
    before = replace(behind, answered_at=NOW + 19)
    assert plan({"ProfileList": before}, {"ProfileList": 7 * DAY}, "D", NOW + HOUR).due == ("ProfileList",)


def test_what_was_changed_and_never_asked_for_is_due() -> None:
    only = Inquiry(channel_id="C", report="SecurityInfo", stirred_at=NOW, stirring_state=DeliveryState.OPEN)
    assert plan({"SecurityInfo": only}, DAILY, "D", NOW).due == ("SecurityInfo",)
