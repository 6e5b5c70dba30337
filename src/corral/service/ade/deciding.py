"""Which profile a device shall have: pure, from what Apple says, what a person said, the rules, and the default."""

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from corral.dep.records import DepDevice
from corral.lifecycle.state import HOUR, MINUTE, Instant
from corral.store.ade import AdeDevice, AdeRule, Assignment, Listed, RuleField

MOST_ATTEMPTS = 10
"""After which an assignment that Apple refuses for a device waits until something changes, or the next whole fetch."""


def taken(server: str, page: Iterable[DepDevice], known: Mapping[str, AdeDevice], now: Instant) -> list[AdeDevice]:
    """The devices of a page as they are kept: the latest word on each, unless a later one is known already."""
    latest: dict[str, DepDevice] = {}
    for each in page:
        before = latest.get(each.serial_number)
        if before is None or each.op_date >= before.op_date:
            latest[each.serial_number] = each
    found: list[AdeDevice] = []
    for each in latest.values():
        old = known.get(each.serial_number)
        if old is not None and each.op_date and each.op_date < old.op_date:
            continue
        found.append(_kept(server, each, old, now))
    return found


def wanted(listed: Listed, rules: Sequence[AdeRule], default: str, now: Instant) -> Assignment | None:
    """A new assignment for the device, if rules or the default want another than it has; None: all is well.

    What a person said stays. A rule that is gone leaves the device with the profile that it has.
    """
    device, current = listed.device, listed.assignment
    if device.deleted_at is not None or (current is not None and current.by_person):
        return None
    rule = next((each for each in rules if matches(each, device)), None)
    profile = rule.profile if rule is not None else default
    if not profile or (current is not None and current.profile == profile):
        return None
    return Assignment(
        server=device.server,
        serial_number=device.serial_number,
        profile=profile,
        assigned_by=f"rule {rule.position}" if rule is not None else "default",
        by_person=False,
        assigned_at=now,
        due_at=now,
    )


def undone(listed: Listed, uuids: Mapping[str, str], now: Instant) -> Assignment | None:
    """The assignment of a device, due again, where Apple says otherwise than it: what was lost on the way is found."""
    device, current = listed.device, listed.assignment
    if device.deleted_at is not None or current is None or current.due_at is not None:
        return None
    if not current.profile and not current.by_person:
        return None
    uuid = uuids.get(current.profile, "")
    if current.profile and not uuid:
        return None
    return None if device.profile_uuid == uuid else replace(current, due_at=now, attempts=0)


def answered(assignment: Assignment, word: str, wait: Instant | None, now: Instant) -> Assignment:
    """After Apple's word for one device; `wait` is what Apple asked for."""
    tried = replace(assignment, attempts=assignment.attempts + 1, outcome=word)
    if word == "SUCCESS":
        return replace(tried, due_at=None, attempts=0)
    if word == "THROTTLED":
        return replace(tried, due_at=now + (wait or MINUTE), attempts=assignment.attempts)
    if tried.attempts >= MOST_ATTEMPTS:
        return replace(tried, due_at=None)
    # A device that is not accessible was taken away from this server: that it comes back is rare.
    first = HOUR if word == "NOT_ACCESSIBLE" else MINUTE
    return replace(tried, due_at=now + min(first * 2 ** (tried.attempts - 1), 24 * HOUR))


def matches(rule: AdeRule, device: AdeDevice) -> bool:
    value = {
        RuleField.SERIAL: device.serial_number,
        RuleField.MODEL: device.model,
        RuleField.FAMILY: device.device_family,
        RuleField.OS: device.os,
        RuleField.ASSET_TAG: device.asset_tag,
        RuleField.DESCRIPTION: device.description,
    }[rule.field]
    return fnmatch.fnmatchcase(value.casefold(), rule.pattern.casefold())


def _kept(server: str, each: DepDevice, old: AdeDevice | None, now: Instant) -> AdeDevice:
    gone = each.op_type == "deleted"
    return AdeDevice(
        server=server,
        serial_number=each.serial_number,
        seen_at=now,
        model=each.model,
        description=each.description,
        color=each.color,
        asset_tag=each.asset_tag,
        device_family=each.device_family,
        os=each.os,
        profile_status="empty" if gone else each.profile_status or "empty",
        profile_uuid="" if gone or each.profile_status in ("", "empty", "removed") else each.profile_uuid,
        profile_assign_time=each.profile_assign_time,
        profile_push_time=each.profile_push_time,
        device_assigned_date=each.device_assigned_date,
        op_date=each.op_date or (old.op_date if old is not None else ""),
        document=each.document,
        deleted_at=now if gone else None,
    )
