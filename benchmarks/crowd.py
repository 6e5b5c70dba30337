"""Connections and histories in numbers: rows like those that a real device left, put into the database in bulk."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.backend import Backend, Rows
from corral.sealing import Sealer

MAGIC: Final = "B5E3C9F0-0000-4000-8000-000000000000"
GENERATED: Final = frozenset({("delivery", "sequence"), ("result", "id"), ("device", "words")})
"""Columns that the database fills by itself, beside each `number` of PostgreSQL's."""


def device_id(number: int) -> str:
    """A UDID, as iPhones have them; spread like real ones."""
    text = _digest(number).hex().upper()
    return f"{text[:8]}-{text[8:24]}"


def connection_id(number: int) -> str:
    """Its channel has the same."""
    text = _digest(number).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:32]}"


def token(number: int) -> bytes:
    """32 bytes."""
    return _digest(number)


def fill(backend: Backend, data: Path, numbers: range, sealer: Sealer | None = None) -> None:
    """Put these connections beside those that are there, of which one at least must be connected; the site does not
    run. With a sealer each gets a push token of its own that the service can open, else the pattern's, which it never
    does for a poll."""
    backend.fill(data, _tables(_pattern(backend, data), numbers, partial(_maker, sealer)))


def fill_history(backend: Backend, data: Path, connections: Sequence[str], commands: int) -> None:
    """Give each of these connections so many finished commands with their results, like one that is there."""
    pattern: dict[str, Mapping[str, Any]] = {}
    for name in ("command", "delivery", "result"):
        pattern[name], *_ = backend.read(data, f"SELECT * FROM {name} LIMIT 1")  # noqa: S608 - our own
    once, every = range(commands), range(commands * len(connections))
    backend.fill(data, _tables({"command": pattern.pop("command")}, once, partial(_history, connections, 1)))
    wide = len(connections)
    backend.fill(data, _tables(pattern, every, partial(_history, connections, wide)))


def _pattern(backend: Backend, data: Path) -> Mapping[str, Mapping[str, Any]]:
    (connection,) = backend.read(data, "SELECT * FROM connection WHERE phase = 'connected' LIMIT 1")
    key, device = connection["id"], connection["device_id"]
    (of_device,) = backend.read(data, f"SELECT * FROM device WHERE id = '{device}'")  # noqa: S608 - our own
    (channel,) = backend.read(data, f"SELECT * FROM channel WHERE id = '{key}'")  # noqa: S608
    certificate, *_ = backend.read(data, f"SELECT * FROM certificate WHERE connection_id = '{key}'")  # noqa: S608
    contact = {"channel_id": key, "last_seen": connection["connected_at"]}
    return {
        "device": of_device,
        "connection": connection,
        "channel": channel,
        "certificate": certificate,
        "contact": contact,
    }


def _tables(
    pattern: Mapping[str, Mapping[str, Any]], numbers: range, make: Callable[[str, str, Any], Callable[[int], Any]]
) -> Iterator[Rows]:
    for table, row in pattern.items():
        columns = [column for column in row if column != "number" and (table, column) not in GENERATED]
        makers = [make(table, column, row[column]) for column in columns]
        yield Rows(table, columns, zip(*(map(each, numbers) for each in makers), strict=True))


def _history(connections: Sequence[str], wide: int, table: str, column: str, value: Any) -> Callable[[int], Any]:
    """Rows go through the connections, then to the next command."""
    match table, column:
        case ("command", "uuid") | (_, "command_uuid"):
            return lambda number: f"00000000-0000-4000-8000-{number // wide:012X}"
        case (_, "channel_id" | "connection_id"):
            return lambda number: connections[number % wide]
        case _:
            return lambda number: value


def _maker(sealer: Sealer | None, table: str, column: str, value: Any) -> Callable[[int], Any]:
    """What makes a column's value from a row's number."""
    match table, column:
        case ("device", "id") | (_, "device_id"):
            return device_id
        case ("device", "serial_number"):
            return lambda number: f"C{number:011X}"
        case ("connection" | "channel", "id") | (_, "connection_id" | "channel_id"):
            return connection_id
        case ("certificate", "fingerprint"):
            return lambda number: hashlib.sha256(b"certificate %d" % number).digest()
        case ("certificate", "grant_id"):
            return lambda number: hashlib.md5(b"grant %d" % number, usedforsecurity=False).hexdigest()
        case ("channel", "token") if sealer is not None:
            return lambda number: sealer.seal(token(number), f"channel/token/{connection_id(number)}")
        case ("channel", "magic") if sealer is not None:
            return lambda number: sealer.seal(MAGIC.encode(), f"channel/magic/{connection_id(number)}")
        case ("channel", "unreachable"):
            # The pattern enrolled before there was a push certificate.
            return lambda number: ""
        case _:
            return lambda number: value


def _digest(number: int) -> bytes:
    return hashlib.sha256(b"crowd %d" % number).digest()
