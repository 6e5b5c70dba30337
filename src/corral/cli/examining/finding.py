"""What an examination finds: one line, and where something is wrong what to do."""

from dataclasses import asdict, dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    """Works now; somebody should know."""
    FAIL = "fail"
    """A device cannot enroll, or will soon be lost."""


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    subject: str
    told: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def ok(subject: str, told: str) -> Finding:
    return Finding(Level.OK, subject, told)


def warn(subject: str, told: str, remedy: str) -> Finding:
    return Finding(Level.WARN, subject, told, remedy)


def fail(subject: str, told: str, remedy: str) -> Finding:
    return Finding(Level.FAIL, subject, told, remedy)
