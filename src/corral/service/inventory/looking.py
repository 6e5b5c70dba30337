"""Questions to the inventory: which devices fit, what is known of one, what has changed, who has which app."""

from collections.abc import AsyncGenerator, Awaitable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from corral.apple.inventory.items import ITEM_KINDS
from corral.inventory.asking import read_question
from corral.inventory.fields import FIELDS, ITEM_FIELDS
from corral.inventory.question import And, Compare, OneOf, Operator, Question, QuestionError
from corral.lifecycle.state import Phase
from corral.service.clock import Clock
from corral.service.errors import NotFound, RequestRefused
from corral.store.directory import Directory
from corral.store.errors import TakesTooLong
from corral.store.inventory import DeviceInventory, DeviceRecord, InventoryStore, ItemCount, StoredChange

T = TypeVar("T")

COLUMNS = ("device", "serial", "name", "platform", "os_version", "model_name", "supervised", "last_seen")
"""Of a listing, where nobody says otherwise."""
MOST_COLUMNS = 200
PIECE = 500
"""Devices that an export reads at once."""


@dataclass(frozen=True, slots=True)
class Page:
    records: tuple[DeviceRecord, ...]
    next: str | None


class Inventory:
    def __init__(self, store: InventoryStore, directory: Directory, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock

    async def page(self, query: str, after: str, limit: int, *, ended: bool = False) -> Page:
        """Raises RequestRefused for what is no question."""
        question = question_of(query)
        ids = await _answered(self._store.select(question, self._clock(), after=after, limit=limit + 1, ended=ended))
        records = await self._store.records(ids[:limit])
        return Page(records, ids[limit - 1] if len(ids) > limit else None)

    async def count(self, query: str, *, ended: bool = False) -> int:
        return await _answered(self._store.count(question_of(query), self._clock(), ended=ended))

    async def connected(self, query: str, most: int) -> list[str]:
        """The ids of the connected devices that fit. Raises RequestRefused for more than `most`."""
        question = And((Compare("state", Operator.EQUAL, Phase.CONNECTED.value), question_of(query)))
        found, after, now = list[str](), "", self._clock()
        while True:
            piece = await _answered(self._store.select(question, now, after=after, limit=10 * PIECE))
            found += piece
            if len(found) > most:
                raise RequestRefused(f"The query means more than {most:,} devices; narrow it.")
            if len(piece) < 10 * PIECE:
                return found
            after = piece[-1]

    async def among(self, query: str, device_ids: Sequence[str]) -> frozenset[str]:
        """Those of some hundred devices that fit."""
        question = And((OneOf("device", tuple(device_ids)), question_of(query)))
        return frozenset(await _answered(self._store.select(question, self._clock(), after="", limit=len(device_ids))))

    async def everything(self, question: Question, *, ended: bool = False) -> AsyncGenerator[Sequence[DeviceRecord]]:
        """Of all that fit, in the order of their ids, some at a time."""
        after, now = "", self._clock()
        while True:
            ids = await _answered(self._store.select(question, now, after=after, limit=PIECE, ended=ended))
            if ids:
                yield await self._store.records(ids)
            if len(ids) < PIECE:
                return
            after = ids[-1]

    async def show(self, device: str) -> DeviceInventory | str:
        """The id alone of a device of which nothing is known yet. Raises NotFound."""
        device_id = await self._find(device)
        return await self._store.show(device_id) or device_id

    async def history(self, device: str | None, before: int | None, limit: int) -> tuple[StoredChange, ...]:
        """Newest first. Raises NotFound."""
        return await self._store.history(None if device is None else await self._find(device), before, limit)

    async def items(self, kind: str, identifier: str | None, after: int, limit: int) -> tuple[ItemCount, ...]:
        """Raises RequestRefused for a kind that is none."""
        if kind not in ITEM_KINDS:
            raise RequestRefused(f"{kind!r} is no kind of item; there are {', '.join(ITEM_KINDS)}.")
        return await self._store.items(kind, identifier, after, limit)

    async def _find(self, device: str) -> str:
        found = await self._directory.resolve(device)
        if found is None:
            raise NotFound(f"There is no device {device}, or more than one; name it by its id.")
        return found


async def _answered(asking: Awaitable[T]) -> T:
    """Raises RequestRefused for a question that takes too long."""
    try:
        return await asking
    except TakesTooLong as error:
        raise RequestRefused(str(error)) from None


def question_of(query: str) -> Question:
    """Raises RequestRefused."""
    try:
        return read_question(query)
    except QuestionError as error:
        raise RequestRefused(f"The query is not understood: {error}.") from None


def columns_of(columns: str | None) -> tuple[str, ...]:
    """Of `a,b,c`, or those that are always shown. Raises RequestRefused."""
    if not columns:
        return COLUMNS
    names = tuple(dict.fromkeys(each.strip().lower() for each in columns.split(",") if each.strip()))
    unknown = [each for each in names if each not in FIELDS]
    if unknown:
        kind, _, name = unknown[0].rpartition(".")
        if name in ITEM_FIELDS.get(kind, {}):
            raise RequestRefused(
                f"A device has many of {kind}, and no column for {unknown[0]}; name fields of the device."
            )
        raise RequestRefused(f"{unknown[0]!r} is no attribute; `corral inventory attributes` lists them.")
    if len(names) > MOST_COLUMNS:
        raise RequestRefused(f"More than {MOST_COLUMNS} columns.")
    return names
