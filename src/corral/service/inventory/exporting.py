"""The inventory as a file: a table for spreadsheets, or a JSON object a line."""

import csv
import io
from collections.abc import AsyncGenerator, Sequence
from typing import Literal, TypeAlias

import msgspec

from corral.apple.inventory.value import Kind, Value, read_written
from corral.inventory.fields import FIELDS
from corral.service.clock import to_datetime
from corral.service.inventory.looking import Inventory, question_of
from corral.store.inventory import DeviceRecord

Format: TypeAlias = Literal["csv", "jsonl"]

MEDIA_TYPES = {"csv": "text/csv; charset=utf-8; header=present", "jsonl": "application/x-ndjson"}

_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Some spreadsheets take the wide ones, which East Asian keyboards have, for the others."""


async def export(
    inventory: Inventory, query: str, columns: Sequence[str], form: Format, *, ended: bool = False
) -> AsyncGenerator[bytes]:
    """Some devices at a time, in the order of their ids."""
    write = _csv if form == "csv" else _jsonl
    if form == "csv":
        yield _line(columns)
    async for records in inventory.everything(question_of(query), ended=ended):
        yield b"".join([write(each, columns) for each in records])


def shown(record: DeviceRecord, name: str) -> Value | str | None:
    """As the API tells it: times by RFC 3339; None where it is not known."""
    text = record.values.get(name)
    if text is None:
        return None
    kind = FIELDS[name].kind
    value = read_written(kind, text)
    return written_time(int(value)) if kind is Kind.TIME else value


def written_time(at: int) -> str:
    return to_datetime(at).isoformat(timespec="seconds").replace("+00:00", "Z")


def safe(cell: str) -> str:
    """What no spreadsheet takes for a formula (OWASP: CSV Injection): an apostrophe goes before it."""
    return f"'{cell}" if cell.startswith(_FORMULAS) else cell


def _csv(record: DeviceRecord, columns: Sequence[str]) -> bytes:
    return _line([_cell(shown(record, name)) for name in columns])


def _cell(value: Value | str | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(value)  # a number is none of a device's texts, and may be negative
    return "" if value is None else safe(value)


def _line(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()


def _jsonl(record: DeviceRecord, columns: Sequence[str]) -> bytes:
    return msgspec.json.encode({name: shown(record, name) for name in columns}) + b"\n"
