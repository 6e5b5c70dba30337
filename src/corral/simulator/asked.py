"""A command as it reaches a device, and the reply to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, TypeAlias

from corral.apple.catalog import Target
from corral.apple.identifiers import Kind
from corral.apple.plist import PlistValue
from corral.simulator.behaviour import Behaviour
from corral.simulator.contents import Contents
from corral.simulator.enrollment import Channel, Enrollment
from corral.simulator.facts import Facts, Model

Keys: TypeAlias = Mapping[str, PlistValue]

_INSTALLATION_FAILED: Final = 4001


class Then(Enum):
    """What a device does once its result has been taken; RENEW is done before, and makes the result."""

    GO_ON = auto()
    LEAVE = auto()
    WIPE = auto()
    SYNC_DECLARATIONS = auto()
    BE_CONFIGURED = auto()
    RENEW = auto()
    GET_APPS = auto()
    UPDATE_SYSTEM = auto()


@dataclass(frozen=True, slots=True)
class Reply:
    status: str = "Acknowledged"
    keys: Keys = field(default_factory=dict[str, PlistValue], repr=False)
    then: Then = Then.GO_ON


@dataclass(frozen=True, slots=True)
class Asked:
    """A command, where it arrived, and on what device."""

    request_type: str
    keys: Keys = field(repr=False)
    facts: Facts
    contents: Contents = field(repr=False)
    enrollment: Enrollment = field(repr=False)
    channel: Channel = field(repr=False)
    behaviour: Behaviour
    is_awaiting: bool


def error(code: int, text: str, domain: str = "MCMDMErrorDomain") -> Reply:
    """Error, with the chain of one item that devices send."""
    item = {"ErrorCode": code, "ErrorDomain": domain, "LocalizedDescription": text, "USEnglishDescription": text}
    return Reply("Error", {"ErrorChain": [item]})


def installation_failed(text: str) -> Reply:
    return error(_INSTALLATION_FAILED, f"Profile Failed to Install: {text}", "MCInstallationErrorDomain")


def target_of(asked: Asked) -> Target:
    """This device, as the catalog wants to know it."""
    behaviour = asked.behaviour
    return Target(
        asked.facts.platform,
        asked.facts.os_version,
        "user" if asked.channel.is_user else "device",
        kind=_kind(asked),
        supervised=behaviour.supervised or behaviour.awaiting_configuration,
        access_rights=asked.enrollment.profile.access_rights,
        shared_ipad=is_shared(asked),
        # One that is supervised may have come by another service's enrollment before.
        automated=True if behaviour.awaiting_configuration else None,
    )


def is_shared(asked: Asked) -> bool:
    """Of the iPads, those that have users."""
    has_users = asked.behaviour.user is not None or bool(asked.enrollment.users)
    return asked.facts.model is Model.IPAD and has_users


def _kind(asked: Asked) -> Kind:
    is_user = asked.channel.is_user
    if asked.enrollment.profile.enrollment_mode == "BYOD":
        return Kind.USER_ENROLLMENT_USER if is_user else Kind.USER_ENROLLMENT_DEVICE
    if not is_user:
        return Kind.DEVICE
    return Kind.SHARED_IPAD_USER if asked.facts.model is Model.IPAD else Kind.USER
