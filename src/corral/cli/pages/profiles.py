"""Configuration profiles as people read them."""

from collections.abc import Iterable
from typing import Any

from corral.cli.pages.writing import ago, clean, count, hint, print_facts, print_table, say, when

_STANDINGS = {
    "pending": "not answered yet",
    "failed": "refused or not delivered",
    "unconfirmed": "acknowledged, not listed since",
    "missing": "acknowledged, and not there",
    "other-version": "another version is there",
    "still-there": "removed, and still there",
    "not-ours": "not from here",
    "enrollment": "its enrollment",
}


def write_findings(data: dict[str, Any]) -> None:
    _findings(data["findings"])
    errors, warnings = count(data["errors"], "error"), count(data["warnings"], "warning")
    say(f"{clean(data['identifier'])}: {errors}, {warnings}.")


def write_kept(data: dict[str, Any]) -> None:
    _findings(data["findings"])
    profile, version = data["profile"], data["version"]
    if not data["is_new"]:
        say(f"{clean(profile['identifier'])} is kept already: this is its version {version['number']}.")
        return
    say(f"{clean(profile['identifier'])} is kept as version {version['number']}.")
    if data["uuid_changed"]:
        hint(
            "Its PayloadUUID was that of an earlier version: it has got one of its own, for devices to tell them apart."
        )


def write_list(data: dict[str, Any]) -> None:
    rows = [
        (each["identifier"], each["name"], each["latest"], when(each["created_at"]), each["id"])
        for each in data["profiles"]
    ]
    print_table(("identifier", "name", "version", "since", "id"), rows, "No profile. `corral profile add` keeps one.")
    if data["next"]:
        hint(f"There are more: add --after {clean(data['next'])}, or --limit 0 for all.")


def write_profile(data: dict[str, Any]) -> None:
    profile = data["profile"]
    print_facts(
        (
            ("profile", profile["identifier"]),
            ("name", profile["name"]),
            ("id", profile["id"]),
            ("wanted on", count(data["wanted_on"], "device")),
        )
    )
    say("")
    rows = [
        (each["number"], each["payload_uuid"], each["size"], when(each["created_at"]), each["created_by"], each["note"])
        for each in data["versions"]
    ]
    print_table(("version", "PayloadUUID", "bytes", "since", "by", "note"), rows, "")
    say("")
    if data["devices"]:
        _devices(data["devices"], "device")
    else:
        say("No device is like that." if data["wanted_on"] else "It is wanted on no device.")
    if data["next"]:
        hint("There are more devices: add --limit 0 for all.")


def write_device(data: dict[str, Any]) -> None:
    if data["as_of"] is None:
        hint("It has not listed its profiles yet: `corral command send DEVICE --type ProfileList` asks it.")
    else:
        say(f"As it said {ago(data['as_of'])}:")
    _devices(data["profiles"], "identifier")


def _devices(rows: Iterable[dict[str, Any]], what: str) -> None:
    table = [
        (
            each[what] + (f" / {each['user']}" if what == "device" and each["user"] else ""),
            each["standing"],
            _STANDINGS.get(each["standing"], ""),
            each["wanted_version"] if each["wanted_version"] is not None else "gone" if each["asked_at"] else "",
            when(each["asked_at"]),
            each["asked_by"],
        )
        for each in rows
    ]
    print_table((what, "standing", "", "wanted", "asked", "by"), table, "No profile.")


def _findings(findings: Iterable[dict[str, Any]]) -> None:
    for each in findings:
        say(f"{each['severity']}: {clean(each['where'])}: {clean(each['what'])}")
