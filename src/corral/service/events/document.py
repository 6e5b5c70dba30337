"""An event as everybody outside gets it: over the API, in the stream, by webhooks."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from corral.service.clock import to_datetime
from corral.store.events import StoredEvent


class EventDocument(msgspec.Struct, kw_only=True):
    """`data` by the type, as the vocabulary says."""

    sequence: int
    type: str
    at: datetime
    device_id: str | None
    connection_id: str | None
    data: Mapping[str, Any]


def document(stored: StoredEvent) -> EventDocument:
    event = stored.event
    return EventDocument(
        sequence=stored.sequence,
        type=event.type,
        at=to_datetime(event.at),
        device_id=event.device_id,
        connection_id=event.connection_id,
        data=event.data,
    )
