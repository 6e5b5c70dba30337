"""Times on the command line: `7d`, `12h`, `2026-12-31`, `2026-12-31T12:00Z`."""

from datetime import datetime
from typing import Any

from corral.cli.failure import UsageFailure


def moment(option: str, text: str | None, at: str, seconds: str) -> dict[str, Any]:
    """What the API is told: `{at: time}` or `{seconds: number}`; nothing where the option is not given.

    A span is sent as seconds, so that this machine's clock does not matter.
    """
    if text is None:
        return {}
    try:
        found = datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        return {seconds: _seconds(option, text)}
    return {at: found.isoformat()}


def span(option: str, text: str | None) -> int | None:
    """Seconds, of `30d` and the like."""
    from corral.settings import parse_duration

    try:
        return None if text is None else parse_duration(text) // 1000
    except ValueError:
        raise UsageFailure(f"{option}: give a span such as 30d, 12h or 30m, not {text!r}.") from None


def _seconds(option: str, text: str) -> int:
    from corral.settings import parse_duration

    try:
        return parse_duration(text) // 1000
    except ValueError:
        raise UsageFailure(
            f"{option}: give a span such as 7d, 12h or 30m, or a time such as 2026-12-31T12:00Z, not {text!r}."
        ) from None
