"""Examples, put together from the schema of a type and from samples of its fields: no example can miss a field."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from corral.http.admin.openapi.samples import SAMPLES, WHOLE

TIME = "2026-11-30T08:15:00Z"
_DEEPEST = 6

Schema = Mapping[str, Any]


def body(name: str, components: Schema) -> Any:
    """What somebody could send as this type: what it must have, unless a whole sample shows more."""
    if name in WHOLE:
        return WHOLE[name]
    required: list[str] = components[name].get("required", [])
    properties: Schema = components[name].get("properties", {})
    return {each: _value(properties[each], components, name, each, 0) for each in required}


def answer(name: str, components: Schema) -> Any:
    """What the service could answer as this type, with every field."""
    return _named(name, components, 0)


def parameter(kind: str, name: str, schema: Schema, components: Schema) -> Any:
    return _value(schema, components, kind, name, 0)


def unsampled(components: Schema) -> Iterator[str]:
    """Fields of text that no sample is for: `Type.field`."""
    for kind, schema in components.items():
        if kind not in WHOLE:
            for name, each in cast(Schema, schema.get("properties", {})).items():
                if _is_bare(each) and _sample(kind, name, each) is None:
                    yield f"{kind}.{name}"


def _is_bare(schema: Schema) -> bool:
    """Text that may be anything, of which a type alone makes no example that says something."""
    return schema.get("type") == "string" and not schema.keys() & {"enum", "format", "default", "const"}


def _named(name: str, components: Schema, depth: int) -> Any:
    schema: Schema = components[name]
    if name in WHOLE:
        return WHOLE[name]
    if "properties" not in schema:
        return _value(schema, components, name, "", depth)
    properties: Schema = schema["properties"]
    return {each: _value(value, components, name, each, depth) for each, value in properties.items()}


def _value(schema: Schema, components: Schema, kind: str, name: str, depth: int) -> Any:
    found = _sample(kind, name, schema)
    if found is not None:
        return found[0]
    if "$ref" in schema:
        return _named(schema["$ref"].rpartition("/")[2], components, depth + 1)
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return _value(schema[choice][0], components, kind, "", depth)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "array":
            return _items(schema, components, kind, depth)
        case "string":
            return TIME if schema.get("format") == "date-time" else schema.get("default", "text")
        case "integer" | "number":
            return schema.get("default", schema.get("minimum", 0))
        case "boolean":
            return schema.get("default", False)
        case "object":
            return {}
        case _:
            return schema.get("const")


def _sample(kind: str, name: str, schema: Schema) -> tuple[Any] | None:
    """What there is for this field, if anything; what is kept under the name alone must be of the right sort."""
    if not name:
        return None
    if f"{kind}.{name}" in SAMPLES:
        return (SAMPLES[f"{kind}.{name}"],)
    return (SAMPLES[name],) if name in SAMPLES and _fits(SAMPLES[name], schema) else None


_SORTS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "object": (dict,),
}


def _fits(value: Any, schema: Schema) -> bool:
    return any(_is(value, each) for each in schema.get("anyOf", (schema,)))


def _is(value: Any, schema: Schema) -> bool:
    if "enum" in schema:
        return value in schema["enum"]
    if schema.get("type") == "array":
        items: Schema = schema.get("items") or {}
        return isinstance(value, list) and all(_fits(each, items) for each in cast(list[Any], value))
    # Not isinstance, to which True is a number.
    return any(type(value) is each for each in _SORTS.get(schema.get("type", ""), ()))


def _items(schema: Schema, components: Schema, kind: str, depth: int) -> list[Any]:
    items = schema.get("items")
    if depth >= _DEEPEST or not isinstance(items, Mapping):
        return []
    return [_value(cast(Schema, items), components, kind, "", depth)]
