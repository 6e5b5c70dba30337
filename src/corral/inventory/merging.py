"""What an answer changes of what is known: the same answer again changes nothing but when it came."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from corral.apple.inventory.attributes import ATTRIBUTES, OF_CHECK_IN
from corral.apple.inventory.facts import Facts, Item
from corral.apple.inventory.items import ITEM_KINDS
from corral.apple.inventory.value import key, read_written, written


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An answer that is taken in. `user_id` is empty for the device's own channel; `asked_at` is None where nobody had
    asked. All times are Unix milliseconds."""

    name: str
    user_id: str = ""
    facts: Facts
    asked_at: int | None
    received_at: int
    sha: str
    """See `sha_of`."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """Of what one kind of report tells."""

    asked_at: int | None
    received_at: int
    sha: str
    """Of what was told; empty where that is not what is known any more."""


@dataclass(frozen=True, slots=True)
class KeptItem:
    """An item as it is kept: once for all devices that have it."""

    sha: str
    kind: str
    identifier: str
    label: str
    fields: str = field(repr=False)
    """JSON: by name, as `written`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of a history. `name` is an attribute, or the kind of an item and `subject` its identifier; None: there
    was, or is, none."""

    at: int
    report: str
    user_id: str
    name: str
    subject: str
    before: str | None
    after: str | None


@dataclass(slots=True)
class Kept:
    """What is known of one life. `attributes` are written values; `items` are by user and sha; `reports` by name and
    user."""

    attributes: dict[str, str] = field(default_factory=dict[str, str])
    items: dict[tuple[str, str], KeptItem] = field(default_factory=dict[tuple[str, str], KeptItem])
    reports: dict[tuple[str, str], Freshness] = field(default_factory=dict[tuple[str, str], Freshness])


def kept_item(item: Item) -> KeptItem:
    kinds = ITEM_KINDS[item.kind].fields
    fields = {name: written(kinds[name].kind, value) for name, value in sorted(item.fields.items())}
    text = msgspec.json.encode(fields).decode()
    sha = hashlib.sha256(f"{item.kind}\0{text}".encode()).hexdigest()[:32]
    return KeptItem(sha, item.kind, item.identifier, item.label, text)


def read_fields(text: str) -> dict[str, str]:
    """Of a KeptItem."""
    return msgspec.json.decode(text, type=dict[str, str])


def item_keys(item: KeptItem) -> dict[str, str]:
    """What its fields are compared by."""
    kinds = ITEM_KINDS[item.kind].fields
    return {
        name: key(kinds[name].kind, read_written(kinds[name].kind, text))
        for name, text in read_fields(item.fields).items()
        if name in kinds
    }


def attribute_key(name: str, text: str) -> str:
    """What a written value of an attribute is compared by."""
    kind = ATTRIBUTES[name].kind
    return key(kind, read_written(kind, text))


def sha_of(facts: Facts) -> str:
    """Two answers that say the same have the same."""
    said = (
        sorted((name, written(ATTRIBUTES[name].kind, value)) for name, value in facts.attributes.items()),
        sorted(facts.about),
        sorted(kept_item(each).sha for each in facts.items),
        sorted(facts.kinds),
        None if facts.of is None else sorted(facts.of),
        facts.partly,
    )
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:32]


def is_news(report: Report, before: Freshness | None) -> bool:
    """Whether it could change anything: not if it is older than, or the same as, what was taken in last."""
    return before is None or (report.received_at >= before.received_at and report.sha != before.sha)


def merge(kept: Kept, report: Report) -> list[Change]:
    """Takes a report in, and says what that has changed: nothing, where it is the first of its kind.

    Attributes are the device's: what its users' channels say of them is passed over.
    """
    place = report.name, report.user_id
    before = kept.reports.get(place)
    if before is not None and report.received_at < before.received_at:
        return []
    news, whole = is_news(report, before), _is_whole(kept, report)
    changes = list[Change]()
    if news and not report.user_id:
        changes += _attributes(kept.attributes, report)
    for kind in sorted(report.facts.kinds) if news else ():
        changes += _items(kept.items, kind, report)
    if whole or (before is None and not report.facts.kinds):
        kept.reports[place] = Freshness(report.asked_at, report.received_at, report.sha)
    elif before is not None and changes:  # what was taken in last does not say any more what is known
        kept.reports[place] = Freshness(before.asked_at, before.received_at, "")
    return changes if before is not None else []


def _is_whole(kept: Kept, report: Report) -> bool:
    """Whether it speaks of all that is known by reports of this name alone, so that all of that is as fresh as it."""
    facts = report.facts
    if facts.partly or facts.of is not None:
        return False
    known = [name for name in kept.attributes if ATTRIBUTES[name].report == report.name and name not in OF_CHECK_IN]
    return all(name in facts.about for name in known)


def _attributes(known: dict[str, str], report: Report) -> list[Change]:
    changes = list[Change]()
    told = report.facts.attributes
    for name in ATTRIBUTES:
        if name not in report.facts.about and name not in told:
            continue
        after = written(ATTRIBUTES[name].kind, told[name]) if name in told else None
        before = known.get(name)
        if after == before:
            continue
        changes.append(_change(report, name, "", before, after))
        if after is None:
            del known[name]
        else:
            known[name] = after
    return changes


def _items(known: dict[tuple[str, str], KeptItem], kind: str, report: Report) -> list[Change]:
    """What is not told any more is gone, where the answer speaks of all, or of this one. The same identifier gone and
    come is one change, from label to label."""
    user, facts = report.user_id, report.facts
    told = {each.sha: each for each in map(kept_item, facts.items) if each.kind == kind}
    named = {each.identifier for each in told.values()}
    spoken = named if facts.partly else None if facts.of is None else named | facts.of
    gone = [
        each
        for (owner, sha), each in known.items()
        if owner == user and each.kind == kind and sha not in told
        if spoken is None or each.identifier in spoken
    ]
    come = [each for sha, each in told.items() if (user, sha) not in known]
    for each in gone:
        del known[user, each.sha]
    for each in come:
        known[user, each.sha] = each
    return [_change(report, kind, *line) for line in _lines(gone, come)]


def _lines(gone: Sequence[KeptItem], come: Sequence[KeptItem]) -> list[tuple[str, str | None, str | None]]:
    """Identifier, label before, label after."""
    before, after = _by_identifier(gone), _by_identifier(come)
    lines = list[tuple[str, str | None, str | None]]()
    for identifier in sorted({*before, *after}):
        first, then = before.get(identifier, []), after.get(identifier, [])
        pairs = min(len(first), len(then))
        lines += [(identifier, a, b) for a, b in zip(first[:pairs], then[:pairs], strict=True) if a != b]
        lines += [(identifier, each, None) for each in first[pairs:]]
        lines += [(identifier, None, each) for each in then[pairs:]]
    return lines


def _by_identifier(items: Sequence[KeptItem]) -> Mapping[str, list[str]]:
    found = dict[str, list[str]]()
    for each in items:
        found.setdefault(each.identifier, []).append(each.label)
    return {identifier: sorted(labels) for identifier, labels in found.items()}


def _change(report: Report, name: str, subject: str, before: str | None, after: str | None) -> Change:
    return Change(
        at=report.received_at,
        report=report.name,
        user_id=report.user_id,
        name=name,
        subject=subject,
        before=before,
        after=after,
    )
