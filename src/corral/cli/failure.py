"""How a command fails: one line on standard error, and an exit code that scripts can rely on."""

from enum import IntEnum


class ExitCode(IntEnum):
    OK = 0
    FAILED = 1
    """Refused, or tried and failed."""
    USAGE = 2
    """The command line itself is wrong."""
    NOT_FOUND = 3
    UNREACHABLE = 4
    """The service cannot be reached, or does not know who asks."""


class Failure(Exception):
    """Ends a command; the message is one line that says what is wrong and what to do."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.code = code


class UsageFailure(Failure):
    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.USAGE)
