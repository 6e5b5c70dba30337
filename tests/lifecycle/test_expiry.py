import pytest

from corral.lifecycle.expiry import warning
from corral.lifecycle.state import DAY


@pytest.mark.parametrize(
    ("left", "days"),
    [(61 * DAY, None), (60 * DAY, 60), (31 * DAY, 60), (30 * DAY, 30), (7 * DAY, 7), (DAY + 1, 7), (DAY, 1), (1, 1)],
)
def test_the_nearest_of_the_days_is_warned_of(left: int, days: int | None) -> None:
    assert warning(left, 0) == days


@pytest.mark.parametrize("ago", [0, DAY])
def test_what_is_over_is_told_as_that(ago: int) -> None:
    assert warning(0, ago) == 0
