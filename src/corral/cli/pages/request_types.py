"""Commands of Apple's schema as people read them."""

from collections.abc import Iterable
from typing import Any

from corral.cli.pages.writing import clean, print_facts, print_table, say

_SYSTEMS = {"iOS": "iOS/iPadOS"}


def write_types(data: dict[str, Any]) -> None:
    rows = [
        (
            each["request_type"],
            ", ".join(each["required"]),
            ", ".join(f"{name} {since or ''}".strip() for name, since in each["platforms"].items()),
        )
        for each in data["request_types"]
    ]
    print_table(("type", "required keys", "since"), rows, "")


def write_type(data: dict[str, Any]) -> None:
    say(data["request_type"])
    rows = [
        (
            _SYSTEMS.get(name, name),
            each["introduced"],
            each["removed"] or (f"(deprecated {each['deprecated']})" if each["deprecated"] else ""),
            " and ".join(filter(None, ("device" * each["device_channel"], "user" * each["user_channel"]))),
            "; ".join(_conditions(each)),
        )
        for name, each in data["platforms"].items()
    ]
    print_table(("platform", "since", "until", "channel", "conditions"), rows, "")
    say("")
    where = "where" if data["judged"] is None else "this device"
    print_table(("key", "type", "", "allowed", where), list(_keys(data["keys"], 0)), "It has no keys.")
    if data["answer"]:
        say("")
        columns = ("answer", "type", "", "values", where)
        print_table(columns, [(name, kind, "", *rest) for name, kind, _, *rest in _keys(data["answer"], 0)], "")
    if data["judged"] is not None:
        say("")
        _write_judged(data["judged"])


def _conditions(facts: dict[str, Any]) -> Iterable[str]:
    if facts["supervised"]:
        yield "supervised"
    if facts["requires_dep"]:
        yield "automated enrollment"
    if facts["user_enrollment"] != "allowed":
        yield f"user enrollment {facts['user_enrollment']}"
    if facts["shared_ipad"] != "allowed":
        yield f"Shared iPad {facts['shared_ipad']}"
    elif not facts["shared_ipad_device_channel"] or not facts["shared_ipad_user_channel"]:
        yield f"Shared iPad: {'device' if facts['shared_ipad_device_channel'] else 'user'} channel only"
    if facts["access_rights"]:
        yield f"access right {facts['access_rights']}"


def _keys(keys: Iterable[dict[str, Any]], depth: int) -> Iterable[tuple[str, ...]]:
    for key in keys:
        allowed = ", ".join(map(str, key["values"])) or key["format"] or ""
        if key["minimum"] is not None or key["maximum"] is not None:
            allowed = f"{key['minimum'] if key['minimum'] is not None else ''}..{key['maximum'] or ''}"
        default = "" if key["default"] is None else f"default {key['default']}"
        yield (
            "  " * depth + key["name"],
            key["type"],
            "required" * key["required"] or default,
            allowed,
            _everywhere(key["platforms"]) if key["passed_over"] is None else clean(key["passed_over"]) or "takes it",
        )
        yield from _keys(key["keys"], depth + 1)


def _everywhere(platforms: dict[str, Any]) -> str:
    return ", ".join(f"{_SYSTEMS.get(name, name)} {_since(each)}" for name, each in platforms.items())


def _since(facts: dict[str, Any] | None) -> str:
    if facts is None:
        return "never"
    return " ".join(filter(None, (facts["introduced"], "supervised" * facts["supervised"]))) or "yes"


def _write_judged(judged: dict[str, Any]) -> None:
    target, verdict = judged["target"], judged["verdict"]
    print_facts(
        (
            ("device", verdict["device"]),
            ("system", " ".join(filter(None, (target["platform"], target["os_version"]))) or "not known"),
            ("channel", target["channel"]),
            ("enrollment", target["enrollment"]),
            ("supervised", _known(target["supervised"])),
            ("automated enrollment", _known(target["automated"])),
            ("approved by its user", _known(target["user_approved"]) if target["platform"] == "macOS" else None),
            ("Shared iPad", _known(target["shared_ipad"])),
            ("access rights", target["access_rights"] if target["access_rights"] is not None else "not known"),
        )
    )
    if verdict["problem"]:
        say(f"It cannot be sent to this device: {clean(verdict['problem'])}.")
    else:
        say("This device would take it.")
    for finding in verdict["findings"]:
        if finding["severity"] == "warning":
            say(f"  {finding['where']} {finding['what']}")


def _known(value: bool | None) -> str:
    return "not known" if value is None else "yes" if value else "no"
