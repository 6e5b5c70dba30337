"""What is known of devices: asked for by a question, shown of one, exported, and what has changed of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from msgspec import Meta

from corral.apple.inventory.items import ITEM_KINDS
from corral.apple.inventory.value import Value, read_written
from corral.http.admin.endpoint import Call, Download, Number, Query, View
from corral.http.admin.times import shown as shown_time
from corral.inventory.fields import FIELDS, ITEM_FIELDS
from corral.inventory.merging import KeptItem, read_fields
from corral.service.inventory.exporting import MEDIA_TYPES, Format, export, shown
from corral.service.inventory.looking import columns_of, question_of
from corral.store.inventory import DeviceRecord, StoredChange

_Query = Annotated[str, Meta(max_length=4000)]
_Columns = Annotated[str, Meta(max_length=4000)]


class InventoryQuery(Query):
    """`query` is a question (see docs/inventory.md); `columns` are attributes with commas between. `ended`: also
    devices whose connection is over, as they were known last."""

    query: _Query = ""
    columns: _Columns | None = None
    ended: bool = False
    after: Annotated[str, Meta(max_length=255)] = ""
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class ExportQuery(Query):
    query: _Query = ""
    columns: _Columns | None = None
    ended: bool = False
    format: Format = "csv"


class CountQuery(Query):
    query: _Query = ""
    ended: bool = False


class HistoryQuery(Query):
    before: Number | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class ItemQuery(Query):
    """`kind` is a kind of item; `identifier` asks for one of them, an app's bundle identifier for example."""

    kind: Annotated[str, Meta(max_length=64)] = "app"
    identifier: Annotated[str, Meta(max_length=256)] | None = None
    after: Number = 0
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class DeviceRow(View):
    """`values` are the columns that were asked for; null where nothing is known."""

    device: str
    connection: str
    values: Mapping[str, str | bool | int | float | None]


class DeviceRows(View):
    """By device id; `next` is the `after` of the following page."""

    columns: tuple[str, ...]
    devices: tuple[DeviceRow, ...]
    next: str | None


class Counted(View):
    count: int


class ItemView(View):
    """`user` is the id of the user who has it; empty: the device itself. Times are milliseconds since 1970."""

    kind: str
    user: str
    identifier: str
    label: str
    fields: Mapping[str, str | bool | int | float]


class ReportView(View):
    """When the device was asked, and when it answered; `asked_at` is null of what it told by itself."""

    report: str
    user: str
    asked_at: datetime | None
    received_at: datetime | None


class DeviceInventoryView(View):
    """`connection` is the one that said it, null where nothing is known yet."""

    device: str
    connection: str | None
    values: Mapping[str, str | bool | int | float | None]
    items: tuple[ItemView, ...]
    reports: tuple[ReportView, ...]


class ChangeView(View):
    """`name` is an attribute, or a kind of item of which `subject` is the identifier. `before` null: it is new; `after`
    null: it is gone."""

    number: int
    at: datetime | None
    device: str
    connection: str
    report: str
    user: str
    name: str
    subject: str
    before: str | None
    after: str | None


class History(View):
    """Newest first; `next` is the `before` of the following page."""

    changes: tuple[ChangeView, ...]
    next: int | None


class ItemCountView(View):
    identifier: str
    label: str
    name: str | None
    devices: int


class ItemCounts(View):
    """States of items and how many connected devices have each; `next` is the `after` of the following page."""

    items: tuple[ItemCountView, ...]
    next: int | None


class FieldView(View):
    """`kind`: text, number, yes/no, time or version. `source`: the command whose answer has it, and where."""

    name: str
    kind: str
    title: str
    unit: str
    source: str


class ItemKindView(View):
    name: str
    title: str
    source: str
    fields: tuple[FieldView, ...]


class Attributes(View):
    attributes: tuple[FieldView, ...]
    items: tuple[ItemKindView, ...]


async def query_inventory(call: Call, query: InventoryQuery) -> DeviceRows:
    columns = columns_of(query.columns)
    page = await call.services.inventory.page(query.query, query.after, query.limit, ended=query.ended)
    rows = tuple(_row(each, columns) for each in page.records)
    return DeviceRows(columns=columns, devices=rows, next=page.next)


async def count_inventory(call: Call, query: CountQuery) -> Counted:
    return Counted(count=await call.services.inventory.count(query.query, ended=query.ended))


async def export_inventory(
    call: Call, query: ExportQuery
) -> Annotated[Download, MEDIA_TYPES["csv"], MEDIA_TYPES["jsonl"]]:
    """`Corral-Total` says how many devices fit when the export began."""
    columns = columns_of(query.columns)
    question_of(query.query)
    inventory = call.services.inventory
    total = await inventory.count(query.query, ended=query.ended)
    return Download(
        export(inventory, query.query, columns, query.format, ended=query.ended),
        MEDIA_TYPES[query.format],
        {"corral-total": str(total), "content-disposition": f'attachment; filename="inventory.{query.format}"'},
    )


async def show_inventory(call: Call, device: str) -> DeviceInventoryView:
    found = await call.services.inventory.show(device)
    if isinstance(found, str):
        return DeviceInventoryView(device=found, connection=None, values={}, items=(), reports=())
    record = found.record
    return DeviceInventoryView(
        device=record.device_id,
        connection=record.connection_id,
        values={
            name: shown(record, name) for name, each in FIELDS.items() if name in record.values and not each.report
        },
        items=tuple(_item(each.item, each.user_id) for each in found.items),
        reports=tuple(
            ReportView(
                report=report,
                user=user,
                asked_at=shown_time(each.asked_at),
                received_at=shown_time(each.received_at),
            )
            for (report, user), each in sorted(found.reports.items())
        ),
    )


async def show_inventory_history(call: Call, device: str, query: HistoryQuery) -> History:
    found = await call.services.inventory.history(device, query.before, query.limit + 1)
    return _history(found, query.limit)


async def list_inventory_changes(call: Call, query: HistoryQuery) -> History:
    return _history(await call.services.inventory.history(None, query.before, query.limit + 1), query.limit)


async def count_inventory_items(call: Call, query: ItemQuery) -> ItemCounts:
    found = await call.services.inventory.items(query.kind, query.identifier, query.after, query.limit + 1)
    page = found[: query.limit]
    return ItemCounts(
        items=tuple(
            ItemCountView(
                identifier=each.item.identifier,
                label=each.item.label,
                name=read_fields(each.item.fields).get("name"),
                devices=each.devices,
            )
            for each in page
        ),
        next=page[-1].number if len(found) > len(page) else None,
    )


async def list_inventory_attributes(call: Call) -> Attributes:
    del call
    return Attributes(
        attributes=tuple(
            FieldView(name=each.name, kind=each.kind, title=each.title, unit=each.unit, source=each.source)
            for each in FIELDS.values()
        ),
        items=tuple(
            ItemKindView(
                name=kind.name,
                title=kind.title,
                source=kind.report,
                fields=tuple(
                    FieldView(name=each.name, kind=each.kind, title=each.title, unit=each.unit, source=each.source)
                    for each in ITEM_FIELDS[kind.name].values()
                ),
            )
            for kind in ITEM_KINDS.values()
        ),
    )


def _row(record: DeviceRecord, columns: tuple[str, ...]) -> DeviceRow:
    return DeviceRow(
        device=record.device_id,
        connection=record.connection_id,
        values={name: shown(record, name) for name in columns},
    )


def _item(item: KeptItem, user: str) -> ItemView:
    fields = ITEM_FIELDS[item.kind]
    values: dict[str, Value] = {
        name: read_written(fields[name].kind, text) for name, text in read_fields(item.fields).items() if name in fields
    }
    return ItemView(kind=item.kind, user=user, identifier=item.identifier, label=item.label, fields=values)


def _history(found: tuple[StoredChange, ...], limit: int) -> History:
    page = found[:limit]
    return History(
        changes=tuple(
            ChangeView(
                number=each.number,
                at=shown_time(each.change.at),
                device=each.device_id,
                connection=each.connection_id,
                report=each.change.report,
                user=each.change.user_id,
                name=each.change.name,
                subject=each.change.subject,
                before=each.change.before,
                after=each.change.after,
            )
            for each in page
        ),
        next=page[-1].number if len(found) > len(page) else None,
    )
