"""Holding keys and their values against the schema: of a command, or of a payload of a profile."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from corral.apple.catalog.placing import (
    Finding,
    Severity,
    Target,
    check_version,
    is_forbidden_to_user_enrollments,
    missing_rights,
)
from corral.apple.catalog.spec import KeySpec
from corral.apple.plist import PlistValue


def check_keys(
    specs: Sequence[KeySpec],
    keys: Mapping[str, PlistValue],
    target: Target,
    path: str,
    unknown: Severity = "error",
) -> Iterator[Finding]:
    """Keys of a dictionary at `path`; a key that the schema does not have is told as `unknown`."""
    known = {each.name: each for each in specs}
    free = "ANY" in known
    for name, value in keys.items():
        where = path + name
        each = known.get(name)
        if each is not None:
            yield from check_placement(each, where, target)
            yield from _check_value(each, value, target, where, unknown)
        elif not free:
            yield Finding(unknown, where, f"is not known; known are {', '.join(known) or 'no keys at all'}")
    for each in specs:
        if each.required and each.name not in {*keys, "ANY"} and _is_everywhere(each, target):
            yield Finding("error", path + each.name, "is required")


def _is_everywhere(each: KeySpec, target: Target) -> bool:
    """Whether a device of the target's platform, or of any if that is not known, has this key."""
    if target.platform is None:
        return None not in each.platforms.values()
    return each.platforms.get(target.platform, each) is not None


def check_placement(each: KeySpec, where: str, target: Target) -> Iterator[Finding]:
    """Why a device would pass over a key (or query), or one item of many: the rest of the command still counts."""
    if target.platform is None or target.platform not in each.platforms:
        return
    facts = each.platforms[target.platform]
    if facts is None:
        yield Finding("warning", where, f"means nothing on {target.platform}")
        return
    yield from check_version("warning", where, facts, target)
    if is_forbidden_to_user_enrollments(facts, target):
        yield Finding("warning", where, "is forbidden to user enrollments")
    if facts.supervised and target.supervised is False:
        yield Finding("warning", where, f"needs a supervised device on {target.platform}")
    if facts.requires_dep and target.automated is False:
        yield Finding("warning", where, f"needs a device that came by automated enrollment on {target.platform}")
    if facts.shared_ipad == "required" and target.is_no_shared_ipad:
        yield Finding("warning", where, "needs a Shared iPad")
    if facts.shared_ipad == "forbidden" and target.shared_ipad:
        yield Finding("warning", where, "is forbidden on a Shared iPad")
    missing = missing_rights(facts.access_rights, target)
    if missing:
        yield Finding("warning", where, f"needs access right {missing}, which this enrollment does not have")


def _check_value(each: KeySpec, value: PlistValue, target: Target, where: str, unknown: Severity) -> Iterator[Finding]:
    if not _has_type(value, each.type):
        yield Finding("error", where, f"must be of type {each.type}")
    elif isinstance(value, Mapping):
        if each.keys:
            yield from check_keys(each.keys, value, target, f"{where}.", unknown)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for index, item in enumerate(value):
            yield from _check_item(each.keys, item, target, f"{where}[{index}]", unknown)
    elif each.rangelist and value not in each.rangelist:
        yield Finding("error", where, f"must be one of {', '.join(map(str, each.rangelist))}")
    elif isinstance(value, int | float):
        if each.minimum is not None and value < each.minimum:
            yield Finding("error", where, f"must be at least {each.minimum}")
        if each.maximum is not None and value > each.maximum:
            yield Finding("error", where, f"must be at most {each.maximum}")
    elif isinstance(value, str) and each.format is not None and not re.search(each.format, value):
        yield Finding("error", where, f"must have the form {each.format}")


def _check_item(
    kinds: Sequence[KeySpec], item: PlistValue, target: Target, where: str, unknown: Severity
) -> Iterator[Finding]:
    """An item of an array: of its one kind, or of the kind that the item itself names (Settings)."""
    if len(kinds) == 1:
        kind = kinds[0]
        yield from _check_value(kind, item, target, where, unknown)
        if isinstance(item, str) and kind.keys:
            yield from _check_query(kind.keys, item, target, where)
        return
    if not kinds:
        return
    named = item.get("Item") if isinstance(item, Mapping) else None
    chosen = next((kind for kind in kinds if kind.name == named), None)
    if chosen is None:
        yield Finding("error", where, f"must have as its Item one of {', '.join(kind.name for kind in kinds)}")
        return
    yield from check_placement(chosen, where, target)
    yield from _check_value(chosen, item, target, where, unknown)


def _check_query(known: Sequence[KeySpec], name: str, target: Target, where: str) -> Iterator[Finding]:
    """A name in an array of names (Queries); a device leaves out what it does not know."""
    chosen = next((each for each in known if each.name == name), None)
    if chosen is None:
        yield Finding("warning", where, f"{name} is not known")
        return
    yield from check_placement(chosen, where, target)


def _has_type(value: PlistValue, name: str) -> bool:
    match name:
        case "any":
            return True
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "real":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "array":
            return isinstance(value, Sequence) and not isinstance(value, str | bytes)
        case "dictionary":
            return isinstance(value, Mapping)
        case "data":
            return isinstance(value, bytes)
        case "date":
            return isinstance(value, datetime)
        case _:
            return isinstance(value, str)
