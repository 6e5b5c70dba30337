"""A line of the log: its name, what it means and when it is said; the function that it stands before has its fields."""

import inspect
import logging
import sys
import time
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, Final, Generic, ParamSpec

import structlog

P = ParamSpec("P")

BURST: Final = 20
PERIOD: Final = 10.0
"""Of one line that devices and strangers can cause, so many are written in so many seconds."""


class Level(IntEnum):
    DEBUG = logging.DEBUG
    INFO = logging.INFO
    WARNING = logging.WARNING
    ERROR = logging.ERROR


class Line(Generic[P]):
    """Called with its fields it writes itself, by name and level, with what is known of the request around it.

    `raised`: said where an exception is handled, and tells where that came from. `bounded`: it can be caused from
    outside, so that no more than BURST of it are written in PERIOD; the next one says how many were `skipped`.
    """

    def __init__(
        self, name: str, level: Level, fields: Callable[P, None], *, raised: bool = False, bounded: bool = False
    ) -> None:
        self.name = name
        self.level = level
        self.meaning = inspect.getdoc(fields) or ""
        self.fields = tuple(inspect.signature(fields).parameters)
        self.raised = raised
        self.bounded = bounded
        self._until = 0.0
        self._left = BURST
        self._skipped = 0

    def __call__(self, *args: P.args, **fields: P.kwargs) -> None:
        assert not args  # fields have names only
        self.write(self.level, fields, sys.exc_info()[1] if self.raised else None)

    def write(self, level: Level, fields: Mapping[str, Any], error: BaseException | None = None) -> None:
        """The same at a level that is not the line's own."""
        if self.bounded and not self._has_room():
            return
        said = dict(fields)
        if self._skipped:
            said["skipped"], self._skipped = self._skipped, 0
        if error is not None:
            said["exc_info"] = error
        structlog.get_logger().log(level, self.name, **said)

    def _has_room(self) -> bool:
        now = time.monotonic()
        if now >= self._until:
            self._until, self._left = now + PERIOD, BURST
        if self._left == 0:
            self._skipped += 1
            return False
        self._left -= 1
        return True


_LINES: dict[str, Line[...]] = {}
LINES: Final[Mapping[str, Line[...]]] = _LINES
"""All lines by name, once `corral.logs.lines` is imported."""


def line(
    name: str, level: Level, *, raised: bool = False, bounded: bool = False
) -> Callable[[Callable[P, None]], Line[P]]:
    """Make the function a Line: its parameters are the fields, its docstring is what the line means."""

    def make(fields: Callable[P, None]) -> Line[P]:
        assert name not in _LINES, name
        made = _LINES[name] = Line(name, level, fields, raised=raised, bounded=bounded)
        return made

    return make
