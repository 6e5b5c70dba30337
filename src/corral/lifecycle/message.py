"""What can arrive from a device: a check-in message, or a report on the command channel."""

from dataclasses import field
from typing import TypeAlias

from corral.apple.checkin import Checkin
from corral.apple.report import Report
from corral.values import frozen


@frozen
class Reported:
    """A report with the bytes that it came in; `unreadable` when only its envelope could be read."""

    report: Report
    body: bytes = field(repr=False)
    unreadable: bool = False


Message: TypeAlias = Checkin | Reported
