"""JSON into the types of the schema, and the schema as JSON Schema: what one lets through, the other builds."""

import base64
import json
from datetime import datetime
from typing import Any

import jsonschema
import pytest

from corral.apple import command, plist
from corral.apple.catalog import Target, check, fit, json_schema, spec, specs

SETTINGS = {"Settings": [{"Item": "Wallpaper", "Image": "AAEC", "Where": 1}]}


def keys_of(request_type: str) -> Any:
    found = spec(request_type)
    assert found is not None
    return found.keys


def test_text_becomes_data_where_the_schema_says_so_at_any_depth() -> None:
    assert fit(keys_of("InstallProfile"), {"Payload": "AAEC"}) == {"Payload": b"\0\1\2"}
    wanted = {"Settings": [{"Item": "Wallpaper", "Image": b"\0\1\2", "Where": 1}]}
    assert fit(keys_of("Settings"), SETTINGS) == wanted


def test_what_does_not_fit_stays_and_is_found() -> None:
    keys = fit(keys_of("InstallProfile"), {"Payload": "<plist>", "Other": 5})
    assert keys == {"Payload": "<plist>", "Other": 5}
    told = [str(each) for each in check("InstallProfile", keys, Target())]
    assert "error: Payload: must be of type data" in told


def test_a_text_of_digits_stays_text() -> None:
    assert fit(keys_of("DeviceLock"), {"PIN": "123456"}) == {"PIN": "123456"}


def test_a_time_is_said_in_utc() -> None:
    dates = [
        (each.request_type, key) for each in specs() for key in each.keys if key.type == "date"
    ]  # the schema has had some, and has none at the moment at the top
    for request_type, key in dates:
        kept = fit(keys_of(request_type), {key.name: "2026-12-31T12:00:00+02:00"})
        assert kept == {key.name: datetime(2026, 12, 31, 10)}


def example(schema: dict[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: example(each) for name, each in schema.get("properties", {}).items()}
        case "array":
            items = schema.get("items", {"type": "string"})
            return [example(each) for each in items.get("oneOf", [items])]
        case "string" if schema.get("contentEncoding") == "base64":
            return base64.b64encode(b"x").decode()
        case "string" if schema.get("pattern") == "^[0-9]{6}$":
            return "123456"
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return "x"


@pytest.mark.parametrize("request_type", [each.request_type for each in specs()])
def test_what_the_json_schema_describes_is_built_and_passes(request_type: str) -> None:
    schema = json_schema(keys_of(request_type))
    jsonschema.Draft202012Validator.check_schema(schema)
    given = json.loads(json.dumps(example(schema)))
    jsonschema.validate(given, schema)
    keys = fit(keys_of(request_type), given)
    assert [each for each in check(request_type, keys, Target()) if each.severity == "error"] == []
    assert command.command_keys(command.build("C", request_type, keys)) == plist.parse(plist.dump(keys))


def test_the_json_schema_refuses_what_the_check_refuses() -> None:
    schema = json_schema(keys_of("DeviceLock"))
    for wrong in ({"Pin": "1"}, {"PIN": 123456}, {"PIN": "12345"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
