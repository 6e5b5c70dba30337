"""The keys of a command or payload as JSON Schema (2020-12), for programs that make forms and check before they send.

Data is base64 and a date a time of RFC 3339, which is how `fit` takes them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from corral.apple.catalog.spec import KeySpec

_TYPES: Mapping[str, Mapping[str, Any]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "real": {"type": "number"},
    "boolean": {"type": "boolean"},
    "data": {"type": "string", "contentEncoding": "base64"},
    "date": {"type": "string", "format": "date-time"},
}


def json_schema(specs: Sequence[KeySpec]) -> dict[str, Any]:
    """Of an object with these keys. A key that is missing on some platforms counts as optional."""
    found: dict[str, Any] = {
        "type": "object",
        "properties": {each.name: _schema(each) for each in specs if each.name != "ANY"},
        "additionalProperties": any(each.name == "ANY" for each in specs),
    }
    required = [each.name for each in specs if each.required and each.name != "ANY" and _is_everywhere(each)]
    return found | ({"required": required} if required else {})


def _is_everywhere(spec: KeySpec) -> bool:
    return None not in spec.platforms.values()


def _schema(spec: KeySpec) -> dict[str, Any]:
    found: dict[str, Any] = dict(_TYPES.get(spec.type, {}))
    match spec.type:
        case "dictionary":
            found = json_schema(spec.keys) if spec.keys else {"type": "object"}
        case "array":
            found = {"type": "array"} | _items(spec.keys)
        case _:
            pass
    limits = {"default": spec.default, "minimum": spec.minimum, "maximum": spec.maximum, "pattern": spec.format}
    found |= {name: value for name, value in limits.items() if value is not None}
    return found | ({"enum": list(spec.rangelist)} if spec.rangelist else {})


def _items(kinds: Sequence[KeySpec]) -> dict[str, Any]:
    """Of several kinds each item names its own by `Item`; names in an array of names are told, not demanded."""
    if not kinds:
        return {}
    if len(kinds) > 1:
        return {"items": {"oneOf": [_schema(kind) for kind in kinds]}}
    (kind,) = kinds
    if kind.type == "string" and kind.keys:
        return {"items": {"type": "string", "examples": [each.name for each in kind.keys]}}
    return {"items": _schema(kind)}
