"""The two columns that let ordinary traffic pass."""

from dataclasses import replace

import pytest

from corral.lifecycle.settle import settle
from corral.lifecycle.state import FOREVER, HOUR, Connection, Phase
from lifecycle import arrange as a


@pytest.mark.parametrize("phase", list(Phase))
def test_only_who_is_connected_or_ending_speaks(phase: Phase) -> None:
    assert settle(a.life(phase=phase), a.device()).open == (phase in (Phase.CONNECTED, Phase.ENDING))


@pytest.mark.parametrize(
    "life",
    [a.life(reauthenticated_at=a.NOW), a.life(renewal=a.renewal(authenticated_at=a.NOW))],
)
def test_half_of_a_check_in_closes(life: Connection) -> None:
    assert not settle(life, a.device()).open


def test_a_renewal_that_was_only_asked_for_closes_nothing() -> None:
    assert settle(a.life(renewal=a.renewal()), a.device()).open


def test_a_block_closes() -> None:
    assert not settle(a.life(), a.device(blocked_at=a.NOW)).open


def test_a_deadline_is_when_to_look_again() -> None:
    assert settle(a.life(), a.device()).recheck_at == FOREVER
    ending = a.life(phase=Phase.ENDING, end_request=a.end_request(a.NOW + HOUR))
    assert settle(ending, a.device()).recheck_at == a.NOW + HOUR


def test_what_was_settled_before_does_not_matter() -> None:
    wrong = replace(a.life(), open=False, recheck_at=1)
    assert settle(wrong, a.device()) == a.life()
    assert settle(settle(wrong, a.device()), a.device()) == a.life()
