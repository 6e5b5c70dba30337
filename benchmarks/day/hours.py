"""How a working day goes: which share of its work is done by which hour."""

import itertools
from collections.abc import Iterator
from typing import Final

HOURS: Final = 24.0

_DONE: Final = ((0.0, 0.0), (6.5, 0.14), (9.0, 0.25), (17.0, 0.75), (19.5, 0.86), (HOURS, 1.0))
"""Steady from nine to five, with a third of that in the night."""

ARRIVALS: Final = (7.0, 19.0)
"""Hours between which new devices enroll."""


def done_by(hour: float) -> float:
    """The share (0 to 1) of the day's work."""
    for (start, before), (end, after) in itertools.pairwise(_DONE):
        if hour <= end:
            return before + (after - before) * (max(hour, start) - start) / (end - start)
    return 1.0


def arrived_by(hour: float) -> float:
    """The share of the day's new devices that are there."""
    start, end = ARRIVALS
    return min(1.0, max(0.0, (hour - start) / (end - start)))


class Due:
    """Counts a day's work out: `take(share)` is how many are due now that were not before."""

    def __init__(self, total: float) -> None:
        self._total = total
        self._given = 0

    def take(self, share: float) -> Iterator[None]:
        due = int(self._total * share)
        while self._given < due:
            self._given += 1
            yield
