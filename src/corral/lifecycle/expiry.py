"""When it is warned of what ends on a date."""

from corral.lifecycle.state import DAY, Instant

WARN_DAYS = (60, 30, 7, 1)
"""So many days before the end there is a warning, and one at the end."""


def warning(not_after: Instant, now: Instant) -> int | None:
    """The smallest of WARN_DAYS that what ends then has come within, 0 when it is over; None while there is time."""
    if now >= not_after:
        return 0
    return min((days for days in WARN_DAYS if not_after - now <= days * DAY), default=None)
