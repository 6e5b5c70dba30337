"""What is known of a target, and whether something of the schema exists there: by system, channel, enrollment."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from corral.apple.catalog.spec import Availability
from corral.apple.identifiers import Kind
from corral.apple.platform import Platform, is_older, version

Severity: TypeAlias = Literal["error", "warning"]


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
    automated: bool | None = None
    """Whether it came by automated enrollment."""
    user_approved: bool | None = None
    """Of a Mac: whether its user has approved the enrollment, which automated enrollment does by itself."""

    @property
    def is_no_shared_ipad(self) -> bool:
        """As far as that is known: an iPhone never says so, but whatever is not supervised is not shared."""
        return self.shared_ipad is False or (self.shared_ipad is None and self.supervised is False)


@dataclass(frozen=True, slots=True)
class Finding:
    """`where` is the RequestType, or the path of a key such as `Settings[0].Enabled`."""

    severity: Severity
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.what}"


def check_version(severity: Severity, where: str, facts: Availability, target: Target) -> Iterator[Finding]:
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


def check_place(where: str, facts: Availability, target: Target) -> Iterator[Finding]:
    """Of a command or payload on the target's own platform: a device refuses what is not for it."""
    yield from check_version("error", where, facts, target)
    yield from check_channel(where, facts, target)
    if is_forbidden_to_user_enrollments(facts, target):
        yield Finding("error", where, "is forbidden to user enrollments")
    if facts.supervised and target.supervised is False:
        yield Finding("error", where, f"needs a supervised device on {target.platform}")
    if facts.requires_dep and target.automated is False:
        yield Finding("error", where, f"needs a device that came by automated enrollment on {target.platform}")
    if facts.shared_ipad == "required" and target.is_no_shared_ipad:
        yield Finding("error", where, "needs a Shared iPad")
    if facts.user_approved and target.user_approved is False:
        yield Finding("error", where, "needs an enrollment that the user of the Mac has approved")


def is_forbidden_to_user_enrollments(facts: Availability, target: Target) -> bool:
    return target.kind is not None and target.kind.is_user_enrollment and facts.user_enrollment == "forbidden"


def missing_rights(needed: int, target: Target) -> int:
    """The rights needed and not given; user enrollments have rights of their own, whatever was asked for."""
    if target.access_rights is None or (target.kind is not None and target.kind.is_user_enrollment):
        return 0
    return needed & ~target.access_rights


def check_channel(where: str, facts: Availability, target: Target) -> Iterator[Finding]:
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
