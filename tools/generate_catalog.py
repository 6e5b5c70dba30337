"""Writes src/corral/apple/catalog/*.json from the collected facts of Apple's schema (commands, profiles, errors).

    python tools/generate_catalog.py [DIRECTORY WITH commands.json, profiles.json, errors.json]

Only facts are kept, each said once: what is allowed, optional or false is left out, a platform that has no such
command is absent, and one that lacks a single key of it is null there. One line an entry, so that a change of
Apple's schema reads as a change of lines.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "src" / "corral" / "apple" / "catalog"

Facts = dict[str, Any]

RIGHTS = {
    "AllowInspection": 1,
    "AllowInstallationRemoval": 2,
    "AllowPasscodeRemovalAndLock": 4,
    "DeviceLockAndRemovePasscode": 4,
    "AllowDeviceErase": 8,
    "AllowQueryDeviceInformation": 16,
    "AllowQueryNetworkInformation": 32,
    "AllowProvisioningInspection": 64,
    "AllowProvisioningInstallationRemoval": 128,
    "AllowQueryApplications": 256,
    "QueryInstalledApps": 256,
    "AllowQueryRestrictions": 512,
    "AllowQuerySecurity": 1024,
    "AllowSettings": 2048,
    "AllowAppInstallation": 4096,
    "None": 0,
    "n/a": 0,
    # DeviceInformation: each query has a right of its own.
    "Special Case": 0,
}

# Where Apple has corrected its schema in a later release: (command, platform, fact, value).
ERRATA: list[tuple[str, str, str, Any]] = [
    # 26.2: Macs under user enrollment do take it.
    ("RemoveApplication", "macOS", "user_enrollment", None),
]

# What Apple says of a value in words only: (command, key) and the form that it has.
FORMS = {("DeviceLock", "PIN"): "^[0-9]{6}$", ("EraseDevice", "PIN"): "^[0-9]{6}$"}


def availability(facts: Facts) -> Facts | None:
    """The facts of one platform; None where it is not there at all."""
    if facts.get("introduced") == "n/a":
        return None
    shared = facts.get("sharedipad", {})
    user_enrollment = facts.get("userenrollment", {}).get("mode", "allowed")
    found: Facts = {
        "introduced": facts.get("introduced"),
        "deprecated": facts.get("deprecated"),
        "removed": facts.get("removed"),
        "rights": RIGHTS[facts.get("accessrights", "None")] or None,
        "supervised": facts.get("supervised") or None,
        "requires_dep": facts.get("requiresdep") or None,
        "user_approved": facts.get("userapprovedmdm") or None,
        "single": True if facts.get("multiple") is False else None,
        "device_channel": False if facts.get("devicechannel") is False else None,
        "user_channel": False if facts.get("userchannel") is False else None,
        "user_enrollment": None if user_enrollment == "allowed" else user_enrollment,
        "shared_ipad": None if shared.get("mode", "allowed") == "allowed" else shared["mode"],
        "shared_ipad_device_channel": False if shared.get("devicechannel") is False else None,
        "shared_ipad_user_channel": False if shared.get("userchannel") is False else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def key(facts: Facts) -> Facts:
    found: Facts = {"name": facts["key"], "type": facts["type"]}
    if facts.get("presence") == "required":
        found["required"] = True
    default = facts.get("default")
    if default is not None:
        # The pages of the documentation write booleans as words.
        found["default"] = {"true": True, "false": False}.get(default, default) if isinstance(default, str) else default
    for name in ("rangelist", "range", "format", "repetition"):
        if name in facts:
            found[name] = facts[name]
    platforms: Facts = {name: availability(value) for name, value in facts.get("platforms", {}).items()}
    for name, introduced in facts.get("introduced", {}).items():
        if name != "iPadOS":
            platforms.setdefault(name, {"introduced": introduced})
    platforms = {name: value for name, value in platforms.items() if value != {}}
    if platforms:
        found["platforms"] = platforms
    if facts.get("subkeys"):
        found["keys"] = [key(subkey) for subkey in facts["subkeys"]]
    elif "items" in facts:
        found["keys"] = [{"name": "Item", "type": facts["items"]}]
    return found


def entry(facts: Facts, keys: str) -> Facts:
    platforms = {name: availability(value) for name, value in facts["platforms"].items()}
    return {
        "platforms": {name: value for name, value in platforms.items() if value is not None},
        "keys": [key(each) for each in facts[keys]],
    }


def commands(source: Facts) -> Facts:
    found = {facts["request_type"]: entry(facts, "payload_keys") for facts in source["commands"]}
    for request_type, platform, name, value in ERRATA:
        facts = found[request_type]["platforms"][platform]
        if value is None:
            del facts[name]
        else:
            facts[name] = value
    for (request_type, name), form in FORMS.items():
        next(each for each in found[request_type]["keys"] if each["name"] == name)["format"] = form
    return found


def answers(source: Facts) -> Facts:
    """What devices tell in their results, beside what every result has; commands that only succeed are left out."""
    return {
        facts["request_type"]: {"keys": [key(each) for each in facts["response_keys"]]}
        for facts in source["commands"]
        if facts["response_keys"]
    }


def payloads(source: Facts) -> Facts:
    """Some types (com.apple.MCX) are described in several files: such a payload takes the keys of each of them."""
    found: Facts = {}
    for facts in source["profiles"]:
        part = entry(facts, "keys")
        whole = found.setdefault(facts["payload_type"], part)
        if whole is not part:
            # What one of the files demands, a payload that is of another of them does not have.
            needed = {each["name"] for each in whole["keys"] if each.get("required")}
            needed &= {each["name"] for each in part["keys"] if each.get("required")}
            known = {each["name"] for each in whole["keys"]}
            whole["keys"] += [each for each in part["keys"] if each["name"] not in known]
            for each in whole["keys"]:
                if each["name"] not in needed:
                    each.pop("required", None)
            whole["platforms"] = part["platforms"] | whole["platforms"]
    return found


def enrollment_errors(source: Facts) -> Facts:
    return {
        facts["code"]: {
            "platforms": {
                name: {"introduced": version} for name, version in facts["platforms"].items() if name != "iPadOS"
            },
            "keys": [key(each) for each in facts["keys"]],
        }
        for facts in source["enrollment_errors"]
    }


def write(name: str, entries: Facts) -> None:
    lines: Iterable[str] = (
        f"{json.dumps(each)}: {json.dumps(facts, separators=(',', ':'))}" for each, facts in sorted(entries.items())
    )
    (TARGET / name).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def main(arguments: list[str]) -> None:
    source = Path(arguments[0]) if arguments else ROOT.parent / "shared" / "apple"
    read = {name: json.loads((source / f"{name}.json").read_bytes()) for name in ("commands", "profiles", "errors")}
    write("commands.json", commands(read["commands"]))
    write("answers.json", answers(read["commands"]))
    write("payloads.json", payloads(read["profiles"]))
    write("enrollment_errors.json", enrollment_errors(read["errors"]))


if __name__ == "__main__":
    main(sys.argv[1:])
