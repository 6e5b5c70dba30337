"""What is taken in, as rows, for both back-ends."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from corral.apple.inventory.attributes import DEVICE
from corral.apple.inventory.value import written
from corral.inventory.fields import FIELDS
from corral.inventory.merging import Change, Freshness, Kept, KeptItem, attribute_key, is_news, item_keys, merge
from corral.lifecycle.state import Instant, Phase
from corral.sealing import Sealer, SealError
from corral.store.bodies import open_command, open_result
from corral.store.inventory import Answer, DeviceRecord, StoredChange, Taken
from corral.store.rows import Row

ITEM = "sha kind identifier label fields"
CHANGE = "connection_id device_id at report user_id name subject before after"
REPORT = "inventory_id report user_id asked_at received_at sha"
ATTRIBUTE = "inventory_id name written key"
ITEM_KEY = "sha kind name key"
HAS = "inventory_id kind user_id sha"

ESCROWED = [each for each in FIELDS.values() if each.escrow]
"""Whether a device has a secret of such a kind in escrow."""

_SAID = {
    "name": "name",
    "os_version": "os_version",
    "build_version": "build_version",
    "product_name": "product",
    "model": "model",
    "model_name": "model_name",
}
"""What DeviceInformation tells of what a device is listed, found and aimed at by: columns of `device`, with attributes.
Most devices say it in no other message, or only when they enroll."""
SAID = " ".join(("id", *_SAID))


@dataclass(slots=True)
class Life:
    """A row of `inventory`, with what is known of it now."""

    number: int
    connection_id: str
    device_id: str
    kept: Kept = field(default_factory=Kept)


@dataclass(slots=True)
class Writing:
    """Rows to put and to delete."""

    attributes: list[Row] = field(default_factory=list[Row])
    attributes_gone: list[Row] = field(default_factory=list[Row])
    items: dict[str, KeptItem] = field(default_factory=dict[str, KeptItem])
    has: list[Row] = field(default_factory=list[Row])
    has_gone: list[Row] = field(default_factory=list[Row])
    reports: list[Row] = field(default_factory=list[Row])
    changes: list[Row] = field(default_factory=list[Row])
    said: list[Row] = field(default_factory=list[Row])
    """By device id, with None for what is not known."""


def with_news(lives: Mapping[str, Life], taken: Sequence[Taken]) -> list[int]:
    """Numbers of those of which all that is known has to be read, since something of it may change."""
    found = set[int]()
    for each in taken:
        life = lives.get(each.connection_id)
        if life is not None and each.report is not None:
            before = life.kept.reports.get((each.report.name, each.report.user_id))
            if is_news(each.report, before):
                found.add(life.number)
    return sorted(found)


def take(lives: Mapping[str, Life], taken: Sequence[Taken]) -> Writing:
    """Merge the reports into what is known, in their order, and say what that comes to. What is not among `lives` is
    passed over."""
    writing = Writing()
    attributes = {life.number: dict(life.kept.attributes) for life in lives.values()}
    items = {life.number: dict(life.kept.items) for life in lives.values()}
    reports = {life.number: dict(life.kept.reports) for life in lives.values()}
    for each in taken:
        life = lives.get(each.connection_id)
        if life is not None and each.report is not None:
            changes = merge(life.kept, each.report)
            writing.changes += [_change(life, change) for change in changes]
    told = {each.connection_id for each in taken if each.report is not None and each.report.name == DEVICE}
    for life in sorted(lives.values(), key=lambda each: each.device_id):
        known = [life.kept.attributes.get(name) for name in _SAID.values()]
        if life.connection_id in told and any(known):
            writing.said.append((life.device_id, *known))
    for life in lives.values():
        number = life.number
        _attributes(writing, number, attributes[number], life.kept.attributes)
        _items(writing, number, items[number], life.kept.items)
        writing.reports += [
            (number, report, user, each.asked_at, each.received_at, each.sha)
            for (report, user), each in life.kept.reports.items()
            if each != reports[number].get((report, user))
        ]
    return writing


def key_rows(items: Iterable[KeptItem]) -> list[Row]:
    return [(each.sha, each.kind, name, key) for each in items for name, key in item_keys(each).items()]


def item_row(item: KeptItem) -> Row:
    return item.sha, item.kind, item.identifier, item.label, item.fields


def item(row: Row) -> KeptItem:
    return KeptItem(*row)


def freshness(row: Row) -> Freshness:
    """Of `asked_at received_at sha`."""
    return Freshness(*row)


def by_life(found: Iterable[Row]) -> dict[str, dict[str, Freshness]]:
    """Of a connection and a report, and what `freshness` takes."""
    lives = dict[str, dict[str, Freshness]]()
    for connection_id, report, *said in found:
        lives.setdefault(connection_id, {})[report] = freshness(tuple(said))
    return lives


def change(row: Row) -> StoredChange:
    """Of `id` and CHANGE."""
    number, connection_id, device_id, at, report, user_id, name, subject, before, after = row
    told = Change(at=at, report=report, user_id=user_id, name=name, subject=subject, before=before, after=after)
    return StoredChange(number=number, device_id=device_id, connection_id=connection_id, change=told)


def record(row: Row, attributes: Mapping[str, str]) -> DeviceRecord:
    """Of `device_id connection_id phase connected_at last_seen`, whether there is each of ESCROWED, and attributes."""
    device_id, connection_id, phase, connected_at, last_seen, *has = row
    own = {"state": phase, "enrolled_at": connected_at, "last_seen": last_seen}
    values = {name: str(value) for name, value in own.items() if value is not None} | dict(attributes)
    values |= {each.name: written(each.kind, bool(one)) for each, one in zip(ESCROWED, has, strict=True)}
    return DeviceRecord(device_id=device_id, connection_id=connection_id, phase=Phase(phase), values=values)


def put_told(attributes: dict[str, str], report: str, at: Instant) -> None:
    """When this was told, beside the attributes of a device."""
    name = f"reported.{report.lower()}"
    if name in FIELDS:
        attributes[name] = str(at)


def answer(row: Row, sealer: Sealer) -> Answer:
    """Of `sequence channel_id connection_id command_uuid request_type queued_at received_at`, and the bodies of the
    command and of the result with whether that is unreadable."""
    sequence, channel_id, connection_id, uuid, request_type, queued_at, received_at, command, body, unreadable = row
    command, body = _opened(uuid, command, None if unreadable else body, sealer)
    return Answer(
        sequence=sequence,
        connection_id=connection_id,
        user_id=channel_id[len(connection_id) + 1 :],
        request_type=request_type,
        command_uuid=uuid,
        asked_at=queued_at,
        received_at=received_at,
        command=command,
        body=body,
    )


def _opened(uuid: str, command: bytes, body: bytes | None, sealer: Sealer) -> tuple[bytes, bytes | None]:
    """One that does not open must not keep those behind it from being taken in."""
    try:
        return open_command(command, uuid, sealer), None if body is None else open_result(body, uuid, sealer)
    except SealError:
        return b"", None


def _attributes(writing: Writing, number: int, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    for name, value in after.items():
        if before.get(name) != value:
            writing.attributes.append((number, name, value, attribute_key(name, value)))
    writing.attributes_gone += [(number, name) for name in before if name not in after]


def _items(
    writing: Writing,
    number: int,
    before: Mapping[tuple[str, str], KeptItem],
    after: Mapping[tuple[str, str], KeptItem],
) -> None:
    for (user, sha), each in after.items():
        if (user, sha) not in before:
            writing.items[sha] = each
            writing.has.append((number, each.kind, user, sha))
    writing.has_gone += [
        (number, each.kind, user, sha) for (user, sha), each in before.items() if (user, sha) not in after
    ]


def _change(life: Life, told: Change) -> Row:
    return (
        life.connection_id,
        life.device_id,
        told.at,
        told.report,
        told.user_id,
        told.name,
        told.subject,
        told.before,
        told.after,
    )
