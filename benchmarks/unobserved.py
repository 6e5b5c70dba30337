"""Corral that nobody watches: it counts nothing, writes no event, and with that nothing into the audit trail.

For comparison only, so it is done to the program here and is no setting of it. What is left beside the work is what an
idle service does as well.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.routing import BaseRoute

from corral import app
from corral.cli import main
from corral.http.asgi import App, Receive, Scope, Send
from corral.http.device.answers import Direct, messages_of
from corral.http.routes import routes_of
from corral.lifecycle.change import Change, Event
from corral.service.installation.metrics import Metrics
from corral.store.postgres.devices import PostgresDevices
from corral.store.postgres.events import PostgresEvents
from corral.store.postgres.queue import PostgresQueue
from corral.store.queue import QueuedCommand
from corral.store.sqlite.devices import SqliteDevices
from corral.store.sqlite.events import SqliteEvents
from corral.store.sqlite.queue import SqliteQueue


def close_all_eyes() -> None:
    app.front = _front
    Metrics.pushed = Metrics.told = _nothing
    for devices in _any(SqliteDevices, PostgresDevices):
        devices.commit = _without_events(devices.commit)
    for queue in _any(SqliteQueue, PostgresQueue):
        queue.enqueue = _unannounced(queue.enqueue)
    for events in _any(SqliteEvents, PostgresEvents):
        events.append = _forgotten


def _any(*classes: Any) -> tuple[Any, ...]:
    """Of both back-ends: what is done to them is no matter of types."""
    return classes


def _front(direct: Mapping[str, Direct], routes: list[BaseRoute], *noted: object) -> App:
    """The front door with nothing but the way through it."""
    del noted
    router = routes_of(routes)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        answer = direct.get(scope["path"])
        if answer is None:
            await router(scope, receive, send)
        elif (reply := await answer(scope, receive)) is not None:
            head, body = messages_of(reply)
            await send(head)
            await send(body)

    return serve


def _nothing(self: Metrics, outcome: str) -> None:
    del self, outcome


def _without_events(commit: Callable[[Any, Change], Any]) -> Callable[[Any, Change], Any]:
    def commit_the_rest(self: Any, change: Change) -> Any:
        # In place: a copy would cost as much as some of what it saves.
        object.__setattr__(change, "events", ())
        return commit(self, change)

    return commit_the_rest


def _unannounced(enqueue: Callable[..., Any]) -> Callable[..., Any]:
    def put(self: Any, command: QueuedCommand, channel_ids: Sequence[str], events: tuple[Event, ...] = ()) -> Any:
        del events
        return enqueue(self, command, channel_ids)

    return put


async def _forgotten(self: Any, events: Sequence[Event]) -> None:
    del self, events


if __name__ == "__main__":
    close_all_eyes()
    main()
