"""The facts of Apple's schema: each command, payload and enrollment error, with its keys and where it exists.

They are read from the JSON files beside this module when they are first asked for. The files are written by
`tools/generate_catalog.py`, which says what is left out of them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, TypeAlias, cast

from corral.apple.platform import Platform
from corral.apple.plist import PlistLeaf

_Facts: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Availability:
    """What one platform makes of a command, payload or key. `access_rights` are bits, 0 if none is needed; `introduced`
    is None where it is as old as what contains it."""

    introduced: str | None = None
    deprecated: str | None = None
    removed: str | None = None
    device_channel: bool = True
    user_channel: bool = True
    supervised: bool = False
    requires_dep: bool = False
    user_approved: bool = False
    single: bool = False
    """Of a payload: a device has one of them at most."""
    access_rights: int = 0
    user_enrollment: str = "allowed"
    shared_ipad: str = "allowed"
    shared_ipad_device_channel: bool = True
    shared_ipad_user_channel: bool = True


@dataclass(frozen=True, slots=True)
class KeySpec:
    """A key, or an item of an array. `type` is string, integer, real, boolean, data, date, array, dictionary or any.

    `keys` are those of a dictionary (named ANY: whatever one likes), or the one or several kinds of items that an
    array may have. `platforms` names only those that differ from what contains the key; None: not there.
    """

    name: str
    type: str
    required: bool
    default: PlistLeaf | None
    rangelist: tuple[PlistLeaf, ...]
    minimum: float | None
    maximum: float | None
    format: str | None
    keys: tuple["KeySpec", ...]
    platforms: Mapping[Platform, Availability | None]


@dataclass(frozen=True, slots=True)
class CommandSpec:
    request_type: str
    keys: tuple[KeySpec, ...]
    platforms: Mapping[Platform, Availability]

    @property
    def access_rights(self) -> int:
        """The rights that it needs on any platform (the platforms agree but for those where it does not exist)."""
        rights = 0
        for availability in self.platforms.values():
            rights |= availability.access_rights
        return rights


@dataclass(frozen=True, slots=True)
class PayloadSpec:
    payload_type: str
    keys: tuple[KeySpec, ...]
    platforms: Mapping[Platform, Availability]


@dataclass(frozen=True, slots=True)
class EnrollmentErrorSpec:
    code: str
    keys: tuple[KeySpec, ...]
    platforms: Mapping[Platform, Availability]


def specs() -> tuple[CommandSpec, ...]:
    """Every command, by name."""
    return tuple(cast(CommandSpec, spec(request_type)) for request_type in _table("commands"))


@cache
def spec(request_type: str) -> CommandSpec | None:
    facts = _table("commands").get(request_type)
    return None if facts is None else CommandSpec(request_type, _keys(facts), _availabilities(facts))


@cache
def answer_keys(request_type: str) -> tuple[KeySpec, ...]:
    """What a device tells in its result, beside the keys of every result; empty where it only says that it is done."""
    return _keys(_table("answers").get(request_type, {}))


@cache
def payload_spec(payload_type: str) -> PayloadSpec | None:
    """`CommonPayloadKeys` are those of every payload, `TopLevel` those of the profile itself."""
    facts = _table("payloads").get(payload_type)
    return None if facts is None else PayloadSpec(payload_type, _keys(facts), _availabilities(facts))


def payload_types() -> tuple[str, ...]:
    """Every kind of payload that a profile may hold, by name."""
    return tuple(each for each in _table("payloads") if each not in ("CommonPayloadKeys", "TopLevel"))


def enrollment_errors() -> tuple[EnrollmentErrorSpec, ...]:
    return tuple(
        EnrollmentErrorSpec(code, _keys(facts), _availabilities(facts))
        for code, facts in _table("enrollment_errors").items()
    )


@cache
def _table(name: str) -> Mapping[str, _Facts]:
    table: Mapping[str, _Facts] = json.loads(
        resources.files("corral.apple.catalog").joinpath(f"{name}.json").read_bytes()
    )
    return table


def _keys(facts: _Facts) -> tuple[KeySpec, ...]:
    return tuple(_key(each) for each in facts.get("keys", ()))


def _key(facts: _Facts) -> KeySpec:
    limits = facts.get("range", {})
    return KeySpec(
        name=facts["name"],
        type=facts["type"],
        required=facts.get("required", False),
        default=facts.get("default"),
        rangelist=tuple(facts.get("rangelist", ())),
        minimum=limits.get("min"),
        maximum=limits.get("max"),
        format=facts.get("format"),
        keys=_keys(facts),
        platforms={
            Platform(name): None if each is None else _availability(each)
            for name, each in facts.get("platforms", {}).items()
        },
    )


def _availabilities(facts: _Facts) -> dict[Platform, Availability]:
    return {Platform(name): _availability(each) for name, each in facts["platforms"].items()}


def _availability(facts: _Facts) -> Availability:
    return Availability(**{_RENAMED.get(name, name): value for name, value in facts.items()})


_RENAMED = {"rights": "access_rights"}
