"""The one answer that makes a device leave, and the breaker in front of it."""

import pytest

from corral.apple.enrollment_error import JSON_TYPE
from corral.apple.platform import Platform
from corral.lifecycle.change import ACCEPTED, Answer, Change, Decision
from corral.lifecycle.policy import Policy
from corral.lifecycle.state import HOUR, Breaker, Connection, Device, Phase, Snapshot
from corral.lifecycle.unenroll import BUSY, unenroll, would_trip
from lifecycle import arrange as a

POLICY = Policy(breaker_limit=2, breaker_window=HOUR)


def leave(
    connection: Connection | None,
    device: Device | None,
    breaker: Breaker | None = None,
    *,
    lives: tuple[Connection, ...] = (),
    is_poll: bool = False,
) -> Decision:
    snapshot = Snapshot(device=device, lives=lives, breaker=breaker or Breaker())
    return unenroll(connection, snapshot, POLICY, a.NOW, why="because", is_poll=is_poll)


@pytest.mark.parametrize(
    ("platform", "version", "by_document"),
    [
        (Platform.IOS, "16.7.9", False),
        (Platform.IOS, "17.0", True),
        (Platform.MACOS, "13.6", False),
        (Platform.MACOS, "14.0", True),
        (Platform.IOS, None, False),
        (None, "17.0", False),
    ],
)
def test_the_document_where_it_is_known_to_be_obeyed_else_401(
    platform: Platform | None, version: str | None, by_document: bool
) -> None:
    decision = leave(a.life(), a.device(platform=platform, os_version=version))
    answer = decision.answer
    assert isinstance(answer, Answer)
    assert answer.status == (403 if by_document else 401)
    assert (answer.media_type, b"com.apple.unrecognized.device" in answer.body) == (
        (JSON_TYPE, True) if by_document else ("", False)
    )
    assert answer.reason == "because"
    told = a.event(decision.change, "connection.unenroll-answered")
    assert told.data == {"answer": "403 com.apple.unrecognized.device" if by_document else "401", "why": "because"}
    assert (told.at, told.device_id, told.connection_id) == (a.NOW, a.UDID, "life")


@pytest.mark.parametrize(
    ("connection", "device", "key", "device_id"),
    [
        (a.life(), a.device(), "life", a.UDID),
        (None, a.device(), a.UDID, a.UDID),
        (a.life(), None, "life", a.UDID),
    ],
)
def test_it_counts_by_connection_or_else_by_device(
    connection: Connection | None, device: Device | None, key: str, device_id: str
) -> None:
    change = leave(connection, device).change
    assert change.unenrolling == key
    assert change.events[0].device_id == device_id


def test_a_device_of_which_nothing_is_known_is_told_by_401() -> None:
    decision = leave(None, None)
    assert isinstance(decision.answer, Answer)
    assert decision.answer.status == 401


@pytest.mark.parametrize("let_in", [Phase.CONNECTED, Phase.ENDING, Phase.ENDED])
def test_a_newcomer_that_was_not_let_in_beside_one_that_was_is_told_by_what_every_system_obeys(let_in: Phase) -> None:
    """What is stored is what the other has said, and the newcomer may be another device, on an older system."""
    newcomer, other = a.life("newcomer", Phase.ENDED, connected_at=None), a.life("other", let_in)
    told = leave(newcomer, a.device(platform=Platform.IOS, os_version="18.1"), lives=(newcomer, other)).answer
    assert isinstance(told, Answer)
    assert (told.status, told.body) == (401, b"")


@pytest.mark.parametrize(
    ("asking", "lives"),
    [
        (a.life("only", Phase.ENDED, connected_at=None), ("only",)),
        (a.life("first", Phase.ENDED, connected_at=None), ("second", "first")),
        (a.life("former", Phase.ENDED), ("current", "former")),
        (None, ("former",)),
    ],
)
def test_all_others_are_told_by_what_their_device_has_said(asking: Connection | None, lives: tuple[str, ...]) -> None:
    known = {"current": a.life("current"), "former": a.life("former", Phase.ENDED)}
    beside = tuple(known.get(each) or a.life(each, Phase.ENDED, connected_at=None) for each in lives)
    told = leave(asking, a.device(platform=Platform.IOS, os_version="18.1"), lives=beside).answer
    assert isinstance(told, Answer)
    assert told.status == 403


@pytest.mark.parametrize("is_poll", [True, False])
def test_an_open_breaker_lets_nobody_go_and_writes_nothing(is_poll: bool) -> None:
    decision = leave(a.life(), a.device(), Breaker(open=True, counted=frozenset({"life"})), is_poll=is_poll)
    assert decision.answer == (ACCEPTED if is_poll else BUSY)
    assert decision.change == Change()


@pytest.mark.parametrize("is_poll", [True, False])
def test_one_too_many_opens_it(is_poll: bool) -> None:
    decision = leave(a.life(), a.device(), Breaker(counted=frozenset({"x", "y"})), is_poll=is_poll)
    assert decision.answer == (ACCEPTED if is_poll else BUSY)
    assert decision.change.trip_breaker
    assert decision.change.unenrolling is None
    alarm = a.event(decision.change, "breaker.opened")
    assert alarm.data == {"limit": 2, "window_seconds": 3600}
    assert (alarm.device_id, alarm.connection_id) == (a.UDID, "life")


def test_the_breaker_counts_distinct_connections() -> None:
    assert not would_trip(Breaker(counted=frozenset({"x"})), "life", POLICY)
    assert would_trip(Breaker(counted=frozenset({"x", "y"})), "life", POLICY)
    assert not would_trip(Breaker(counted=frozenset({"x", "life"})), "life", POLICY)


def test_a_check_in_that_is_held_back_is_to_be_tried_again() -> None:
    assert (BUSY.status, BUSY.body) == (503, b"")
