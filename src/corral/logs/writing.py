"""How lines are written: JSON for machines, one object a line, or columns for a terminal."""

import logging
import sys
from collections.abc import Callable
from functools import partial

import structlog
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor

from corral.logs.line import Level
from corral.logs.lines import library_said
from corral.logs.requests import ANSWERING, request_id

MOST_SAID = 1000
"""Characters of what a library says."""


def is_console(style: str) -> bool:
    """`style`: `json`, `console`, or `auto` (console where standard error is a terminal)."""
    return style == "console" or (style == "auto" and sys.stderr.isatty())


def configure_logs(style: str, level: str, trace: Callable[[], str | None] = lambda: None) -> None:
    """Lines of this level and above go to standard error; `trace` tells the W3C
    `traceparent` that what is going on belongs to."""
    adding: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_request,
        partial(_name_trace, trace),
    ]
    # What variables held when something failed is nobody's business: there are tokens, PINs and keys among them.
    rendering: list[Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if is_console(style)
        else [
            ExceptionRenderer(ExceptionDictTransformer(show_locals=False, max_frames=40)),
            structlog.processors.JSONRenderer(),
        ]
    )
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    structlog.configure(
        processors=[*adding, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[Libraries()], force=True)
    logging.captureWarnings(capture=True)


def _name_trace(trace: Callable[[], str | None], _logger: object, _method: str, said: EventDict) -> EventDict:
    traceparent = trace()
    if traceparent is not None:
        _, said["trace_id"], said["span_id"], _ = traceparent.split("-")
    return said


class Libraries(logging.Handler):
    """What they say is a field of a line of ours: a message of anybody's choice is no name of an event."""

    def emit(self, record: logging.LogRecord) -> None:
        level = max((each for each in Level if each <= record.levelno), default=Level.DEBUG)
        error = record.exc_info[1] if record.exc_info else None
        library_said.write(level, {"library": record.name, "message": record.getMessage()[:MOST_SAID]}, error)


def _name_request(_logger: object, _method: str, said: EventDict) -> EventDict:
    scope = ANSWERING.get()
    if scope is not None:
        said["request"] = request_id(scope)
    return said
