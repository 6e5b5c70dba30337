"""The trace that what happens belongs to, where one is recorded: a W3C `traceparent`, kept with what is queued."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

MOST_FOLLOWED: Final = 100
"""Of a command for more channels, and of a decision about more devices, the first so many are followed: a span for each
of a fleet would be a trace that nobody could read."""

_TRACE: ContextVar[str | None] = ContextVar("corral.trace", default=None)


def trace() -> str | None:
    """The `traceparent` of what this task does; None where nobody follows it."""
    return _TRACE.get()


@contextmanager
def within(traceparent: str | None) -> Generator[None]:
    """What happens within belongs to this trace. Known at the door and needed at the bottom, as with `act_as`."""
    token = _TRACE.set(traceparent)
    try:
        yield
    finally:
        _TRACE.reset(token)
