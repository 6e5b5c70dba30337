"""What of the schema a device has: the keys and queries that its system, channel and enrollment know.

What is not known of a target speaks against nothing, as in the checks of `placing`.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from corral.apple.catalog.placing import Target, is_forbidden_to_user_enrollments, missing_rights
from corral.apple.catalog.spec import Availability, KeySpec, spec
from corral.apple.platform import is_older
from corral.apple.plist import PlistValue


def has(key: KeySpec, target: Target) -> bool:
    """Whether a device like the target knows this key (or query)."""
    if target.platform is None or target.platform not in key.platforms:
        return True
    facts = key.platforms[target.platform]
    return facts is not None and _is_there(facts, target)


def _is_there(facts: Availability, target: Target) -> bool:
    if is_forbidden_to_user_enrollments(facts, target) or missing_rights(facts.access_rights, target):
        return False
    if (facts.supervised and target.supervised is False) or (facts.requires_dep and target.automated is False):
        return False
    if facts.shared_ipad == "required" and target.shared_ipad is not True:
        return False
    if target.channel == "user":
        allowed = facts.shared_ipad_user_channel if target.shared_ipad else facts.user_channel
    else:
        allowed = facts.shared_ipad_device_channel if target.shared_ipad else facts.device_channel
    return allowed and _is_of_version(facts, target.os_version)


def _is_of_version(facts: Availability, os_version: str | None) -> bool:
    if not os_version:
        return True
    try:
        too_old = facts.introduced is not None and is_older(os_version, facts.introduced)
        return not too_old and (facts.removed is None or is_older(os_version, facts.removed))
    except ValueError:
        return True


@lru_cache(4096)
def queries(target: Target) -> tuple[str, ...]:
    """The names that DeviceInformation can ask of a device like the target, in the schema's order."""
    command = spec("DeviceInformation")
    assert command is not None
    (names,) = next(key for key in command.keys if key.name == "Queries").keys
    return tuple(each.name for each in names.keys if has(each, target))


def told(specs: Sequence[KeySpec], keys: Mapping[str, PlistValue], target: Target) -> dict[str, PlistValue]:
    """Those of the keys of an answer that a device like the target tells, in dictionaries and lists too."""
    known = {each.name: each for each in specs}
    free = next((each for each in specs if each.name.startswith("ANY")), None)
    found: dict[str, PlistValue] = {}
    for name, value in keys.items():
        key = known.get(name, free)
        if key is not None and has(key, target):
            found[name] = _value(key, value, target)
    return found


def _value(key: KeySpec, value: PlistValue, target: Target) -> PlistValue:
    if isinstance(value, Mapping):
        return told(key.keys, value, target) if key.keys else value
    if isinstance(value, Sequence) and not isinstance(value, str | bytes) and len(key.keys) == 1:
        return [_value(key.keys[0], item, target) for item in value]
    return value
