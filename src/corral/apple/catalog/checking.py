"""Holding a command against the catalog before it is queued.

An error is what the device would answer with Error or CommandFormatError; a warning is what it would leave out,
or what Apple has given up. What is not known of a target speaks against nothing.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import reduce

from corral.apple.catalog.keys import check_keys
from corral.apple.catalog.placing import Finding, Target, check_place, missing_rights
from corral.apple.catalog.spec import CommandSpec, spec, specs
from corral.apple.plist import PlistValue

# Keys that every command takes beside its own.
_COMMON = {"RequestRequiresNetworkTether": bool}

# Removing the enrollment profile is always permitted (Apple: "Remove Profile Command").
_NEEDS_NO_RIGHT = frozenset({"RemoveProfile"})


def check(request_type: str, keys: Mapping[str, PlistValue], target: Target) -> list[Finding]:
    """All that speaks against sending this command, with these keys beside its RequestType, to this target."""
    command = spec(request_type)
    if command is None:
        return [Finding("error", request_type, f"is no RequestType that Apple's schema knows{_nearest(request_type)}")]
    findings = list(_check_command(command, target))
    known = {each.name: each for each in command.keys}
    for name, kind in _COMMON.items():
        if name in keys and name not in known and not isinstance(keys[name], kind):
            findings.append(Finding("error", name, "must be a boolean"))
    own = {name: value for name, value in keys.items() if name not in _COMMON or name in known}
    return findings + list(check_keys(command.keys, own, target, ""))


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
    yield from check_place(where, facts, target)
    yield from _check_rights(where, facts.access_rights, target)


def _nearest(request_type: str) -> str:
    known = {each.request_type.lower(): each.request_type for each in specs()}
    found = get_close_matches(request_type.lower(), known, 1)
    return f"; {known[found[0]]} is" if found else ""


def _check_rights(where: str, needed: int, target: Target) -> Iterator[Finding]:
    missing = missing_rights(needed, target)
    if missing and where not in _NEEDS_NO_RIGHT:
        yield Finding("error", where, f"needs access right {missing}, which this enrollment does not have")
