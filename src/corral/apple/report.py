"""Reports: what a device sends to ServerURL when it polls or has carried out a command (Apple: "Commands and
Queries", Response)."""

from collections.abc import Mapping
from enum import StrEnum

from corral.apple import fields
from corral.apple.fields import FieldError
from corral.apple.identifiers import IdentifierError, Speaker, identify
from corral.apple.plist import LIMITS, Limits, PlistError, PlistLeaf, parse_dict, repair, top_level
from corral.values import frozen

_MOST_ERRORS = 64
_LONGEST_DESCRIPTION = 4096


class ReportError(ValueError):
    """A body that is no report; the one line says which key is wrong."""


class Status(StrEnum):
    IDLE = "Idle"
    ACKNOWLEDGED = "Acknowledged"
    ERROR = "Error"
    COMMAND_FORMAT_ERROR = "CommandFormatError"
    NOT_NOW = "NotNow"


@frozen
class Report:
    """`command_uuid` is None for Idle, and only then.

    `need_sync_response`: a user is held at the login window of a Mac until the queue is empty.
    `user_configuration`: Setup Assistant of a Mac asks for password policies only.
    """

    speaker: Speaker
    status: Status
    command_uuid: str | None = None
    not_on_console: bool = False
    need_sync_response: bool = False
    user_configuration: bool = False


@frozen
class ErrorItem:
    """One link of an ErrorChain; the codes change between versions of the OS."""

    code: int
    domain: str
    description: str
    english: str | None = None


def read_report(data: bytes, limits: Limits = LIMITS) -> Report:
    """Reads the top level only (see `plist.top_level`); the results of the command stay bytes."""
    try:
        return _report(top_level(data, limits))
    except (PlistError, IdentifierError, FieldError) as error:
        raise ReportError(f"report: {error}") from None


def read_lenient(data: bytes, limits: Limits = LIMITS) -> Report:
    """A report that `read_report` refused, read once what XML forbids has been stripped from it."""
    try:
        limits.check_size(len(data))
    except PlistError as error:
        raise ReportError(f"report: {error}") from None
    return read_report(repair(data), limits)


def error_chain(data: bytes, limits: Limits = LIMITS) -> tuple[ErrorItem, ...]:
    """The ErrorChain of a report, outermost first; empty where there is none. Raises ReportError."""
    try:
        chain = parse_dict(data, limits).get("ErrorChain")
    except PlistError as error:
        raise ReportError(f"report: {error}") from None
    items = chain if isinstance(chain, list) else []
    return tuple(_error_item(item) for item in items[:_MOST_ERRORS] if isinstance(item, Mapping))


def _report(keys: Mapping[str, PlistLeaf]) -> Report:
    found = keys.get("Status")
    status = _STATUSES.get(found) if isinstance(found, str) else None
    if status is None:
        raise FieldError(f"Status must be one of {', '.join(Status)}")
    return Report(
        identify(keys),
        status,
        None if status is Status.IDLE else fields.text(keys, "CommandUUID"),
        keys.get("NotOnConsole") is True,
        keys.get("NeedSyncResponse") is True,
        keys.get("UserConfiguration") is True,
    )


def _error_item(item: Mapping[str, object]) -> ErrorItem:
    code = item.get("ErrorCode")
    return ErrorItem(
        code if isinstance(code, int) else 0,
        _words(item, "ErrorDomain") or "",
        _words(item, "LocalizedDescription") or "",
        _words(item, "USEnglishDescription"),
    )


def _words(item: Mapping[str, object], key: str) -> str | None:
    value = item.get(key)
    return value[:_LONGEST_DESCRIPTION] if isinstance(value, str) else None


_STATUSES: dict[str, Status] = {status.value: status for status in Status}
