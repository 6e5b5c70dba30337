"""Cursors of listings by age, as they come back."""

from corral.service.errors import RequestRefused
from corral.store.marks import Mark


def mark_of(before: str | None) -> Mark | None:
    """Raises RequestRefused for what was never given out: an empty page would say that there is nothing more."""
    if before is None:
        return None
    mark = Mark.read(before)
    if mark is None:
        raise RequestRefused("`before` is the `next` of the page before, as it came.")
    return mark
