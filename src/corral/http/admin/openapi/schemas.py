"""JSON Schemas of the types that go over the wire."""

from collections.abc import Iterable, Iterator
from typing import Any, cast

import msgspec
from msgspec import inspect

REF = "#/components/schemas/{name}"

Structure = inspect.StructType | inspect.DataclassType


def schemas(kinds: Iterable[type]) -> dict[str, Any]:
    """By name, those of these types and of all that they are made of."""
    found = tuple(dict.fromkeys(kinds))
    _, components = msgspec.json.schema_components(found, ref_template=REF)
    for each in _structures(found):
        for field in each.fields:
            if any(isinstance(one, inspect.DateTimeType) for one in _choices(field.type)):
                _tell_time(components[each.cls.__name__]["properties"][field.encode_name])
    _tell_items(components)
    return components


def _tell_time(schema: dict[str, Any]) -> None:
    """msgspec says so only where a time must have a zone; all that are shown have one."""
    for each in schema.get("anyOf", (schema,)):
        if each.get("type") == "string":
            each["format"] = "date-time"


def _tell_items(schema: Any) -> None:
    """Lists of anything: generators of clients want that said."""
    if isinstance(schema, dict):
        found = cast(dict[str, Any], schema)
        if found.get("type") == "array" and "prefixItems" not in found:
            found.setdefault("items", {})
        schema = list(found.values())
    if isinstance(schema, list):
        for each in cast(list[Any], schema):
            _tell_items(each)


def _structures(kinds: Iterable[type]) -> Iterator[Structure]:
    """Each once, with those that they contain."""
    seen: set[type] = set()
    waiting = [*inspect.multi_type_info(kinds)]
    while waiting:
        for each in _choices(waiting.pop()):
            match each:
                case inspect.StructType() | inspect.DataclassType() if each.cls not in seen:
                    seen.add(each.cls)
                    waiting.extend(field.type for field in each.fields)
                    yield each
                case inspect.ListType() | inspect.VarTupleType():
                    waiting.append(each.item_type)
                case inspect.DictType():
                    waiting.append(each.value_type)
                case _:
                    pass


def _choices(kind: inspect.Type) -> Iterator[inspect.Type]:
    match kind:
        case inspect.UnionType():
            for each in kind.types:
                yield from _choices(each)
        case inspect.Metadata():
            yield from _choices(kind.type)
        case _:
            yield kind
