"""The last test of this folder: what all attackers together were answered."""

import pytest

from attacks.heard import HEARD

LEAVING = frozenset(
    {
        "test_a_blocked_device_does_not_come_back_by_a_backup",
        "test_a_restore_is_refused_to_whom_the_operator_refuses_it_for_good",
        "test_a_thief_with_a_link_gets_nothing_of_a_connected_device_and_changes_nothing_of_it",
    }
)
"""Attacks by devices that are told to leave, and rightly so: they were blocked, or ended by a person."""


def test_nobody_is_told_to_leave_by_an_attack() -> None:
    """A bare 401 takes the profile off a device, the document does the same: an attack that brings one about could take
    a fleet away from its organization."""
    if not HEARD:
        pytest.skip("nothing was attacked: run the whole folder")
    told = {each.test for each in HEARD if each.tells_to_leave}
    assert told <= LEAVING


def test_nobody_learns_what_is_inside() -> None:
    if not HEARD:
        pytest.skip("nothing was attacked: run the whole folder")
    for each in HEARD:
        assert each.status < 500 or each.status == 503, each
        for word in (b"Traceback", b'File "', b"sqlite", b"corral.db", b".py", b"/src/"):
            assert word not in each.body, each
