"""Values as JSON has them, made into the types that Apple's schema gives their keys.

JSON has neither data nor dates, and writes a real without a fraction as an integer. What does not fit is left as it
is: the check says what is wrong with it.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from corral.apple.catalog.spec import KeySpec
from corral.apple.plist import PlistValue


def fit(specs: Sequence[KeySpec], keys: Mapping[str, PlistValue]) -> dict[str, PlistValue]:
    """The same keys; those of type data may have come as base64, those of type date as a time of RFC 3339."""
    known = {each.name: each for each in specs}
    return {name: _fit(known[name], value) if name in known else value for name, value in keys.items()}


def _fit(spec: KeySpec, value: PlistValue) -> PlistValue:
    match spec.type, value:
        case "data", str():
            return _data(value)
        case "date", str():
            return _date(value)
        case "real", int() if not isinstance(value, bool):
            return float(value)
        case "dictionary", dict():
            return fit(spec.keys, value)
        case "array", list():
            return [_fit_item(spec.keys, item) for item in value]
        case _:
            return value


def _fit_item(kinds: Sequence[KeySpec], item: PlistValue) -> PlistValue:
    if len(kinds) == 1:
        return _fit(kinds[0], item)
    named = item.get("Item") if isinstance(item, Mapping) else None
    chosen = next((kind for kind in kinds if kind.name == named), None)
    return item if chosen is None else _fit(chosen, item)


def _data(text: str) -> PlistValue:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return text


def _date(text: str) -> PlistValue:
    """Property lists say their times in UTC and without a zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (found.astimezone(UTC) if found.tzinfo else found).replace(tzinfo=None, microsecond=0)
