"""Holds events against the vocabulary: of a type that it has, about what it says, with those fields and no others."""

from collections.abc import Iterable, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from corral.lifecycle.change import Event
from corral.lifecycle.event_type import About
from corral.lifecycle.vocabulary import VOCABULARY


def check_events(events: Iterable[Event]) -> None:
    for each in events:
        kind = VOCABULARY.get(each.type)
        assert kind is not None, f"{each.type} is not in lifecycle/vocabulary.py"
        assert kind.about is not About.DEVICE or each.device_id is not None, each
        assert kind.about is not About.INSTALLATION or each.device_id is each.connection_id is None, each
        unknown = each.data.keys() - {field.name for field in kind.fields}
        assert not unknown, f"{each.type} does not tell of {sorted(unknown)}"
        wrong = violations(kind.schema()["properties"]["data"], dict(each.data))
        assert not wrong, f"{each.type}: {wrong}"


def violations(schema: Mapping[str, Any], value: object) -> list[str]:
    """What of a value is not as its JSON Schema says."""
    validator: Any = Draft202012Validator(schema)  # its methods are typed in part only
    return [error.message for error in validator.iter_errors(value)]
