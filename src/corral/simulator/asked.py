"""A command as it reaches a device, and the reply to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, TypeAlias

from corral.apple.catalog import Target
from corral.apple.plist import PlistValue
from corral.simulator.behaviour import Behaviour
from corral.simulator.contents import Contents
from corral.simulator.enrollment import Channel, Enrollment
from corral.simulator.facts import Facts

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
    return Target(
        asked.facts.platform,
        asked.facts.os_version,
        "user" if asked.channel.is_user else "device",
        supervised=asked.behaviour.supervised or asked.behaviour.awaiting_configuration,
        access_rights=asked.enrollment.profile.access_rights,
    )
