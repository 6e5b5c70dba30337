"""Property lists in JSON and back. What JSON lacks is an object of one key: `{"$data": base64}`, `{"$date": time}`."""

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import cast

from corral.apple.catalog import is_secret
from corral.apple.plist import PlistValue
from corral.service.errors import RequestRefused

DEPTH = 60
"""Levels that a command's keys may have; the property list around them adds some."""

HIDDEN = "(not shown)"


def from_json(value: object, depth: int = DEPTH) -> PlistValue:
    """Raises RequestRefused for what no property list can hold."""
    if depth == 0:
        raise RequestRefused(f"The keys are nested deeper than {DEPTH} levels.")
    match value:
        case bool() | int() | float() | str():
            return value
        case dict():
            return _from_object(cast(Mapping[str, object], value), depth)
        case list():
            return [from_json(each, depth - 1) for each in cast(Sequence[object], value)]
        case _:
            raise RequestRefused("A property list has no null; leave the key out.")


def _from_object(found: Mapping[str, object], depth: int) -> PlistValue:
    match dict(found):
        case {"$data": str() as text} if len(found) == 1:
            try:
                return base64.b64decode(text, validate=True)
            except ValueError:
                raise RequestRefused('{"$data": ...} must hold base64.') from None
        case {"$date": str() as text} if len(found) == 1:
            return _date(text)
        case plain:
            return {key: from_json(each, depth - 1) for key, each in plain.items()}


def to_json(value: PlistValue, *, name: str = "", show_data: bool = True, show_secrets: bool = False) -> object:
    """What a device answered, or was sent, for people to read: secrets are named and not shown, unless `show_secrets`.

    `show_data` false: of data only the size. What is sent as data is profiles, which hold challenges and passwords.
    """
    if name and not show_secrets and is_secret(name) and not isinstance(value, bool | Mapping):
        return HIDDEN
    match value:
        case bytes():
            return {"$data": base64.b64encode(value).decode()} if show_data else f"({len(value):,} bytes, not shown)"
        case datetime():
            return {"$date": value.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")}
        case str() | int() | float():
            return value
        case Mapping():
            return {
                key: to_json(each, name=key, show_data=show_data, show_secrets=show_secrets)
                for key, each in value.items()
            }
        case _:
            return [to_json(each, show_data=show_data, show_secrets=show_secrets) for each in value]


def _date(text: str) -> datetime:
    """Property lists have no time zone: their dates are in UTC, without saying so."""
    try:
        found = datetime.fromisoformat(text)
        found = found.astimezone(UTC) if found.tzinfo else found
    except (ValueError, OverflowError):
        raise RequestRefused('{"$date": ...} must hold a time as RFC 3339 has it.') from None
    return found.replace(tzinfo=None, microsecond=0)
