"""A command that is ready, and the verdict for each target: whether it can be queued there, what speaks against it."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import msgspec

from corral.apple import catalog, command
from corral.apple.catalog import Finding, Target
from corral.apple.command import Command, CommandError
from corral.service.access.caller import Caller
from corral.service.commands.targeting import Aim
from corral.service.errors import RequestRefused
from corral.service.kept_profile import read_kept
from corral.service.uploaded_profile import identifier_of
from corral.store.directory import CommandTarget

UNKNOWN = "There is no device {}, or more than one; name it by its id."


class Sent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of a command for one device.

    A fleet has 100,000 of them at once. `gc=False`: they hold no circles, and the collector would stop everything for
    tens of milliseconds to look.
    """

    device: str
    channel_id: str = ""
    command_uuid: str
    queued: bool
    findings: tuple[Finding, ...] = ()
    problem: str = ""

    @property
    def verdict(self) -> "Verdict":
        if self.queued:
            return "forced" if any(each.severity == "error" for each in self.findings) else "queued"
        if self.problem:
            return "not-eligible" if self.channel_id else "not-reachable"
        return "eligible"


Verdict: TypeAlias = Literal["queued", "forced", "eligible", "not-eligible", "not-reachable"]
"""Queued, against the catalog if forced; would be, where it was only asked; not, since the device would refuse it or
it would end its connection, or since there is no connection or channel to queue it for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One command for any number of targets. `keys` are those beside its RequestType; `against` finds what speaks
    against a target beside the catalog; with `force`, what is found keeps nothing from being queued."""

    built: Command
    keys: Mapping[str, Any] = field(repr=False)
    user_id: str = ""
    force: bool = False
    against: Callable[[Target], Sequence[Finding]] | None = None

    @property
    def profile_identifier(self) -> str | None:
        """Of the profile that it installs or removes, empty if it does not; None if that cannot be read."""
        match self.built.request_type, self.keys.get("Payload"), self.keys.get("Identifier"):
            case "InstallProfile", bytes() as payload, _:
                return identifier_of(payload)
            case "RemoveProfile", _, str() as identifier:
                return identifier
            case _:
                return ""

    def findings(self, target: Target) -> tuple[Finding, ...]:
        found = catalog.check(self.built.request_type, self.keys, target)
        return (*found, *(self.against(target) if self.against is not None else ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """On which channel, and whether against what speaks against it; `only_ask`: nothing is queued."""

    by: Caller
    user_id: str = ""
    force: bool = False
    only_ask: bool = False


def build(
    request_type: str | None, keys: Mapping[str, Any] | None, raw: bytes | None
) -> tuple[Command, Mapping[str, Any]]:
    try:
        if raw is not None:
            given = command.read_raw(raw)
            return given, command.command_keys(given)
        if not request_type:
            raise RequestRefused("Name a RequestType, or give a whole command as a property list.")
        known = catalog.spec(request_type)
        fitting = catalog.fit(known.keys, keys or {}) if known is not None else keys or {}
        return command.build(str(uuid.uuid4()).upper(), request_type, fitting), fitting
    except CommandError as error:
        raise RequestRefused(str(error)) from None


def refused(aim: Aim, order: Order, profile: str | None) -> Sent | None:
    """The verdict for a target that nothing can be queued for; `profile` is the order's identifier of one."""
    known = aim.known
    problem = refusal(aim.name, known, order, profile)
    if not problem:
        return None
    device, channel = (known.device_id, known.channel_id or "") if known else (aim.name, "")
    return Sent(device=device, channel_id=channel, command_uuid=order.built.uuid, queued=False, problem=problem)


def judge(known: CommandTarget, order: Order, findings: tuple[Finding, ...]) -> Sent:
    """The verdict for a target that could be queued for, by what was found against it."""
    problem = ""
    if findings and not order.force:
        problem = "; ".join(f"{each.where} {each.what}" for each in findings if each.severity == "error")
    return Sent(
        device=known.device_id,
        channel_id=known.channel_id or "",
        command_uuid=order.built.uuid,
        queued=not problem,
        findings=findings,
        problem=problem,
    )


def refusal(name: str, target: CommandTarget | None, order: Order, profile: str | None) -> str:
    """Why this command cannot be queued for a device at all, however it is insisted on; empty if it can."""
    if target is None:
        return UNKNOWN.format(name)
    if target.connection_id is None:
        return f"Device {name} is not connected."
    kept = None if profile == "" else read_kept(target.profile)
    if kept is not None and profile is None:
        return "its profile cannot be read here, so that it might replace the one that the device is enrolled by"
    if kept is not None and profile == kept.facts.identifier:
        if order.built.request_type == "RemoveProfile":
            return "this would end the connection; use `corral device end` instead"
        return "this would replace the profile that it is enrolled by; `corral device renew` sends that anew"
    if target.channel_id is None:
        return f"there is no user channel {order.user_id!r}" if order.user_id else "it has not sent a token yet"
    return ""
