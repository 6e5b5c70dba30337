"""The vocabulary of events, as data."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from corral.http.admin.endpoint import Call, View
from corral.lifecycle.event_type import About, EventType
from corral.lifecycle.vocabulary import VOCABULARY
from corral.service.errors import NotFound


class EventTypeView(View):
    """`about`: whether events of this type name a device."""

    type: str
    about: About
    meaning: str


class EventTypeList(View):
    event_types: tuple[EventTypeView, ...]


class EventTypeDetail(View):
    """`schema`: JSON Schema of a whole event of this type."""

    type: str
    about: About
    meaning: str
    schema: Mapping[str, Any]


async def list_event_types(call: Call) -> EventTypeList:
    del call
    return EventTypeList(event_types=tuple(map(_summary, VOCABULARY.values())))


async def show_event_type(call: Call, event_type: str) -> EventTypeDetail:
    del call
    found = VOCABULARY.get(event_type)
    if found is None:
        like = get_close_matches(event_type, VOCABULARY, 3)
        hint = f"did you mean {' or '.join(like)}" if like else "`GET /event-types` lists them"
        raise NotFound(f"There are no events {event_type}; {hint}.")
    return EventTypeDetail(type=found.name, about=found.about, meaning=found.meaning, schema=found.schema())


def _summary(found: EventType) -> EventTypeView:
    return EventTypeView(type=found.name, about=found.about, meaning=found.meaning)
