"""The vocabulary says of each type of event what it is. (Whether it has all: cli/test_documents.py.)"""

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from corral.lifecycle.event_type import About
from corral.lifecycle.vocabulary import VOCABULARY
from event_schemas import violations


@pytest.mark.parametrize("name", sorted(VOCABULARY))
def test_each_type_is_named_and_told_and_its_schema_is_one(name: str) -> None:
    kind = VOCABULARY[name]
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*", name)
    assert kind.meaning.endswith(".")
    assert "\n" not in kind.meaning
    names = [each.name for each in kind.fields]
    assert len(names) == len(set(names))
    Draft202012Validator.check_schema(kind.schema())


def _event(**changes: Any) -> dict[str, Any]:
    event = {
        "sequence": 7,
        "type": "connection.ended",
        "at": "2026-11-24T10:00:00Z",
        "device_id": "D1",
        "connection_id": "C1",
        "data": {"reason": "removed", "proof": "CheckOut"},
    }
    return event | changes


def test_a_schema_takes_its_event_and_refuses_what_it_is_not() -> None:
    kind = VOCABULARY["connection.ended"]
    assert kind.about is About.DEVICE
    schema = kind.schema()
    assert not violations(schema, _event())
    assert not violations(schema, _event(data={"reason": "removed", "proof": "CheckOut", "more": 1}))
    assert violations(schema, _event(type="connection.renewed"))
    assert violations(schema, _event(device_id=None))
    assert violations(schema, _event(data={"reason": "boredom", "proof": "CheckOut"}))
    assert violations(schema, _event(data={"reason": "removed"}))
