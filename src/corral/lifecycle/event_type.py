"""What an event of one type says: what it means, what it is about, and the fields of its data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class About(StrEnum):
    """Whether an event of a type names a device."""

    DEVICE = "device"
    """`device_id` is always there; `connection_id` where one life of it is meant."""
    PERHAPS = "perhaps a device"
    """`device_id` and `connection_id` where they are known."""
    INSTALLATION = "installation"
    """Neither is there."""


@dataclass(frozen=True, slots=True)
class Field:
    """One key of the data. `schema` is JSON Schema of its value."""

    name: str
    schema: Mapping[str, Any]
    meaning: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class EventType:
    name: str
    about: About
    meaning: str
    fields: tuple[Field, ...] = ()

    def schema(self) -> Mapping[str, Any]:
        """JSON Schema (2020-12) of a whole event, as the API, the stream and webhooks give it.

        Keys that are not named may come with a later version, so they are allowed.
        """
        named = {"type": "string"} if self.about is About.DEVICE else {"type": ["string", "null"]}
        known = {"type": "null"} if self.about is About.INSTALLATION else named
        return {
            "$schema": DIALECT,
            "title": self.name,
            "description": self.meaning,
            "type": "object",
            "properties": {
                "sequence": {"type": "integer", "minimum": 0},
                "type": {"const": self.name},
                "at": {"type": "string", "format": "date-time"},
                "device_id": known,
                "connection_id": {"type": "null"} if self.about is About.INSTALLATION else {"type": ["string", "null"]},
                "data": {
                    "type": "object",
                    "properties": {each.name: {**each.schema, "description": each.meaning} for each in self.fields},
                    "required": [each.name for each in self.fields if not each.optional],
                },
            },
            "required": ["sequence", "type", "at", "device_id", "connection_id", "data"],
        }


def text(name: str, meaning: str, *, optional: bool = False, null: bool = False) -> Field:
    """A string; `null`: or null."""
    return Field(name, {"type": ["string", "null"] if null else "string"}, meaning, optional)


def word(name: str, values: Sequence[str], meaning: str, *, optional: bool = False) -> Field:
    """One of a few strings."""
    return Field(name, {"enum": sorted(values)}, meaning, optional)


def time(name: str, meaning: str, *, optional: bool = False) -> Field:
    return Field(name, {"type": "string", "format": "date-time"}, meaning, optional)


def number(name: str, meaning: str, *, optional: bool = False, null: bool = False) -> Field:
    return Field(name, {"type": ["integer", "null"] if null else "integer"}, meaning, optional)


def flag(name: str, meaning: str, *, optional: bool = False) -> Field:
    return Field(name, {"type": "boolean"}, meaning, optional)


def texts(name: str, meaning: str, *, optional: bool = False) -> Field:
    return Field(name, {"type": "array", "items": {"type": "string"}}, meaning, optional)


def words_by_name(name: str, meaning: str, *, optional: bool = False) -> Field:
    """An object whose values are strings."""
    return Field(name, {"type": "object", "additionalProperties": {"type": "string"}}, meaning, optional)


def facts(name: str, meaning: str, *, optional: bool = False) -> Field:
    """An object that this vocabulary says no more about."""
    return Field(name, {"type": "object"}, meaning, optional)
