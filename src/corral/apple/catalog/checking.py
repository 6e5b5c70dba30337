"""Holding a command against the catalog before it is queued.

An error is what the device would answer with Error or CommandFormatError; a warning is what it would leave out,
or what Apple has given up. What is not known of a target speaks against nothing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Literal

from corral.apple.catalog.spec import Availability, CommandSpec, KeySpec, spec
from corral.apple.identifiers import Kind
from corral.apple.platform import Platform, is_older, version
from corral.apple.plist import PlistValue

# Keys that every command takes beside its own.
_COMMON = {"RequestRequiresNetworkTether": bool}

# Removing the enrollment profile is always permitted (Apple: "Remove Profile Command").
_NEEDS_NO_RIGHT = frozenset({"RemoveProfile"})


@dataclass(frozen=True, slots=True)
class Target:
    """What is known of the channel that the command is for; None: not known. `access_rights` are bits."""

    platform: Platform | None = None
    os_version: str | None = None
    channel: Literal["device", "user"] = "device"
    kind: Kind | None = None
    supervised: bool | None = None
    access_rights: int | None = None
    shared_ipad: bool | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """`where` is the RequestType, or the path of a key such as `Settings[0].Enabled`."""

    severity: Literal["error", "warning"]
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.what}"


def check(request_type: str, keys: Mapping[str, PlistValue], target: Target) -> list[Finding]:
    """All that speaks against sending this command, with these keys beside its RequestType, to this target."""
    command = spec(request_type)
    if command is None:
        return [Finding("error", request_type, "Apple's schema knows no such RequestType")]
    findings = list(_check_command(command, target))
    known = {each.name: each for each in command.keys}
    for name, kind in _COMMON.items():
        if name in keys and name not in known and not isinstance(keys[name], kind):
            findings.append(Finding("error", name, "must be a boolean"))
    own = {name: value for name, value in keys.items() if name not in _COMMON or name in known}
    return findings + list(_check_keys(command.keys, own, target, ""))


def _check_command(command: CommandSpec, target: Target) -> Iterator[Finding]:
    where = command.request_type
    if target.platform is None:
        agreed = reduce(int.__and__, (facts.access_rights for facts in command.platforms.values()))
        yield from _check_rights(where, agreed, target)
        return
    facts = command.platforms.get(target.platform)
    if facts is None:
        elsewhere = ", ".join(command.platforms)
        yield Finding("error", where, f"does not exist on {target.platform}, only on {elsewhere}")
        return
    yield from _check_version("error", where, facts, target)
    yield from _check_channel(where, facts, target)
    if _is_forbidden_to_user_enrollments(facts, target):
        yield Finding("error", where, "is forbidden to user enrollments")
    if facts.supervised and target.supervised is False:
        yield Finding("error", where, f"needs a supervised device on {target.platform}")
    yield from _check_rights(where, facts.access_rights, target)


def _check_rights(where: str, needed: int, target: Target) -> Iterator[Finding]:
    missing = _missing_rights(needed, target)
    if missing and where not in _NEEDS_NO_RIGHT:
        yield Finding("error", where, f"needs access right {missing}, which this enrollment does not have")


def _check_version(
    severity: Literal["error", "warning"], where: str, facts: Availability, target: Target
) -> Iterator[Finding]:
    os_version = target.os_version
    try:
        version(os_version or "")
    except ValueError:
        return
    assert os_version is not None
    if facts.introduced is not None and is_older(os_version, facts.introduced):
        yield Finding(
            severity, where, f"exists since {target.platform} {facts.introduced}, the target has {os_version}"
        )
    elif facts.removed is not None and not is_older(os_version, facts.removed):
        yield Finding(severity, where, f"was removed in {target.platform} {facts.removed}")
    elif facts.deprecated is not None and not is_older(os_version, facts.deprecated):
        yield Finding("warning", where, f"is deprecated since {target.platform} {facts.deprecated}")


def _check_channel(where: str, facts: Availability, target: Target) -> Iterator[Finding]:
    on_user_channel = target.channel == "user"
    match target.platform:
        case Platform.MACOS:
            allowed = facts.user_channel if on_user_channel else facts.device_channel
        case Platform.IOS if on_user_channel or target.shared_ipad:
            # Of the iPads only a shared one has user channels.
            if facts.shared_ipad == "forbidden":
                yield Finding("error", where, "is forbidden on a Shared iPad")
                return
            allowed = facts.shared_ipad_user_channel if on_user_channel else facts.shared_ipad_device_channel
        case _:
            allowed = not on_user_channel
    if not allowed:
        other = "device" if on_user_channel else "user"
        yield Finding("error", where, f"is not for the {target.channel} channel: send it to the {other} channel")


def _is_forbidden_to_user_enrollments(facts: Availability, target: Target) -> bool:
    return target.kind is not None and target.kind.is_user_enrollment and facts.user_enrollment == "forbidden"


def _missing_rights(needed: int, target: Target) -> int:
    """The rights needed and not given; user enrollments have rights of their own, whatever was asked for."""
    if target.access_rights is None or (target.kind is not None and target.kind.is_user_enrollment):
        return 0
    return needed & ~target.access_rights


def _check_keys(
    specs: Sequence[KeySpec], keys: Mapping[str, PlistValue], target: Target, path: str
) -> Iterator[Finding]:
    known = {each.name: each for each in specs}
    free = "ANY" in known
    for name, value in keys.items():
        where = path + name
        each = known.get(name)
        if each is not None:
            yield from _check_placement(each, where, target)
            yield from _check_value(each, value, target, where)
        elif not free:
            yield Finding("error", where, f"is not known; known are {', '.join(known) or 'no keys at all'}")
    for each in specs:
        if each.required and each.name not in keys and _is_everywhere(each, target):
            yield Finding("error", path + each.name, "is required")


def _is_everywhere(each: KeySpec, target: Target) -> bool:
    """Whether a device of the target's platform, or of any if that is not known, has this key."""
    if target.platform is None:
        return None not in each.platforms.values()
    return each.platforms.get(target.platform, each) is not None


def _check_placement(each: KeySpec, where: str, target: Target) -> Iterator[Finding]:
    """Where the device would pass over a key, or over one item of many, the rest of the command still counts."""
    if target.platform is None or target.platform not in each.platforms:
        return
    facts = each.platforms[target.platform]
    if facts is None:
        yield Finding("warning", where, f"means nothing on {target.platform}")
        return
    yield from _check_version("warning", where, facts, target)
    if _is_forbidden_to_user_enrollments(facts, target):
        yield Finding("warning", where, "is forbidden to user enrollments")
    if facts.supervised and target.supervised is False:
        yield Finding("warning", where, f"needs a supervised device on {target.platform}")
    missing = _missing_rights(facts.access_rights, target)
    if missing:
        yield Finding("warning", where, f"needs access right {missing}, which this enrollment does not have")


def _check_value(each: KeySpec, value: PlistValue, target: Target, where: str) -> Iterator[Finding]:
    if not _has_type(value, each.type):
        yield Finding("error", where, f"must be of type {each.type}")
    elif isinstance(value, Mapping):
        if each.keys:
            yield from _check_keys(each.keys, value, target, f"{where}.")
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for index, item in enumerate(value):
            yield from _check_item(each.keys, item, target, f"{where}[{index}]")
    elif each.rangelist and value not in each.rangelist:
        yield Finding("error", where, f"must be one of {', '.join(map(str, each.rangelist))}")
    elif isinstance(value, int | float):
        if each.minimum is not None and value < each.minimum:
            yield Finding("error", where, f"must be at least {each.minimum}")
        if each.maximum is not None and value > each.maximum:
            yield Finding("error", where, f"must be at most {each.maximum}")
    elif isinstance(value, str) and each.format is not None and not re.search(each.format, value):
        yield Finding("error", where, f"must have the form {each.format}")


def _check_item(kinds: Sequence[KeySpec], item: PlistValue, target: Target, where: str) -> Iterator[Finding]:
    """An item of an array: of its one kind, or of the kind that the item itself names (Settings)."""
    if len(kinds) == 1:
        kind = kinds[0]
        yield from _check_value(kind, item, target, where)
        if isinstance(item, str) and kind.keys:
            yield from _check_query(kind.keys, item, target, where)
        return
    if not kinds:
        return
    named = item.get("Item") if isinstance(item, Mapping) else None
    chosen = next((kind for kind in kinds if kind.name == named), None)
    if chosen is None:
        yield Finding("error", where, f"its Item must be one of {', '.join(kind.name for kind in kinds)}")
        return
    yield from _check_placement(chosen, where, target)
    yield from _check_value(chosen, item, target, where)


def _check_query(known: Sequence[KeySpec], name: str, target: Target, where: str) -> Iterator[Finding]:
    """A name in an array of names (Queries); a device leaves out what it does not know."""
    chosen = next((each for each in known if each.name == name), None)
    if chosen is None:
        yield Finding("warning", where, f"{name} is not known")
        return
    yield from _check_placement(chosen, where, target)


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
